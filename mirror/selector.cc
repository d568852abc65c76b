#include "mirror/selector.h"

#include <algorithm>
#include <regex>

namespace isthmus::mirror {

struct Selector::Patterns {
  std::vector<std::regex> include, exclude;
};

namespace {
bool any_matches(const std::vector<std::regex>& patterns, const std::string& name) {
  return std::ranges::any_of(patterns, [&](const auto& p) { return std::regex_match(name, p); });
}
}  // namespace

Selector::Selector(const std::vector<std::string>& include,
                   const std::vector<std::string>& exclude) {
  auto patterns = std::make_shared<Patterns>();
  for (const auto& p : include) patterns->include.emplace_back(p);
  for (const auto& p : exclude) patterns->exclude.emplace_back(p);
  patterns_ = std::move(patterns);
}

bool Selector::takes(const std::string& name) const {
  return any_matches(patterns_->include, name) && !any_matches(patterns_->exclude, name);
}

}  // namespace isthmus::mirror
