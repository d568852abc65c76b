#include "io/ip_range.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>

namespace isthmus::io {

namespace {

constexpr size_t mapped_prefix = 12;  // bytes before an IPv4 address

// Sets what lies behind the first `prefix` bits to zero.
template <typename Bits>
Bits cut_to(Bits bits, int prefix) {
  for (size_t i = 0; i < bits.size(); ++i) {
    const int kept = std::clamp(prefix - static_cast<int>(8 * i), 0, 8);
    bits[i] &= static_cast<uint8_t>(0xff00 >> kept);
  }
  return bits;
}

}  // namespace

Result<IpRange::Bits> IpRange::bits_of(const std::string& ip) {
  Bits bits{};
  if (inet_pton(AF_INET6, ip.c_str(), bits.data()) == 1) return bits;
  bits[10] = bits[11] = 0xff;
  if (inet_pton(AF_INET, ip.c_str(), bits.data() + mapped_prefix) == 1) return bits;
  return fail("\"" + ip + "\" is no address");
}

Result<IpRange> IpRange::parse(std::string_view text) {
  const size_t slash = text.find('/');
  const std::string ip(text.substr(0, slash));
  const auto refuse = [&](const std::string& why) {
    return fail("\"" + std::string(text) + "\" is no network: " + why +
                "; write an address, or a network as 10.0.0.0/8");
  };
  auto bits = bits_of(ip);
  if (!bits) return refuse("it names no address");
  const int most = ip.find(':') == std::string::npos ? 32 : 128;
  int prefix = most;
  if (slash != std::string_view::npos) {
    const std::string_view after = text.substr(slash + 1);
    const char* const end = after.data() + after.size();
    const auto [rest, error] = std::from_chars(after.data(), end, prefix);
    if (error != std::errc{} || rest != end || prefix < 0 || prefix > most) {
      return refuse("its prefix is 0 to " + std::to_string(most));
    }
  }
  IpRange range;
  range.prefix_ = prefix + (128 - most);
  range.network_ = cut_to(*bits, range.prefix_);
  range.text_ = text;
  if (range.network_ != *bits) return refuse("its address has bits behind its prefix");
  return range;
}

bool IpRange::contains(const std::string& ip) const {
  const auto bits = bits_of(ip);
  return bits && cut_to(*bits, prefix_) == network_;
}

std::string IpRange::to_string() const { return text_; }

}  // namespace isthmus::io
