// Certificates: what TLS needs, from the PEM files that the words of a command line name; nullptr
// where they name none, which is plain text. Files that are of no use end the program.
#pragma once

#include <memory>

#include "bench/arguments.h"
#include "io/tls_context.h"

namespace isthmus::bench {

// `certificate` and `key`: who listens.
std::shared_ptr<const io::TlsContext> listener_of(const Arguments& arguments);
// `ca`: whom a dialer trusts.
std::shared_ptr<const io::TlsContext> dialer_of(const Arguments& arguments);

}  // namespace isthmus::bench
