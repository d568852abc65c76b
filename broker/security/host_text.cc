#include "broker/security/host_text.h"

#include <algorithm>
#include <optional>
#include <vector>

namespace isthmus::broker {

namespace {

constexpr size_t groups_of_an_address = 8;

bool is_hex(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}
char to_lower(char c) { return c >= 'A' && c <= 'F' ? static_cast<char>(c - 'A' + 'a') : c; }

// 1 to 4 digits, without zeros before them.
std::optional<std::string> group_text(std::string_view group) {
  constexpr size_t most_digits = 4;
  if (group.empty() || group.size() > most_digits || !std::ranges::all_of(group, is_hex)) {
    return std::nullopt;
  }
  group.remove_prefix(std::min(group.find_first_not_of('0'), group.size() - 1));
  std::string text(group);
  std::ranges::transform(text, text.begin(), to_lower);
  return text;
}

// The groups between colons; nothing if there is another thing among them.
std::optional<std::vector<std::string>> groups_in(std::string_view text) {
  std::vector<std::string> groups;
  while (!text.empty()) {
    const size_t colon = text.find(':');
    auto group = group_text(text.substr(0, colon));
    if (!group || groups.size() == groups_of_an_address) return std::nullopt;
    groups.push_back(std::move(*group));
    if (colon == std::string_view::npos) break;
    text.remove_prefix(colon + 1);
    if (text.empty()) return std::nullopt;
  }
  return groups;
}

}  // namespace

std::string host_text(std::string_view host) {
  if (!host.contains(':')) return std::string(host);
  constexpr std::string_view mapped = "::ffff:";
  if (host.starts_with(mapped) && host.contains('.')) {
    return std::string(host.substr(mapped.size()));
  }
  const size_t scope = std::min(host.find('%'), host.size());
  const std::string_view address = host.substr(0, scope);
  const size_t gap = address.find("::");
  const bool has_gap = gap != std::string_view::npos;
  auto before = groups_in(address.substr(0, gap));
  auto after = groups_in(has_gap ? address.substr(gap + 2) : std::string_view());
  if (!before || !after) return std::string(host);
  const size_t count = before->size() + after->size();
  const bool whole = has_gap ? count < groups_of_an_address : count == groups_of_an_address;
  if (!whole) return std::string(host);
  before->resize(groups_of_an_address - after->size(), "0");
  before->insert(before->end(), after->begin(), after->end());
  std::string text;
  for (const std::string& group : *before) text += (text.empty() ? "" : ":") + group;
  return text + std::string(host.substr(scope));
}

}  // namespace isthmus::broker
