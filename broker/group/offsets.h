// Offsets: what one group has committed, per partition, as far as it is durable.
//
// Owned by its group's coordinator. A commit becomes visible here only once the journal holds it;
// so that commits which end out of order cannot undo each other, each carries a number drawn when
// it began, and an older one never replaces a newer one.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "base/ids.h"
#include "broker/group/group.h"
#include "broker/group/records.h"

namespace isthmus::broker {

class Offsets {
 public:
  struct Entry {
    CommittedOffset committed;
    bool from_link = false;  // at its full height: what is served must be looked up (LogEnds)
    uint64_t number = 0;     // of the commit
  };
  using Entries = std::map<TopicPartition, Entry>;

  // Call when the commit goes to the journal.
  uint64_t begin() { return ++last_number_; }
  // Call when the journal has it.
  void apply(const TopicPartition& partition, CommittedOffset committed, bool from_link,
             uint64_t number);
  // Forgets the entry if nothing newer than `number` has replaced it.
  void erase(const TopicPartition& partition, uint64_t number);

  const Entry* find(const TopicPartition& partition) const;
  const Entries& entries() const { return entries_; }
  bool empty() const { return entries_.empty(); }
  // Whether anything was committed here that no link brought.
  bool has_own() const;

 private:
  Entries entries_;
  uint64_t last_number_ = 0;
};

// The partitions whose offsets are no longer kept (KIP-211): `retention_ms` after the later of the
// commit and the moment when the group became empty; for topics that a group with members does not
// read any more, after the commit. Where it is not recorded when the group became empty, the commit
// counts alone (KAFKA-8069). Not to be asked for groups that a link owns.
std::vector<TopicPartition> expired_offsets(const Group& group, const Offsets& offsets,
                                            int64_t now_ms, int64_t retention_ms);

}  // namespace isthmus::broker
