// A log-in by SASL on a connection that is open (KIP-43, KIP-152). PBKDF2 runs on the workers, and
// so does the asking for a token (RFC 6749, section 4.4) where there is none that is good.
#pragma once

#include <chrono>

#include "client/connection.h"

namespace isthmus::client {

// How long it holds; nothing: for ever. An error names the mechanism and what the broker said; it
// never holds a part of a password or token. REQUIRES: nothing else is asked meanwhile.
io::Task<Result<std::optional<std::chrono::milliseconds>>> log_in(io::Env& env,
                                                                  Connection& connection,
                                                                  const kafka::SaslLogIn& with,
                                                                  io::Instant deadline);

}  // namespace isthmus::client
