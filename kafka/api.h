// The APIs that we speak, and the headers before every request and response.
//
// The table comes from kafka/schema/: it is the one place that says which versions exist. Plain
// functions without state; any loop.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "kafka/gen/api_key.h"
#include "kafka/permission.h"
#include "kafka/wire.h"

namespace isthmus::kafka {

struct ApiInfo {
  ApiKey key;
  std::string_view name;  // Kafka's, as in "Produce"
  int16_t min_version;    // what we decode
  int16_t max_version;
  int16_t flexible_from;   // the first flexible version (KIP-482); 32767 = none
  bool is_private;         // spoken among our own processes only; absent from ApiVersions
  int16_t advertised_min;  // what ApiVersions announces: Produce must start at 0 (KAFKA-18659)
  // What whoever asks must be allowed to do; the handler says on what, and which of several.
  std::span<const Permission> needs;

  bool supports(int16_t version) const { return version >= min_version && version <= max_version; }
  bool is_flexible(int16_t version) const { return version >= flexible_from; }
};

// nullptr for a key that we do not know.
const ApiInfo* find_api(int16_t key);
inline const ApiInfo* find_api(ApiKey key) { return find_api(static_cast<int16_t>(key)); }
// By key, ascending.
std::span<const ApiInfo> all_apis();

// Request headers: 1 = with client id, 2 = also tagged fields. Response headers: 0 or 1 likewise;
// ApiVersions always answers with 0, since the client cannot know yet what we understand (KIP-511).
int request_header_version(const ApiInfo& api, int16_t version);
int response_header_version(const ApiInfo& api, int16_t version);
// REQUIRES: the key is known.
int request_header_version(ApiKey key, int16_t version);
int response_header_version(ApiKey key, int16_t version);

// How long a client is held back, asked when an answer to it is encoded (KIP-219).
class ThrottleSource {
 public:
  virtual int32_t throttle_time_ms() = 0;

 protected:
  ~ThrottleSource() = default;
};

struct RequestHeader {
  int16_t api_key = 0;  // as it came: possibly of no ApiKey
  int16_t api_version = 0;
  int32_t correlation_id = 0;
  std::optional<std::string> client_id;
  // Not on the wire: where the answer's error codes are counted (server/stats.h), if anywhere.
  ErrorTally* errors = nullptr;
  // Nor this: of the connection (server/throttle.h); nullptr where nobody is held back.
  ThrottleSource* throttle = nullptr;

  // Leaves the reader at the request's body. An unknown key is no error: the header is then read
  // as version 1, as Kafka does, and the caller closes the connection.
  static Result<RequestHeader> decode(Reader& r);
  void encode(Writer& w) const;
  bool operator==(const RequestHeader&) const = default;
};

void encode_response_header(Writer& w, ApiKey key, int16_t version, int32_t correlation_id);
// The correlation id. The reader is left at the response's body.

}  // namespace isthmus::kafka
