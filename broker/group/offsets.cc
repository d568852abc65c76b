#include "broker/group/offsets.h"

#include <algorithm>

#include "base/saturating.h"

namespace isthmus::broker {

void Offsets::apply(const TopicPartition& partition, CommittedOffset committed, bool from_link,
                    uint64_t number) {
  Entry& entry = entries_[partition];
  if (entry.number > number) return;
  entry = {std::move(committed), from_link, number};
}

void Offsets::erase(const TopicPartition& partition, uint64_t number) {
  const auto it = entries_.find(partition);
  if (it != entries_.end() && it->second.number <= number) entries_.erase(it);
}

const Offsets::Entry* Offsets::find(const TopicPartition& partition) const {
  const auto it = entries_.find(partition);
  return it == entries_.end() ? nullptr : &it->second;
}

bool Offsets::has_own() const {
  return std::ranges::any_of(entries_, [](const auto& e) { return !e.second.from_link; });
}

std::vector<TopicPartition> expired_offsets(const Group& group, const Offsets& offsets,
                                            int64_t now_ms, int64_t retention_ms) {
  int64_t not_before = 0;
  std::optional<std::set<std::string>> in_use;
  if (group.idle() && group.state() == GroupState::empty) {
    if (!group.protocol_type().empty()) not_before = group.state_since_ms().value_or(0);
    in_use.emplace();
  } else if (group.state() == GroupState::stable) {
    in_use = group.subscribed();
  }
  std::vector<TopicPartition> expired;
  if (!in_use) return expired;
  for (const auto& [partition, entry] : offsets.entries()) {
    if (entry.from_link || in_use->contains(partition.topic)) continue;
    const CommittedOffset& committed = entry.committed;
    const int64_t end =
        committed.expire_ms >= 0
            ? committed.expire_ms
            : add_saturating(std::max(committed.commit_ms, not_before), retention_ms);
    if (end <= now_ms) expired.push_back(partition);
  }
  return expired;
}

}  // namespace isthmus::broker
