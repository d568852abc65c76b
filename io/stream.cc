#include "io/stream.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>

namespace isthmus::io {

Result<Address> Address::parse(std::string_view text) {
  auto refuse = [text] {
    return fail("'" + std::string(text) +
                "' is not an address: expected host:port (or [::1]:port), port 0 to 65535");
  };
  size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return refuse();
  std::string_view host = text.substr(0, colon);
  std::string_view port = text.substr(colon + 1);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  } else if (host.find_first_of(":[]") != std::string_view::npos) {
    return refuse();
  }
  Address address{std::string(host), 0};
  auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), address.port);
  if (host.empty() || port.empty() || error != std::errc{} || end != port.data() + port.size()) {
    return refuse();
  }
  return address;
}

std::string Address::to_string() const {
  bool v6 = host.find(':') != std::string::npos;
  return (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

Result<std::string> canonical_ip(const std::string& text) {
  std::array<uint8_t, sizeof(in6_addr)> address;
  std::array<char, INET6_ADDRSTRLEN> canonical;
  for (const int family : {AF_INET, AF_INET6}) {
    if (inet_pton(family, text.c_str(), address.data()) != 1) continue;
    return std::string(inet_ntop(family, address.data(), canonical.data(), canonical.size()));
  }
  return fail("not an IPv4 or IPv6 address: " + text);
}

bool is_loopback(const std::string& host) {
  if (host == "localhost") return true;
  const auto ip = canonical_ip(host);
  return ip && (*ip == "::1" || ip->starts_with("127.") || ip->starts_with("::ffff:127."));
}

std::string network_of(const std::string& ip) {
  constexpr size_t own_bytes = 8;
  std::array<uint8_t, sizeof(in6_addr)> address;
  std::array<char, INET6_ADDRSTRLEN> text;
  const bool is_ipv4 = ip.find('.') != std::string::npos;  // also one that IPv6 carries
  if (is_ipv4 || inet_pton(AF_INET6, ip.c_str(), address.data()) != 1) return ip;
  std::fill(address.begin() + own_bytes, address.end(), uint8_t{0});
  return inet_ntop(AF_INET6, address.data(), text.data(), text.size());
}

}  // namespace isthmus::io
