// IsrUpdates: brings what leaders here propose for their ISRs (broker/replica/isr_keeper.h) to the
// controller: all that is there in one commit. Who may join is noted by the partition (isr_bell.h);
// who lags is looked for now and then.
//
// Owned by Broker, on the main loop. run() ends after close().
#pragma once

#include <functional>
#include <vector>

#include "base/log.h"
#include "broker/controller/cluster_plans.h"
#include "broker/replica/partition_table.h"
#include "io/env.h"
#include "io/event.h"

namespace isthmus::broker {

class IsrUpdates {
 public:
  // An error leaves open whether something was changed.
  using Commit = std::function<io::Task<Result<void>>(std::vector<IsrChange>)>;
  IsrUpdates(io::Env& env, PartitionTable& partitions, io::Duration look_every, Commit commit);

  io::Task<void> run();
  void close();

 private:
  struct Asked {
    PartitionRef partition;
    LeaderEpoch leader_epoch = -1;
  };
  std::vector<PartitionRef> to_ask();
  io::Task<bool> propose(std::vector<PartitionRef> partitions);

  io::Env& env_;
  PartitionTable& partitions_;
  const io::Duration look_every_;
  const Commit commit_;
  Logger log_{LogComponent::replication};
  io::Instant next_look_;
  bool closing_ = false;
};

}  // namespace isthmus::broker
