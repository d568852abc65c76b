// ProxyHeader: what a load balancer says before the first byte of its client, so that who stands
// behind it learns for whom it connects: the PROXY protocol, version 2, of HAProxy's
// proxy-protocol.txt. Integers are in network order.
//
//   12 bytes  0D 0A 0D 0A 00 0D 0A 51 55 49 54 0A
//    1        version 2 (upper half), command: 0 LOCAL, 1 PROXY
//    1        family (upper half): 0 unknown, 1 IPv4, 2 IPv6, 3 UNIX; transport: 1 stream
//    2        the length of what follows
//   12 or 36  IPv4 or IPv6: source, destination, their ports
//    …        TLVs, which are passed over
//
// Version 1, a line of text, is refused: its length shows only at its end. Pure.
#pragma once

#include <optional>

#include "base/bytes.h"
#include "base/error.h"
#include "io/stream.h"

namespace isthmus::io {

struct ProxyHeader {
  // The client's. Nothing: the balancer speaks for itself (LOCAL, as its health checks do), or does
  // not know an IP address of its client's.
  std::optional<Address> source;
};

inline constexpr size_t proxy_header_start = 16;
// Balancers add some hundred bytes of TLVs.
inline constexpr size_t longest_proxy_header = 4096;

// What is wrong with the first bytes, any number of them, as far as they can tell: an error is one
// reason, fit for a log.
Result<void> check_proxy_header(Bytes front);
// The whole length. REQUIRES: `start` has proxy_header_start bytes.
Result<size_t> proxy_header_size(Bytes start);
// REQUIRES: `header` has proxy_header_size() bytes.
Result<ProxyHeader> parse_proxy_header(Bytes header);

}  // namespace isthmus::io
