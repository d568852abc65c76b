// Security: what a dialer needs to be let in: TLS and a log-in, or neither. Shared by all
// connections to a cluster, on any loop; what it refers to is asked for at each dial, so
// certificates and passwords change without a dropped connection.
#pragma once

#include <memory>

#include "base/published.h"
#include "io/tls_context.h"
#include "kafka/sasl/sasl_client.h"

namespace isthmus::client {

struct Security {
  // nullptr: plain text.
  std::shared_ptr<const Published<io::TlsContext>> tls = nullptr;
  // nullptr: nobody logs in.
  std::shared_ptr<const kafka::SaslLogIn> log_in = nullptr;
};

}  // namespace isthmus::client
