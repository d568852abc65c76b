#include "process/principal_mapping.h"

#include <fmt/core.h>
#include <locale.h>
#include <re2/re2.h>
#include <wctype.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "base/printable.h"

namespace isthmus::process {
namespace {

constexpr std::string_view blanks = " \t\n\v\f\r";
constexpr std::string_view keep = "DEFAULT";
constexpr std::string_view begin_of_rule = "RULE:";

enum class Case : uint8_t { kept, lower, upper };

// Text, or (group >= 0) what stands in a group of the match.
struct Piece {
  std::string text;
  int group = -1;
};

// The letters of all scripts, whatever the process' own locale is; null where the system lacks it.
locale_t all_letters() {
  static const locale_t locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
  return locale;
}

void append_utf8(std::string& out, char32_t c) {
  if (c < 0x80) {
    out += static_cast<char>(c);
    return;
  }
  const int following = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
  constexpr uint8_t leads[] = {0, 0xc0, 0xe0, 0xf0};
  out += static_cast<char>(leads[following] | (c >> (6 * following)));
  for (int i = following - 1; i >= 0; --i) out += static_cast<char>(0x80 | ((c >> (6 * i)) & 0x3f));
}

std::string change_case(std::string_view text, Case wanted) {
  std::string out;
  while (!text.empty()) {
    const CodePoint c = first_code_point(text);
    if (!c.valid) {
      out += text.front();
    } else if (wanted == Case::upper && c.value == U'ß') {
      out += "SS";
    } else {
      const auto letter = static_cast<wint_t>(c.value);
      append_utf8(out, wanted == Case::upper ? towupper_l(letter, all_letters())
                                             : towlower_l(letter, all_letters()));
    }
    text.remove_prefix(c.size);
  }
  return out;
}

// Where a class of characters holds what is a class of its own in Java ([a[bc]], [a&&b]) and plain
// characters, or a POSIX class, in RE2.
std::optional<size_t> nested_class(std::string_view pattern) {
  bool inside = false;
  for (size_t i = 0; i < pattern.size(); ++i) {
    const char c = pattern[i];
    if (pattern.substr(i).starts_with("\\Q")) {
      i = std::min(pattern.find("\\E", i), pattern.size());
    } else if (c == '\\') {
      ++i;
    } else if (!inside) {
      if (c != '[') continue;
      inside = true;
      if (pattern.substr(i + 1).starts_with('^')) ++i;
      if (pattern.substr(i + 1).starts_with(']')) ++i;  // first in its class, it does not end it
    } else if (c == ']') {
      inside = false;
    } else if (c == '[' || pattern.substr(i).starts_with("&&")) {
      return i;
    }
  }
  return std::nullopt;
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

RE2::Options options() {
  RE2::Options options;
  options.set_log_errors(false);
  return options;
}

}  // namespace

struct PrincipalMapping::Rule {
  std::unique_ptr<RE2> pattern;  // none: DEFAULT
  std::vector<Piece> replacement;
  Case letters = Case::kept;

  bool matches(const std::string& name) const {
    return pattern == nullptr || RE2::FullMatch(name, *pattern);
  }

  // REQUIRES: matches(name).
  std::string apply(const std::string& name) const {
    if (pattern == nullptr) return name;
    std::string out = replace_all(name);
    return letters == Case::kept ? out : change_case(out, letters);
  }

  std::string replace_all(const std::string& name) const {
    const int groups = pattern->NumberOfCapturingGroups() + 1;
    std::vector<re2::StringPiece> found(static_cast<size_t>(groups));
    const std::string_view text = name;
    std::string out;
    size_t copied = 0;  // of the name
    size_t from = 0;    // the search goes on there
    while (from <= text.size() && out.size() <= most_principal_bytes &&
           pattern->Match(name, from, text.size(), RE2::UNANCHORED, found.data(), groups)) {
      const auto begin = static_cast<size_t>(found[0].data() - text.data());
      out += text.substr(copied, begin - copied);
      append_replacement(out, found);
      copied = from = begin + found[0].size();
      if (!found[0].empty()) continue;
      from += from < text.size() ? first_code_point(text.substr(from)).size : 1;
    }
    if (copied < text.size()) out += text.substr(copied);
    return out;
  }

  void append_replacement(std::string& out, const std::vector<re2::StringPiece>& found) const {
    for (const Piece& piece : replacement) {
      out += piece.text;
      if (piece.group < 0) continue;
      const re2::StringPiece& group = found[static_cast<size_t>(piece.group)];
      out.append(group.data() == nullptr ? "" : group.data(), group.size());
    }
  }
};

class PrincipalMapping::Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Result<std::vector<Rule>> parse() {
    if (text_.size() > most_mapping_bytes)
      return fail(fmt::format("{} bytes of rules; at most {}", text_.size(), most_mapping_bytes));
    std::vector<Rule> rules;
    for (skip_blanks(); at_ < text_.size(); skip_blanks()) {
      if (take(",")) continue;  // Kafka takes no rule between two commas for one too
      auto rule = parse_rule();
      if (!rule) return fail(rule.error());
      rules.push_back(std::move(*rule));
      skip_blanks();
      if (at_ < text_.size() && !take(","))
        return wrong(at_,
                     "a comma is missing behind a rule; / ends only its two parts, \\/ stands "
                     "for itself");
    }
    if (rules.empty()) return wrong(0, "there is no rule, so nobody could connect; DEFAULT is one");
    return rules;
  }

 private:
  std::unexpected<Error> wrong(size_t position, const std::string& what) const {
    return fail(fmt::format("at character {}: {}", position + 1, what));
  }

  bool take(std::string_view word) {
    if (!text_.substr(at_).starts_with(word)) return false;
    at_ += word.size();
    return true;
  }

  void skip_blanks() { at_ = std::min(text_.find_first_not_of(blanks, at_), text_.size()); }

  // Up to the next slash that no backslash stands before, as it is written; the slash is taken.
  std::optional<std::string> take_part() {
    for (size_t i = at_; i < text_.size(); ++i) {
      if (text_[i] == '\\') {
        ++i;
      } else if (text_[i] == '/') {
        std::string part(text_.substr(at_, i - at_));
        at_ = i + 1;
        return part;
      }
    }
    return std::nullopt;
  }

  Result<Rule> parse_rule() {
    const size_t begin = at_;
    Rule rule;
    if (take(keep)) return rule;
    if (!take(begin_of_rule))
      return wrong(begin, "a rule is DEFAULT, or RULE:pattern/replacement/ and maybe L or U");
    const size_t pattern_at = at_;
    auto pattern = take_part();
    const size_t replacement_at = at_;
    auto replacement = pattern ? take_part() : std::nullopt;
    if (!replacement)
      return wrong(begin, fmt::format("a / is missing behind the {} of this rule; "
                                      "RULE:pattern/replacement/ and maybe L or U",
                                      pattern ? "replacement" : "pattern"));
    rule.pattern = std::make_unique<RE2>(*pattern, options());
    if (!rule.pattern->ok())
      return wrong(pattern_at, fmt::format("\"{}\" is no regular expression: {}", *pattern,
                                           rule.pattern->error()));
    if (auto nested = nested_class(*pattern))
      return wrong(pattern_at + *nested, "a class inside a class of characters; write it as one");
    auto pieces = cut(*replacement, replacement_at, rule.pattern->NumberOfCapturingGroups());
    if (!pieces) return fail(pieces.error());
    rule.replacement = std::move(*pieces);
    const size_t letters_at = at_;
    if (take("L")) rule.letters = Case::lower;
    if (rule.letters == Case::kept && take("U")) rule.letters = Case::upper;
    if (rule.letters != Case::kept && all_letters() == nullptr)
      return wrong(letters_at, "L and U need the locale C.UTF-8, which this system lacks");
    return rule;
  }

  // The pieces of a replacement, as Java's Matcher reads it: a number behind a $ goes on while the
  // pattern has so many groups.
  Result<std::vector<Piece>> cut(std::string_view text, size_t position, int groups) const {
    std::vector<Piece> pieces(1);
    for (size_t i = 0; i < text.size(); ++i) {
      if (text[i] == '\\' && i + 1 < text.size()) {
        pieces.back().text += text[++i];
        continue;
      }
      if (text[i] != '$') {
        pieces.back().text += text[i];
        continue;
      }
      if (i + 1 == text.size() || !is_digit(text[i + 1]))
        return wrong(position + i, "a $ without a number; \\$ stands for itself");
      int group = text[i + 1] - '0';
      if (group > groups && groups == 0)
        return wrong(position + i, fmt::format("${}, but the pattern has no group", group));
      if (group > groups) {
        pieces.back().text += '$';
        continue;
      }
      for (++i; i + 1 < text.size() && is_digit(text[i + 1]); ++i) {
        const int longer = group * 10 + (text[i + 1] - '0');
        if (longer > groups) break;
        group = longer;
      }
      pieces.back().group = group;
      pieces.emplace_back();
    }
    return pieces;
  }

  const std::string_view text_;
  size_t at_ = 0;
};

PrincipalMapping::PrincipalMapping() {
  auto rules = std::make_shared<std::vector<Rule>>();
  rules->emplace_back();
  rules_ = std::move(rules);
}
PrincipalMapping::~PrincipalMapping() = default;
PrincipalMapping::PrincipalMapping(const PrincipalMapping&) = default;
PrincipalMapping& PrincipalMapping::operator=(const PrincipalMapping&) = default;

Result<PrincipalMapping> PrincipalMapping::parse(std::string_view rules) {
  auto parsed = Parser(rules).parse();
  if (!parsed) return fail(parsed.error());
  PrincipalMapping mapping;
  mapping.rules_ = std::make_shared<const std::vector<Rule>>(std::move(*parsed));
  return mapping;
}

Result<std::string> PrincipalMapping::apply(const std::string& distinguished_name) const {
  if (distinguished_name.size() > most_principal_bytes)
    return fail(fmt::format("a distinguished name of {} bytes; at most {}",
                            distinguished_name.size(), most_principal_bytes));
  for (const Rule& rule : *rules_) {
    if (!rule.matches(distinguished_name)) continue;
    std::string name = rule.apply(distinguished_name);
    if (name.size() <= most_principal_bytes) return name;
    return fail(fmt::format("a principal's name of {} bytes; at most {}", name.size(),
                            most_principal_bytes));
  }
  return fail("no rule of ssl.principal.mapping.rules matches \"" + distinguished_name + "\"");
}

}  // namespace isthmus::process
