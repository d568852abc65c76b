// A provider's token endpoint, asked for a token by our own credentials (RFC 6749, section 4.4):
// id and secret in the header of Basic authentication (section 2.3.1), as Kafka's client does.
//
// How the endpoint is verified, and what bounds its answer, says process/fetch_url.h.
#pragma once

#include <string>

#include "kafka/sasl/token_answer.h"
#include "process/security_config.h"

namespace isthmus::process {

// Blocks, for some seconds if the endpoint does: call it on workers. The error is one line that
// names the URL, and holds nothing of the secret.
Result<kafka::IssuedToken> ask_for_token(const TokenEndpoint& endpoint);

// What is sent: the value of the header Authorization, and the body.
struct TokenRequest {
  std::string authorization;
  std::string form;
};
TokenRequest token_request(const TokenEndpoint& endpoint, const std::string& secret);

}  // namespace isthmus::process
