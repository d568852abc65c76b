#include "cli/access.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "cli/table.h"

namespace isthmus::cli {

using mirror::AccessKey;
using mirror::AccessView;

namespace {

mirror::AccessScope everything() {
  auto all = kafka::Selector::parse({".*"}, {});
  return {*all, *all};
}

// "user bob, User:alice READ on topic orders and 3 more"; empty if there are none.
std::string shown_keys(const std::vector<AccessKey>& keys) {
  constexpr size_t most = 3;
  std::string names;
  for (size_t i = 0; i < std::min(keys.size(), most); ++i) {
    names += (i ? ", " : "") + keys[i].to_string();
  }
  if (keys.size() > most) names += fmt::format(" and {} more", keys.size() - most);
  return names;
}

bool is_told(const AccessView& a, const AccessView& b, const AccessKey& key) {
  return a.tells(key.kind) && b.tells(key.kind);
}

std::string what_is_not_told(const AccessOf& site) {
  std::string text;
  const std::pair<const char*, const std::string*> parts[] = {{"ACLs", &site.view->no_acls},
                                                              {"users", &site.view->no_users},
                                                              {"quotas", &site.view->no_quotas}};
  for (const auto& [what, why] : parts) {
    if (!why->empty()) text += fmt::format("; {} of {} are not told: {}", what, site.site, *why);
  }
  return text;
}

}  // namespace

Finding judge_access(const AccessOf& source, const AccessOf& target, const std::string& link) {
  for (const AccessOf* site : {&source, &target}) {
    if (site->view) continue;
    return {Verdict::warn,
            fmt::format("ACLs, users and quotas are not compared: {}: {}", site->site,
                        site->view.error().text),
            ""};
  }
  const AccessView there = everything().of(*source.view);
  const AccessView here = everything().of(*target.view);
  std::vector<AccessKey> differ;
  std::vector<AccessKey> added;
  for (const auto& [key, entry] : there.entries) {
    if (!is_told(there, here, key)) continue;
    const auto found = here.entries.find(key);
    if (found == here.entries.end() || found->second.what != entry.what) differ.push_back(key);
  }
  for (const auto& [key, entry] : here.entries) {
    if (is_told(there, here, key) && !there.entries.contains(key)) added.push_back(key);
  }
  const std::string untold = what_is_not_told(source) + what_is_not_told(target);
  if (differ.empty() && added.empty()) {
    const Verdict verdict = untold.empty() ? Verdict::ok : Verdict::warn;
    return {verdict,
            untold.empty() ? "ACLs, users and quotas equal"
                           : "what is told of ACLs, users and quotas is equal" + untold,
            ""};
  }
  std::string text = "ACLs, users and quotas differ: ";
  if (!differ.empty()) {
    text += fmt::format("{} of {} missing or another at {}: {}", differ.size(), source.site,
                        target.site, shown_keys(differ));
  }
  if (!added.empty()) {
    text += fmt::format("{}{} at {} only: {}", differ.empty() ? "" : "; ", added.size(),
                        target.site, shown_keys(added));
  }
  return {Verdict::warn, text + untold,
          differ.empty() ? "" : "make them at " + target.site + ", or `acls: follow` of " + link};
}

}  // namespace isthmus::cli
