#include "broker/replica/replica.h"

#include <algorithm>

namespace isthmus::broker {

Replica::Replica(NodeId self, std::vector<NodeId> isr, int min_isr, Offset durable)
    : self_(self), isr_(std::move(isr)), min_isr_(min_isr), high_watermark_(0) {
  durable_[self_] = durable;
  // Alone, where one is enough, all that recovery kept is safe. With followers, only what they
  // report again is.
  if (isr_ == std::vector{self_} && enough_in_sync()) high_watermark_ = durable;
}

bool Replica::on_durable(Offset end) { return on_follower(self_, end); }

bool Replica::on_follower(NodeId node, Offset durable_end) {
  Offset& known = durable_[node];
  if (durable_end <= known) return false;
  known = durable_end;
  return advance();
}

bool Replica::on_isr(std::vector<NodeId> isr, int min_isr) {
  isr_ = std::move(isr);
  min_isr_ = min_isr;
  return advance();
}

void Replica::on_truncated(Offset end) {
  durable_[self_] = std::min(durable_[self_], end);
  high_watermark_ = std::min(high_watermark_, end);
}

bool Replica::advance() {
  if (!enough_in_sync()) return false;
  Offset lowest = durable_[self_];
  for (NodeId node : isr_) lowest = std::min(lowest, durable_[node]);
  if (lowest <= high_watermark_) return false;
  high_watermark_ = lowest;
  return true;
}

}  // namespace isthmus::broker
