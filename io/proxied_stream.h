// A stream whose peer is whom a load balancer connects for (io/proxy_header.h).
#pragma once

#include <memory>

#include "io/proxy_header.h"
#include "io/stream.h"

namespace isthmus::io {

// Reads the header, and not a byte behind it. Error::closed: the peer has gone. No limit of time:
// the caller closes the stream.
Task<Result<ProxyHeader>> read_proxy_header(Stream& stream);

// The same stream, whose peer() is `source`.
std::unique_ptr<Stream> as_proxied(std::unique_ptr<Stream> stream, Address source);

}  // namespace isthmus::io
