#include "io/proxy_header.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "base/check.h"

namespace isthmus::io {

namespace {

using namespace std::string_view_literals;

constexpr std::string_view signature = "\r\n\r\n\0\r\nQUIT\n"sv;
constexpr std::string_view first_version = "PROXY "sv;
constexpr size_t ipv4_size = 12;
constexpr size_t ipv6_size = 36;
constexpr uint8_t ipv4_stream = 0x11;
constexpr uint8_t ipv6_stream = 0x21;

// What both have in common, of as much as there is.
bool begins_like(std::string_view front, std::string_view whole) {
  return front.substr(0, whole.size()) == whole.substr(0, front.size());
}

// An address of IPv4 in the clothes of IPv6 is what it is everywhere else: what quotas and ACLs
// call by its four numbers.
std::optional<Address> source_of(int family, Bytes ip, Bytes port) {
  static constexpr uint8_t mapped[] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  if (family == AF_INET6 && std::ranges::equal(ip.first(sizeof mapped), mapped)) {
    family = AF_INET;
    ip = ip.subspan(sizeof mapped);
  }
  std::array<char, INET6_ADDRSTRLEN> text;
  if (inet_ntop(family, ip.data(), text.data(), text.size()) == nullptr) return std::nullopt;
  return Address{text.data(), load_be<uint16_t>(port.data())};
}

}  // namespace

Result<void> check_proxy_header(Bytes front) {
  const std::string_view text = as_text(front);
  if (begins_like(text, signature)) return {};
  if (text.size() >= first_version.size() && begins_like(text, first_version)) {
    return fail("its PROXY header is version 1; set the load balancer to version 2");
  }
  return fail(
      "it begins without a PROXY header of version 2, which proxy.protocol.from asks of its "
      "address");
}

Result<size_t> proxy_header_size(Bytes start) {
  CHECK(start.size() >= proxy_header_start, "its start is here");
  if (auto good = check_proxy_header(start); !good) return fail(good.error());
  if (start[12] >> 4 != 2) {
    return fail("its PROXY header is version " + std::to_string(start[12] >> 4) +
                "; version 2 is spoken here");
  }
  const size_t size = proxy_header_start + load_be<uint16_t>(start.data() + 14);
  if (size <= longest_proxy_header) return size;
  return fail("its PROXY header has " + std::to_string(size) + " bytes; at most " +
              std::to_string(longest_proxy_header));
}

Result<ProxyHeader> parse_proxy_header(Bytes header) {
  const auto size = proxy_header_size(header);
  if (!size) return fail(size.error());
  CHECK(header.size() == *size, "all of it is here, and nothing else");
  const int command = header[12] & 0xf;
  if (command == 0) return ProxyHeader{};
  if (command != 1) {
    return fail("its PROXY header has command " + std::to_string(command) +
                "; LOCAL is 0, PROXY is 1");
  }
  const Bytes rest = header.subspan(proxy_header_start);
  const uint8_t family = header[13] >> 4, transport = header[13] & 0xf;
  if (family > 3 || transport > 2) {
    return fail("its PROXY header names a family or transport that does not exist");
  }
  if (family == 0 || family == 3 || transport == 0) return ProxyHeader{};
  if (header[13] != ipv4_stream && header[13] != ipv6_stream) {
    return fail("its PROXY header tells of datagrams, and this is a stream");
  }
  const bool is_ipv4 = header[13] == ipv4_stream;
  const size_t addresses = is_ipv4 ? ipv4_size : ipv6_size;
  if (rest.size() < addresses) {
    return fail("its PROXY header ends before its addresses do");
  }
  const size_t ip_size = is_ipv4 ? 4 : 16;
  return ProxyHeader{
      source_of(is_ipv4 ? AF_INET : AF_INET6, rest.first(ip_size), rest.subspan(2 * ip_size, 2))};
}

}  // namespace isthmus::io
