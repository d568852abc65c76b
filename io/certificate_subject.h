// Whose a certificate is, without a connection on which it is shown.
#pragma once

#include <expected>
#include <string>

#include "io/tls_context.h"

namespace isthmus::io {

// The subject of the first certificate of a PEM text, as a listener to which that chain is shown
// knows it: "CN=duke,OU=ops". The error says why the text is of no use.
std::expected<std::string, TlsProblem> certificate_subject(const std::string& text);

}  // namespace isthmus::io
