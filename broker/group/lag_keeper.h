// LagKeeper: knows how far the groups that this broker coordinates are behind (group_lag.h), as of
// the last time that somebody wanted to know; while nobody asks it does nothing.
//
// A log is one that lies here: whoever is in sync has the leader's, and a high watermark that is at
// most a fetch behind the leader's. Of a partition that is not in sync here, or offline, nothing is
// known. What a look costs is bounded: it goes through groups in turns of the loop, and asks for a
// few hundred times of records, a few at once and not for long; the others have their turn with the
// looks after it.
//
// On the main loop, which is the coordinator's. Owned by SiteViews.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "broker/group/group_lag.h"
#include "broker/replica/partition_table.h"
#include "io/env.h"
#include "io/mutex.h"

namespace isthmus::broker {

class Coordinator;

class LagKeeper {
 public:
  LagKeeper(io::Env& env, NodeId self, PartitionTable& partitions, Coordinator& groups);

  // Looks how groups and logs stand, unless that was done just now. Who comes meanwhile waits for
  // the same.
  io::Task<void> look();

  // As looked at last, at the present time.
  std::vector<GroupLag::PartitionLag> of(const std::string& group) const {
    return lag_.of(group, env_.main_loop().wall_ms());
  }
  GroupLag::Total total_of(const std::string& group) const {
    return lag_.total_of(group, env_.main_loop().wall_ms());
  }

 private:
  using Readable = std::optional<GroupLag::Readable>;

  io::Task<void> note_groups();
  io::Task<Readable> readable(TopicPartition name) const;
  io::Task<void> look_up_times();
  io::Task<void> look_up(const GroupLag::Lookup& lookup, io::Instant deadline);

  io::Env& env_;
  const NodeId self_;
  PartitionTable& partitions_;
  Coordinator& groups_;
  GroupLag lag_;
  io::Mutex turns_;
  std::optional<io::Instant> looked_;
};

}  // namespace isthmus::broker
