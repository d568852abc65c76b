#include "base/json.h"

#include <fmt/format.h>

#include <iterator>
#include <nlohmann/json.hpp>

#include "base/printable.h"

namespace isthmus {
namespace {

using nlohmann::json;

constexpr std::string_view mark = "\xef\xbf\xbd";  // U+FFFD

std::string valid(const std::string& text) {
  if (is_utf8(text) && !text.starts_with(mark)) return text;
  std::string out(mark);
  for (std::string_view rest = text; !rest.empty();) {
    const CodePoint c = first_code_point(rest);
    if (!c.valid) {
      fmt::format_to(std::back_inserter(out), "\\x{:02x}", static_cast<uint32_t>(c.value));
    } else if (c.value == U'\\') {
      out += "\\\\";
    } else {
      out += rest.substr(0, c.size);
    }
    rest.remove_prefix(c.size);
  }
  return out;
}

json valid(const json& value) {
  if (value.is_string()) return valid(value.get_ref<const std::string&>());
  if (value.is_array()) {
    json out = json::array();
    for (const json& element : value) out.push_back(valid(element));
    return out;
  }
  if (value.is_object()) {
    json out = json::object();
    for (const auto& [name, member] : value.items()) out[valid(name)] = valid(member);
    return out;
  }
  return value;
}

void add_escape(std::string& out, char32_t c) {
  auto unit = [&out](uint32_t u) { fmt::format_to(std::back_inserter(out), "\\u{:04x}", u); };
  if (c < 0x10000) return unit(c);
  unit(0xd800 + ((c - 0x10000) >> 10));
  unit(0xdc00 + ((c - 0x10000) & 0x3ff));
}

// Outside of strings JSON is ASCII, and in them the library has escaped what lies below a blank:
// whatever else is unprintable stands in a string and may be escaped there.
std::string without_unprintable(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const CodePoint c = first_code_point(text);
    if (c.value >= 0x7f && is_unprintable(c.value)) {
      add_escape(out, c.value);
    } else {
      out += text.substr(0, c.size);
    }
    text.remove_prefix(c.size);
  }
  return out;
}

}  // namespace

std::string write_json(const nlohmann::json& value, JsonForm form) {
  const int indent = form == JsonForm::indented ? 2 : -1;
  return without_unprintable(valid(value).dump(indent, ' ', false, json::error_handler_t::replace));
}

}  // namespace isthmus
