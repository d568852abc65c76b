// What a reader of our JSON does to have the exact bytes of a string (base/json.h). For tests.
#pragma once

#include <string>

namespace isthmus {

inline std::string read_back(const std::string& text) {
  constexpr std::string_view mark = "\xef\xbf\xbd";
  if (!text.starts_with(mark)) return text;
  std::string out;
  for (size_t i = mark.size(); i < text.size(); ++i) {
    if (text[i] != '\\') {
      out += text[i];
    } else if (text.at(++i) == 'x') {
      out += static_cast<char>(std::stoi(text.substr(i + 1, 2), nullptr, 16));
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

}  // namespace isthmus
