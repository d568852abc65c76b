// A journal in memory, shared by coordinators that lead its partitions one after the other: it
// takes only what comes under the epoch in force.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "broker/coordinator/journal.h"
#include "io/loop.h"

namespace isthmus::broker {

class MemoryJournal final : public Journal {
 public:
  io::Task<Result<void>> append(PartitionIndex partition, LeaderEpoch leader_epoch,
                                std::vector<JournalRecord> records) override;
  io::Task<Result<void>> replay(PartitionIndex partition, Visit visit) override;
  bool writable(PartitionIndex) const override { return true; }

  io::Loop* loop = nullptr;
  std::map<PartitionIndex, std::vector<JournalRecord>> logs;
  // Of a partition whose leader has changed; others take every epoch.
  std::map<PartitionIndex, LeaderEpoch> in_force;
  bool held = false;           // appends and replays wait
  bool slow = false;           // what is in the log already is not told
  io::milliseconds pace{0};    // of the records of a replay
  std::optional<Error> fails;  // appends
  size_t appends = 0;
  size_t replays = 0;
};

}  // namespace isthmus::broker
