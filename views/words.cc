#include "views/words.h"

#include <fmt/core.h>

namespace isthmus::views {

std::string grouped(int64_t number) {
  std::string text = std::to_string(number);
  const size_t first = number < 0 ? 1 : 0;
  for (size_t at = text.size(); at > first + 3;) {
    at -= 3;
    text.insert(at, ",");
  }
  return text;
}

std::string seconds(std::optional<int64_t> ms) {
  if (!ms) return "unknown";
  return fmt::format("{:.1f}", static_cast<double>(*ms) / 1000);
}

std::string count_of(size_t n, const char* noun) {
  return fmt::format("{} {}{}", grouped(static_cast<int64_t>(n)), noun, n == 1 ? "" : "s");
}

std::string number_or_unknown(std::optional<int64_t> number) {
  return number ? grouped(*number) : "unknown";
}

}  // namespace isthmus::views
