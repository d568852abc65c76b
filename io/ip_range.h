// IpRange: the addresses of one network, as "10.0.0.0/8", "fd00::/8", or one address. An IPv4
// address counts as itself also where it arrives on a socket of IPv6 (::ffff:10.0.0.1).
//
// A plain value; any thread.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"

namespace isthmus::io {

class IpRange {
 public:
  static Result<IpRange> parse(std::string_view text);

  // False of what is no address.
  bool contains(const std::string& ip) const;
  std::string to_string() const;

 private:
  using Bits = std::array<uint8_t, 16>;  // IPv4 as IPv6 maps it: ::ffff:a.b.c.d

  static Result<Bits> bits_of(const std::string& ip);

  Bits network_{};
  std::string text_;
  int prefix_ = 0;  // bits of `network_` that count, of 128
};

}  // namespace isthmus::io
