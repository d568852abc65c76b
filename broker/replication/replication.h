// Replication: this broker's part in keeping the replicas of its cluster alike: it copies what
// others lead (copier.h), and proposes the ISRs of what it leads (isr_updates.h).
//
// Owned by Broker, on the main loop. A broker that is alone starts none of it. close() before the
// partitions close and before destruction, unless the loop has ended.
#pragma once

#include <memory>
#include <vector>

#include "broker/controller/controller.h"
#include "broker/replica/partition_table.h"
#include "broker/replication/copier.h"
#include "broker/replication/isr_updates.h"
#include "io/env.h"
#include "io/gate.h"

namespace isthmus::broker {

class Replication {
 public:
  // A follower that has not had the end of a log for `lag_time_max` leaves the ISR.
  Replication(io::Env& env, Controller& controller, PartitionTable& partitions, Dialer& dialer,
              Copier::Options options, io::Duration lag_time_max);

  // See Copier.
  void on_refused(Copier::Refused refused) { copier_.on_refused(std::move(refused)); }
  void on_silence(Copier::Silence silence) { copier_.on_silence(std::move(silence)); }
  // After the partitions that are open have heard of it.
  void follow(std::shared_ptr<const Image> image);
  // Others are open now.
  void look_again() { copier_.look_again(); }
  io::Task<void> close();

 private:
  io::Task<Result<void>> commit(std::vector<IsrChange> changes);

  Controller& controller_;
  Copier copier_;
  IsrUpdates isr_updates_;
  io::Gate gate_;
  bool running_ = false;
};

}  // namespace isthmus::broker
