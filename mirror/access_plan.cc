#include "mirror/access_plan.h"

#include <algorithm>
#include <optional>
#include <ranges>

namespace isthmus::mirror {

using Kind = AccessPlan::Change::Kind;

bool AccessPlan::comes_back(const AccessEntry& entry, Leads leads) const {
  return leads.reverse && entry.link == reverse_ && !entry.made_here;
}

bool AccessPlan::may_change(const AccessEntry& entry, Leads leads) const {
  const bool is_lent = entry.made_here && leads.reverse;
  return leads.link && entry.link == link_ && !is_lent;
}

// What denies must be known, and be there, before anybody is let in by what allows.
bool AccessPlan::is_held_back(AccessKind kind, const AccessView& source,
                              const AccessView& target) const {
  if (kind == AccessKind::deny || kind == AccessKind::quota) return false;
  if (!source.no_acls.empty()) return true;
  return std::ranges::any_of(refused_, [&](const auto& refused) {
    return refused.first.kind == AccessKind::deny && source.entries.contains(refused.first) &&
           !target.entries.contains(refused.first);
  });
}

std::vector<AccessPlan::Change> AccessPlan::decide(const AccessView& source,
                                                   const AccessView& target, io::Instant now) {
  const Leads leads{target.writers.contains(link_), source.writers.contains(reverse_)};
  std::vector<Change> changes;
  std::optional<AccessKind> held;  // this kind, and by their order those behind it
  for (const auto& [key, entry] : source.entries) {
    if (refused_.contains(key)) continue;
    if (!held && is_held_back(key.kind, source, target)) held = key.kind;
    const auto there = target.entries.find(key);
    if (there == target.entries.end()) {
      if (leads.link && !held && !comes_back(entry, leads)) changes.push_back({key, Kind::put});
      continue;
    }
    const bool is_same = there->second.what == entry.what;
    const bool is_own = there->second.link.empty();
    const bool came_from_there = entry.link == reverse_ && !entry.made_here;
    const bool both_lead = leads.link && leads.reverse;
    if (is_own && is_same && came_from_there && !both_lead) {
      changes.push_back({key, Kind::note});
    } else if (!is_same && !held && !comes_back(entry, leads) && may_change(there->second, leads)) {
      changes.push_back({key, Kind::put});
    }
  }
  add_removals(source, target, leads, now, changes);
  return changes;
}

void AccessPlan::add_removals(const AccessView& source, const AccessView& target, Leads leads,
                              io::Instant now, std::vector<Change>& changes) {
  std::map<AccessKey, io::Instant> gone;
  bool lets_in = false;  // somebody, or something, that the source does not any more
  for (const auto& [key, entry] : std::views::reverse(target.entries)) {
    if (source.entries.contains(key) || source.is_void) continue;
    if (!may_change(entry, leads)) continue;
    const auto before = gone_since_.find(key);
    const io::Instant since = before == gone_since_.end() ? now : before->second;
    if (!source.tells(key.kind)) {
      // Neither here nor there: a wait that has begun goes on.
      if (key.kind == AccessKind::user) lets_in = true;
      if (before != gone_since_.end()) gone[key] = since;
      continue;
    }
    gone[key] = since;
    const bool is_due = now - since >= delay_;
    // They come first.
    const bool opens = key.kind == AccessKind::allow || key.kind == AccessKind::user;
    if (opens && !is_due) lets_in = true;
    const bool still_guards = key.kind == AccessKind::deny && lets_in;
    if (is_due && !still_guards) changes.push_back({key, Kind::remove});
  }
  gone_since_ = std::move(gone);
}

bool AccessPlan::is_due(io::Instant now) const {
  return std::ranges::any_of(gone_since_,
                             [&](const auto& gone) { return now - gone.second >= delay_; });
}

}  // namespace isthmus::mirror
