#include "broker/replica/replica.h"

#include <algorithm>

namespace isthmus::broker {

bool Replica::lead(std::vector<NodeId> isr, int min_isr, Offset durable) {
  leads_ = true;
  proposed_.clear();
  durable_.clear();
  durable_[self_] = durable;
  return on_isr(std::move(isr), min_isr);
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

bool Replica::on_proposed(std::vector<NodeId> isr) {
  proposed_ = std::move(isr);
  return advance();
}

void Replica::follow() {
  leads_ = false;
  isr_.clear();
  proposed_.clear();
  std::erase_if(durable_, [this](const auto& entry) { return entry.first != self_; });
}

bool Replica::on_told(Offset high_watermark, Offset end) {
  high_watermark = std::min(high_watermark, end);
  if (leads_ || high_watermark <= high_watermark_) return false;
  high_watermark_ = high_watermark;
  return true;
}

void Replica::on_truncated(Offset end) {
  for (auto& [node, durable] : durable_) durable = std::min(durable, end);
  high_watermark_ = std::min(high_watermark_, end);
}

void Replica::on_emptied(Offset start) {
  durable_[self_] = start;
  high_watermark_ = start;
}

NodeId Replica::furthest(std::span<const NodeId> among, Offset offset) const {
  NodeId best = -1;
  for (NodeId node : leads_ ? among : std::span<const NodeId>{}) {
    const bool in_sync = node != self_ && std::ranges::find(isr_, node) != isr_.end();
    const auto has = durable_.find(node);
    if (!in_sync || has == durable_.end() || has->second < offset) continue;
    if (best < 0 || has->second > durable_.at(best)) best = node;
  }
  return best;
}

bool Replica::advance() {
  if (!leads_ || !enough_in_sync()) return false;
  Offset lowest = durable_[self_];
  for (NodeId node : isr_) lowest = std::min(lowest, durable_[node]);
  for (NodeId node : proposed_) lowest = std::min(lowest, durable_[node]);
  if (lowest <= high_watermark_) return false;
  high_watermark_ = lowest;
  return true;
}

}  // namespace isthmus::broker
