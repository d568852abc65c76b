#include "kafka/selector.h"

#include <re2/re2.h>

#include <algorithm>
#include <set>
#include <string_view>

#include "base/printable.h"

namespace isthmus::kafka {

namespace {

constexpr std::string_view special = R"(\.+*?()[]{}|^$)";
constexpr std::string_view anything = ".*";

bool is_plain(std::string_view text) {
  return text.find_first_of(special) == std::string_view::npos;
}

RE2::Options options(RE2::Options::Encoding encoding) {
  RE2::Options options;
  options.set_encoding(encoding);
  options.set_dot_nl(true);
  options.set_log_errors(false);
  return options;
}

// In a name that is no text, `.` is a byte: read as text it would match nothing of such a name.
struct Expression {
  explicit Expression(const std::string& pattern)
      : in_text(pattern, options(RE2::Options::EncodingUTF8)),
        in_bytes(pattern, options(RE2::Options::EncodingLatin1)) {}
  bool matches(const std::string& name, bool is_text) const {
    return RE2::FullMatch(name, is_text ? in_text : in_bytes);
  }

  RE2 in_text, in_bytes;
};

}  // namespace

struct Selector::Patterns {
  std::set<std::string> names;
  std::vector<std::string> beginnings;
  std::vector<std::unique_ptr<Expression>> expressions;

  Result<void> add(const std::string& pattern) {
    if (is_plain(pattern)) {
      names.insert(pattern);
      return {};
    }
    const std::string_view text = pattern;
    if (text.ends_with(anything) && is_plain(text.substr(0, text.size() - anything.size()))) {
      beginnings.emplace_back(text.substr(0, text.size() - anything.size()));
      return {};
    }
    auto expression = std::make_unique<Expression>(pattern);
    for (const RE2* read : {&expression->in_text, &expression->in_bytes}) {
      if (read->ok()) continue;
      return fail("\"" + pattern + "\" is no regular expression: " + read->error());
    }
    expressions.push_back(std::move(expression));
    return {};
  }
  bool match(const std::string& name) const {
    if (names.contains(name)) return true;
    const auto begins = [&](const std::string& beginning) { return name.starts_with(beginning); };
    if (std::ranges::any_of(beginnings, begins)) return true;
    const bool is_text = expressions.empty() || is_utf8(name);
    return std::ranges::any_of(
        expressions, [&](const auto& expression) { return expression->matches(name, is_text); });
  }
  bool match_all_of(const std::string& beginning) const {
    return std::ranges::any_of(
        beginnings, [&](const std::string& taken) { return beginning.starts_with(taken); });
  }
};

struct Selector::Sides {
  Patterns include, exclude;
};

Result<Selector> Selector::parse(const std::vector<std::string>& include,
                                 const std::vector<std::string>& exclude) {
  auto sides = std::make_shared<Sides>();
  for (const std::string& pattern : include) {
    if (auto added = sides->include.add(pattern); !added) return fail(added.error());
  }
  for (const std::string& pattern : exclude) {
    if (auto added = sides->exclude.add(pattern); !added) return fail(added.error());
  }
  return Selector(std::move(sides));
}

bool Selector::takes(const std::string& name) const {
  return sides_->include.match(name) && !sides_->exclude.match(name);
}

bool Selector::takes_all_of(const std::string& beginning) const {
  return sides_->include.match_all_of(beginning) && !sides_->exclude.match_all_of(beginning);
}

}  // namespace isthmus::kafka
