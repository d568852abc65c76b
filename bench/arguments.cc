#include "bench/arguments.h"

#include <fmt/core.h>

#include <charconv>
#include <cstdlib>

namespace isthmus::bench {

void give_up(const std::string& why) {
  fmt::print(stderr, "bench: {}\n", why);
  std::exit(1);
}

Arguments::Arguments(int argc, char** argv, int from) {
  for (int i = from; i < argc; ++i) {
    const std::string word = argv[i];
    const size_t equals = word.find('=');
    if (equals == std::string::npos) give_up("'" + word + "' is not key=value");
    values_[word.substr(0, equals)] = word.substr(equals + 1);
  }
}

std::string Arguments::text(const std::string& key) const {
  const auto found = values_.find(key);
  if (found == values_.end()) give_up(key + "=... is missing");
  return found->second;
}

std::string Arguments::text(const std::string& key, std::string otherwise) const {
  return values_.contains(key) ? text(key) : otherwise;
}

int64_t Arguments::number(const std::string& key) const {
  const std::string digits = text(key);
  int64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc() || end != digits.data() + digits.size()) {
    give_up(key + "=" + digits + " is no number");
  }
  return value;
}

int64_t Arguments::number(const std::string& key, int64_t otherwise) const {
  return values_.contains(key) ? number(key) : otherwise;
}

}  // namespace isthmus::bench
