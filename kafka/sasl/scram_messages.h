// The four messages of SCRAM (RFC 5802, section 7), and Kafka's addition to the first (KIP-48).
//
//   client  n,,n=user,r=<client nonce>
//   server  r=<client nonce><server nonce>,s=<salt>,i=4096
//   client  c=biws,r=<both nonces>,p=<proof>
//   server  v=<signature>                                   or e=<error>
//
// Bytes from outside: whatever is not exactly this is an error, which says what is wrong and holds
// nothing of the message. Extensions that a newer RFC may define (one letter) are passed over, as
// section 5.1 demands, except "m=", which says that it must not be. Kafka's tokenauth=true, a
// log-in by a delegation token, is refused by name. Pure functions; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "kafka/sasl/gs2.h"

namespace isthmus::kafka {

constexpr size_t longest_scram_message = 4096;
constexpr size_t longest_nonce = 256;  // of one side

struct ScramClientFirst {
  Gs2Header header;
  std::string user;
  std::string nonce;
  std::string bare;  // the message behind the header: what is signed
};
struct ScramServerFirst {
  std::string nonce;
  std::vector<uint8_t> salt;
  int32_t iterations = 0;
};
struct ScramClientFinal {
  std::string channel_binding;  // decoded
  std::string nonce;
  std::vector<uint8_t> proof;
  std::string without_proof;  // what is signed
};
// One of both.
struct ScramServerFinal {
  std::vector<uint8_t> signature;
  std::string error;
};

Result<ScramClientFirst> parse_scram_client_first(Bytes message);
Result<ScramServerFirst> parse_scram_server_first(Bytes message);
Result<ScramClientFinal> parse_scram_client_final(Bytes message);
Result<ScramServerFinal> parse_scram_server_final(Bytes message);

std::string encode_scram_client_first_bare(std::string_view user, std::string_view nonce);
std::string encode_scram_server_first(const ScramServerFirst& message);
std::string encode_scram_client_final_without_proof(std::string_view gs2_header,
                                                    std::string_view nonce);

// Printable ASCII without a comma, at least one character.
bool is_nonce(std::string_view text);

}  // namespace isthmus::kafka
