#include "tests/sim/group_book.h"

#include <algorithm>

namespace isthmus::sim {

namespace {
// Longer than any line is cut and any process paused in these runs.
constexpr auto doubt_ends_after = std::chrono::seconds(60);
}  // namespace

int32_t GroupBook::generation(const io::Address& site, const std::string& group) const {
  const auto found = generations_.find({site, group});
  return found == generations_.end() ? 0 : found->second.highest;
}

void GroupBook::told(const io::Address& site, const std::string& group, int32_t generation,
                     int32_t known) {
  if (generation >= known) return;
  judge_.broken("generations of a group never go back", group + " at " + site.to_string() + ": " +
                                                            std::to_string(generation) + " after " +
                                                            std::to_string(known));
}

void GroupBook::assigned(const io::Address& site, const std::string& group, int32_t generation,
                         const std::string& member, const std::vector<TopicPartition>& partitions) {
  Generations& known = generations_[{site, group}];
  known.highest = std::max(known.highest, generation);
  for (const TopicPartition& partition : partitions) {
    const auto [owner, fresh] = known.owners[generation].try_emplace(partition, member);
    if (fresh || owner->second == member) continue;
    judge_.broken("a partition has one owner in a generation",
                  group + " at " + site.to_string() + " gave " + partition.to_string() + " to " +
                      owner->second + " and to " + member + " in generation " +
                      std::to_string(generation));
  }
}

void GroupBook::accepted(const io::Address& site, const std::string& group, int32_t generation,
                         int32_t known) {
  if (generation >= known) return;
  judge_.broken("commits of an old generation are refused",
                group + " at " + site.to_string() + " took one of generation " +
                    std::to_string(generation) + " in generation " + std::to_string(known));
}

GroupBook::Ticket GroupBook::committing(const std::string& group, const TopicPartition& partition,
                                        Offset offset, io::Instant now) {
  const PositionOf of{group, partition};
  Position& position = positions_[of];
  position.most = std::max(position.most, offset);
  position.doubts[++last_ticket_] = {offset, now};
  commits_[last_ticket_] = of;
  return last_ticket_;
}

void GroupBook::committed(Ticket commit) {
  Position& position = positions_[commits_.at(commit)];
  position.acknowledged = position.doubts.at(commit).offset;
  refused(commit);
}

void GroupBook::refused(Ticket commit) {
  positions_[commits_.at(commit)].doubts.erase(commit);
  commits_.erase(commit);
}

GroupBook::Range GroupBook::offsets(const std::string& group, const TopicPartition& partition,
                                    io::Instant now) const {
  const auto found = positions_.find({group, partition});
  if (found == positions_.end()) return {};
  Range range{found->second.acknowledged};
  for (const auto& [ticket, doubt] : found->second.doubts) {
    if (now - doubt.since < doubt_ends_after) range.least = std::min(range.least, doubt.offset);
  }
  return range;
}

void GroupBook::fetched(const std::string& by, const std::string& group,
                        const TopicPartition& partition, Offset offset, const Range& range) {
  Position& position = positions_[{group, partition}];
  if (offset < range.least || offset > position.most) {
    judge_.broken("groups go on where they committed", by + " is given " + partition.to_string() +
                                                           " at " + std::to_string(offset) +
                                                           ", not " + std::to_string(range.least) +
                                                           " to " + std::to_string(position.most));
  }
  // It is committed, whatever became of the answer.
  position.acknowledged = std::max(position.acknowledged, offset);
}

}  // namespace isthmus::sim
