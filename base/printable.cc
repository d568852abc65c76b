#include "base/printable.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace isthmus {
namespace {

constexpr CodePoint invalid(uint8_t byte) { return {byte, 1, false}; }

bool is_plain(char c) { return c >= ' ' && c <= '~'; }

}  // namespace

CodePoint first_code_point(std::string_view text) {
  const auto lead = static_cast<uint8_t>(text[0]);
  if (lead < 0x80) return {lead, 1, true};
  const size_t size = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || text.size() < size) return invalid(lead);
  char32_t value = lead & (0x7fu >> size);
  for (size_t i = 1; i < size; ++i) {
    const auto next = static_cast<uint8_t>(text[i]);
    if ((next & 0xc0) != 0x80) return invalid(lead);
    value = (value << 6) | (next & 0x3fu);
  }
  constexpr char32_t lowest[] = {0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = value >= 0xd800 && value <= 0xdfff;
  if (value < lowest[size] || surrogate || value > 0x10ffff) return invalid(lead);
  return {value, size, true};
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const CodePoint c = first_code_point(text);
    if (!c.valid) return false;
    text.remove_prefix(c.size);
  }
  return true;
}

bool is_unprintable(char32_t c) {
  struct Range {
    char32_t first, last;
  };
  constexpr Range ranges[] = {
      {0x00, 0x1f},        // controls
      {0x7f, 0x9f},        // and those of ISO 6429, which terminals obey too
      {0x061c, 0x061c},    // direction
      {0x200b, 0x200b},    // no width
      {0x200e, 0x200f},    // direction
      {0x2028, 0x202e},    // line and paragraph separators; direction
      {0x2060, 0x206f},    // no width; direction
      {0xfeff, 0xfeff},    // no width
      {0xfff9, 0xfffb},    // annotations
      {0xe0000, 0xe007f},  // tags
  };
  return std::ranges::any_of(ranges, [c](Range r) { return c >= r.first && c <= r.last; });
}

std::string printable(std::string_view text) {
  if (std::ranges::all_of(text, is_plain)) return std::string(text);
  std::string out;
  while (!text.empty()) {
    const CodePoint c = first_code_point(text);
    if (!c.valid || (is_unprintable(c.value) && c.value <= 0x7f)) {
      fmt::format_to(std::back_inserter(out), "\\x{:02x}", static_cast<uint32_t>(c.value));
    } else if (is_unprintable(c.value)) {
      fmt::format_to(std::back_inserter(out), "\\u{{{:x}}}", static_cast<uint32_t>(c.value));
    } else {
      out += text.substr(0, c.size);
    }
    text.remove_prefix(c.size);
  }
  return out;
}

}  // namespace isthmus
