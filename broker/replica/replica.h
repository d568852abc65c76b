// Replica: which offset is safe. Pure: told who leads, what was appended, what became durable, what
// followers have, and who is in the ISR; says where the high watermark is.
//
// The rule is Kafka's, tightened where Kafka's has lost data: the high watermark is the lowest
// *durable* end among all members of the ISR, and stands still while the ISR is smaller than
// min.insync.replicas (KAFKA-15583); it never goes back. Consumers and mirrors read up to it, so
// nothing that a crash could take back has ever been seen. A partition with one replica runs
// through the same rule with an ISR of one.
//
//   following ──lead()──► leading ──lead(): another epoch──► leading
//       ▲                    │
//       └──────follow()──────┘
//
// Whom the leader has proposed for the ISR counts like a member until the record says otherwise:
// the record may name him before the leader hears of it, and then who is elected from it must have
// all that is safe. For min.insync.replicas the record counts alone. What followers had in an
// earlier epoch says nothing: they may have been cut since.
//
// A follower takes the watermark from its leader, as far as it has the records.
#pragma once

#include <map>
#include <span>
#include <vector>

#include "base/ids.h"

namespace isthmus::broker {

class Replica {
 public:
  // Follows until it is told to lead. `high_watermark` is known from before.
  explicit Replica(NodeId self, Offset high_watermark = 0)
      : self_(self), high_watermark_(high_watermark) {}

  // It leads, in an epoch that begins now; `durable` is its own end. This and those below return
  // true if the high watermark moved.
  bool lead(std::vector<NodeId> isr, int min_isr, Offset durable);
  bool on_durable(Offset end);
  bool on_follower(NodeId node, Offset durable_end);
  // It has started anew: what it had before it may have lost.
  void on_follower_anew(NodeId node) { durable_.erase(node); }
  // What the record says.
  bool on_isr(std::vector<NodeId> isr, int min_isr);
  // Whom it was proposed to have; nobody: nothing is proposed.
  bool on_proposed(std::vector<NodeId> isr);

  void follow();
  // What the leader says, of a log that ends here at `end`.
  bool on_told(Offset high_watermark, Offset end);

  // The log was emptied, and begins at `start`: below it there is nothing that could be lost.
  void on_emptied(Offset start);
  // The log was cut (a diverged suffix was taken away): the only way back for the watermark, which
  // its owner takes under a new leader epoch.
  void on_truncated(Offset end);

  Offset high_watermark() const { return high_watermark_; }
  const std::vector<NodeId>& isr() const { return isr_; }
  bool enough_in_sync() const { return static_cast<int>(isr_.size()) >= min_isr_; }
  // As the leader: who of these has the most, of the followers in the ISR that have all below
  // `offset`; -1: nobody.
  NodeId furthest(std::span<const NodeId> among, Offset offset) const;

 private:
  bool advance();

  NodeId self_;
  bool leads_ = false;
  std::vector<NodeId> isr_;
  std::vector<NodeId> proposed_;
  int min_isr_ = 1;
  std::map<NodeId, Offset> durable_;
  Offset high_watermark_;
};

}  // namespace isthmus::broker
