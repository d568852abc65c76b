#include "broker/replica/isr_keeper.h"

#include <algorithm>
#include <utility>

namespace isthmus::broker {

namespace {

bool contains(const std::vector<NodeId>& nodes, NodeId node) {
  return std::ranges::find(nodes, node) != nodes.end();
}

}  // namespace

void IsrKeeper::lead(Record record, Offset log_end, io::Instant now) {
  follow();
  epoch_start_ = log_end;
  record_ = std::move(record);
  for (NodeId node : record_.isr) followers_[node].caught_up_at = now;
}

void IsrKeeper::on_record(Record record, io::Instant now) {
  for (NodeId node : record.isr) {
    const bool is_new = !contains(record_.isr, node);
    if (is_new) followers_[node].caught_up_at = now;
  }
  record_ = std::move(record);
  if (!doubted_version_ || *doubted_version_ == record_.version) return;
  doubted_version_.reset();
  if (!under_way_) proposed_.clear();
}

void IsrKeeper::follow() {
  record_ = {};
  followers_.clear();
  proposed_.clear();
  under_way_ = false;
  doubted_version_.reset();
}

bool IsrKeeper::knows(NodeId node, int32_t starts) const {
  const auto peer = record_.replicas.find(node);
  if (node == self_ || peer == record_.replicas.end() || starts < peer->second.starts) return false;
  const auto follower = followers_.find(node);
  return follower == followers_.end() || starts >= follower->second.starts;
}

bool IsrKeeper::on_fetch(NodeId node, int32_t starts, Offset end, Offset log_end, io::Instant now) {
  Follower& follower = followers_[node];
  const bool is_anew = starts > follower.starts;
  if (is_anew) {
    // What it had before its start it may have lost.
    follower.starts = starts;
    follower.end = -1;
    follower.log_end_then = -1;
    follower.log_start = -1;
  }
  follower.has_cut = true;
  follower.end = std::max(follower.end, end);
  if (follower.end >= log_end) {
    follower.caught_up_at = now;
  } else if (follower.log_end_then >= 0 && follower.end >= follower.log_end_then) {
    follower.caught_up_at = std::max(follower.caught_up_at, follower.fetched_at);
  }
  follower.log_end_then = log_end;
  follower.fetched_at = now;
  return is_anew;
}

bool IsrKeeper::on_start(NodeId node, Offset start) {
  Offset& known = followers_[node].log_start;
  return std::exchange(known, std::max(known, start)) < start;
}

Offset IsrKeeper::lowest_start(Offset own) const {
  Offset lowest = own;
  const auto look_at = [&](NodeId node) {
    if (node == self_) return;
    const auto found = followers_.find(node);
    lowest = std::min(lowest, found == followers_.end() ? -1 : found->second.log_start);
  };
  std::ranges::for_each(record_.isr, look_at);
  std::ranges::for_each(proposed_, look_at);
  return lowest;
}

void IsrKeeper::on_truncated(Offset log_end) {
  epoch_start_ = std::min(epoch_start_, log_end);
  for (auto& [node, follower] : followers_) {
    follower.end = std::min(follower.end, log_end);
    follower.has_cut = false;
  }
}

bool IsrKeeper::have_cut() const {
  const auto has_cut = [&](NodeId node) {
    const auto found = followers_.find(node);
    return node == self_ || (found != followers_.end() && found->second.has_cut);
  };
  return std::ranges::all_of(record_.isr, has_cut) && std::ranges::all_of(proposed_, has_cut);
}

bool IsrKeeper::may_join(NodeId node, const Peer& peer, Offset high_watermark) const {
  if (peer.fenced) return false;
  const auto found = followers_.find(node);
  return found != followers_.end() && found->second.starts == peer.starts &&
         found->second.end >= std::max(high_watermark, epoch_start_);
}

bool IsrKeeper::lags(NodeId node, Offset log_end, io::Instant now) const {
  const auto found = followers_.find(node);
  if (found == followers_.end()) return true;
  return found->second.end < log_end && now - found->second.caught_up_at > lag_at_most_;
}

std::optional<Offset> IsrKeeper::lowest_outside(Offset log_start) const {
  std::optional<Offset> lowest;
  for (const auto& [node, peer] : record_.replicas) {
    if (node == self_ || contains(record_.isr, node)) continue;
    const auto found = followers_.find(node);
    const Offset end = found == followers_.end() ? log_start : found->second.end;
    const Offset has = std::max(end, log_start);
    lowest = std::min(lowest.value_or(has), has);
  }
  return lowest;
}

bool IsrKeeper::is_due(Offset high_watermark) const {
  if (under_way_) return false;
  return std::ranges::any_of(record_.replicas, [&](const auto& replica) {
    return replica.first != self_ && !contains(record_.isr, replica.first) &&
           may_join(replica.first, replica.second, high_watermark);
  });
}

std::optional<IsrKeeper::Proposal> IsrKeeper::propose(Offset high_watermark, Offset log_end,
                                                      io::Instant now) {
  if (under_way_ || !contains(record_.isr, self_)) return std::nullopt;
  Proposal wanted;
  size_t stay = 0;
  for (const auto& [node, peer] : record_.replicas) {
    const bool is_member = contains(record_.isr, node);
    const bool is_wanted = node == self_ || (is_member ? !peer.fenced && !lags(node, log_end, now)
                                                       : may_join(node, peer, high_watermark));
    if (!is_wanted) continue;
    wanted.push_back({node, peer.starts});
    if (is_member) ++stay;
  }
  if (stay == record_.isr.size() && wanted.size() == stay) return std::nullopt;
  // Of one that has failed before, nobody knows yet that it counts no more.
  if (!doubted_version_) proposed_.clear();
  for (const Member& member : wanted) {
    if (!contains(proposed_, member.node)) proposed_.push_back(member.node);
  }
  under_way_ = true;
  return wanted;
}

void IsrKeeper::on_decided() {
  if (!std::exchange(under_way_, false) || doubted_version_) return;
  proposed_.clear();
}

void IsrKeeper::on_failed() {
  if (!std::exchange(under_way_, false)) return;
  if (!doubted_version_) doubted_version_ = record_.version;
}

}  // namespace isthmus::broker
