// OAUTHBEARER (RFC 7628, KIP-255): the client sends a bearer token, the server verifies it. See
// sasl_server.h and sasl_client.h for owners and loops; what a token has to be is jwt.h's.
//
//   client  n,,^A auth=Bearer <token> ^A [name=value ^A ...] ^A         (^A is 0x01)
//   server  nothing, or {"status":"invalid_token"}
//   client  ^A                                                          only after the latter
//   server  the error
#pragma once

#include <map>
#include <string>

#include "kafka/sasl/sasl_client.h"
#include "kafka/sasl/sasl_server.h"

namespace isthmus::kafka {

struct OauthBearerFirst {
  std::string authorization_id;  // empty: the token's own principal
  std::string token;
  // KIP-342; more than 32, or one that is no name=value of visible ASCII, is refused.
  std::map<std::string, std::string> extensions;
  friend bool operator==(const OauthBearerFirst&, const OauthBearerFirst&) = default;
};

// Errors say what is wrong, and hold nothing of the token.
Result<OauthBearerFirst> parse_oauthbearer_first(Bytes message);
Result<std::vector<uint8_t>> encode_oauthbearer_first(const OauthBearerFirst& first);

// Extensions are read and left alone, as Kafka leaves those that nobody has validated.
class OauthBearerServer final : public SaslServer {
 protected:
  Result<SaslServerStep> on_message(Bytes message) override;
  Result<SaslServerStep> on_identity(Result<TokenIdentity> identity) override;

 private:
  std::string authorization_id_;
  std::string refused_;  // why; the client has still to say that it has read so
};

class OauthBearerClient final : public SaslClient {
 public:
  explicit OauthBearerClient(std::vector<uint8_t> first) : first_(std::move(first)) {}

 protected:
  Result<SaslClientStep> on_challenge(Bytes challenge) override;

 private:
  std::vector<uint8_t> first_;
  bool sent_ = false;
  std::string refused_;  // what the server said
};

}  // namespace isthmus::kafka
