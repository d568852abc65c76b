// PROXY headers: what the first bytes say must stay so when more of them are here, no header is
// taken for longer than it may be, and who is named is an IP address.
#include <algorithm>

#include "base/check.h"
#include "io/proxy_header.h"
#include "tests/fuzz/input.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace isthmus;
  const Bytes all(data, size);
  const bool good = io::check_proxy_header(all).has_value();
  for (size_t part = 0; good && part < std::min(size, io::proxy_header_start); ++part) {
    CHECK(io::check_proxy_header(all.first(part)), "what is good begins well");
  }
  if (size < io::proxy_header_start) return 0;
  const auto whole = io::proxy_header_size(all);
  if (!whole) return 0;
  CHECK(good && *whole >= io::proxy_header_start && *whole <= io::longest_proxy_header, "bounded");
  if (*whole > size) return 0;
  const auto header = io::parse_proxy_header(all.first(*whole));
  if (!header || !header->source) return 0;
  CHECK(io::canonical_ip(header->source->host) == header->source->host, "an address");
  return 0;
}
