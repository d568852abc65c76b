// Replica: which offset is safe. Pure: told what was appended, what became durable, what followers
// have, and who is in the ISR; says where the high watermark is.
//
// The rule is Kafka's, tightened where Kafka's has lost data: the high watermark is the lowest
// *durable* end among all members of the ISR, and stands still while the ISR is smaller than
// min.insync.replicas (KAFKA-15583); it never goes back. Consumers and mirrors read up to it, so
// nothing that a crash could take back has ever been seen. A partition with one replica runs
// through the same rule with an ISR of one.
#pragma once

#include <map>
#include <vector>

#include "base/ids.h"

namespace isthmus::broker {

class Replica {
 public:
  // `durable` is what recovery left in the log: all of it is on disk.
  Replica(NodeId self, std::vector<NodeId> isr, int min_isr, Offset durable);

  // Each returns true if the high watermark moved.
  bool on_durable(Offset end);
  bool on_follower(NodeId node, Offset durable_end);
  bool on_isr(std::vector<NodeId> isr, int min_isr);
  // The log was cut (a diverged suffix was taken away): the only way back for the watermark, which
  // its owner takes under a new leader epoch.
  void on_truncated(Offset end);

  Offset high_watermark() const { return high_watermark_; }
  const std::vector<NodeId>& isr() const { return isr_; }
  bool enough_in_sync() const { return static_cast<int>(isr_.size()) >= min_isr_; }

 private:
  bool advance();

  NodeId self_;
  std::vector<NodeId> isr_;
  int min_isr_;
  std::map<NodeId, Offset> durable_;
  Offset high_watermark_;
};

}  // namespace isthmus::broker
