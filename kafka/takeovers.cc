#include "kafka/takeovers.h"

#include <algorithm>
#include <tuple>

namespace isthmus::kafka {

Takeovers Takeovers::of_one_version(int64_t version, const std::map<std::string, std::string>& map,
                                    const std::string& self) {
  Takeovers all;
  if (version <= 0) return all;
  for (const auto& [from, to] : map) all.put(from, to, version);
  // Such a map left out whoever was in charge of itself again.
  for (const auto& [from, to] : map) {
    if (!map.contains(to)) all.put(to, to, version);
  }
  if (!self.empty() && !map.contains(self)) all.put(self, self, version);
  return all;
}

bool Takeovers::merge(const Takeovers& other) {
  bool changed = false;
  for (const auto& [from, entry] : other.entries_) changed |= put(from, entry.to, entry.version);
  return changed;
}

bool Takeovers::put(const std::string& from, const std::string& to, int64_t version) {
  auto [known, is_new] = entries_.try_emplace(from, Entry{to, version});
  if (is_new) return true;
  // Of two that were made in the same millisecond by sites that do not see each other, everybody
  // takes the same one.
  if (std::tie(known->second.version, known->second.to) >= std::tie(version, to)) return false;
  known->second = {to, version};
  return true;
}

void Takeovers::take_over(const std::string& from, const std::string& to, int64_t version) {
  for (auto& [cluster, entry] : entries_) {
    if (entry.to == from) entry = {to, version};
  }
  entries_[from] = {to, version};
}

const std::string& Takeovers::in_charge_of(const std::string& cluster) const {
  const auto entry = entries_.find(cluster);
  return entry == entries_.end() ? cluster : entry->second.to;
}

int64_t Takeovers::version() const {
  int64_t latest = 0;
  for (const auto& [from, entry] : entries_) latest = std::max(latest, entry.version);
  return latest;
}

std::map<std::string, std::string> Takeovers::moved() const {
  std::map<std::string, std::string> moved;
  for (const auto& [from, entry] : entries_) {
    if (entry.to != from) moved[from] = entry.to;
  }
  return moved;
}

}  // namespace isthmus::kafka
