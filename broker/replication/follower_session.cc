#include "broker/replication/follower_session.h"

#include <algorithm>
#include <limits>
#include <tuple>
#include <utility>

namespace isthmus::broker {

using kafka::ErrorCode;
using Asked = FollowerSession::Asked;

namespace {

auto order_of(const Asked& asked) { return std::tie(asked.topic, asked.partition.partition); }

template <typename Topics>
auto& topic_of(Topics& topics, const Uuid& id) {
  if (topics.empty() || topics.back().topic_id != id) topics.emplace_back().topic_id = id;
  return topics.back();
}

void add(kafka::FetchRequest& request, const Asked& asked) {
  topic_of(request.topics, asked.topic).partitions.push_back(asked.partition);
}

void forget(kafka::FetchRequest& request, const Asked& asked) {
  auto& topic = topic_of(request.forgotten_topics_data, asked.topic);
  topic.partitions.push_back(asked.partition.partition);
}

}  // namespace

void FollowerSession::name(All all, size_t turn, kafka::FetchRequest& request) {
  const All before = std::exchange(asked_, std::move(all));
  request.session_id = id_;
  request.session_epoch = next_epoch_;
  if (id_ == 0) return name_all(turn, request);
  name_changes(before, request);
}

void FollowerSession::name_all(size_t turn, kafka::FetchRequest& request) const {
  for (size_t i = 0; i < asked_.size(); ++i) add(request, asked_[(i + turn) % asked_.size()]);
}

void FollowerSession::name_changes(const All& before, kafka::FetchRequest& request) const {
  auto old = before.begin();
  for (const Asked& asked : asked_) {
    while (old != before.end() && order_of(*old) < order_of(asked)) forget(request, *old++);
    const bool was_there = old != before.end() && order_of(*old) == order_of(asked);
    if (!was_there || old->partition != asked.partition) add(request, asked);
    if (was_there) ++old;
  }
  while (old != before.end()) forget(request, *old++);
}

FollowerSession::Outcome FollowerSession::on_answer(const kafka::FetchResponse& response) {
  const ErrorCode error = response.error_code;
  const bool went_on = id_ != 0;
  const bool is_about_it = error == ErrorCode::fetch_session_id_not_found ||
                           error == ErrorCode::invalid_fetch_session_epoch ||
                           error == ErrorCode::fetch_session_topic_id_error;
  const bool is_known = error == ErrorCode::none && (!went_on || response.session_id == id_);
  if (!is_known) {
    id_ = next_epoch_ = 0;
  } else {
    constexpr int32_t last = std::numeric_limits<int32_t>::max();
    id_ = response.session_id;
    next_epoch_ = id_ == 0 ? 0 : (next_epoch_ == last ? 1 : next_epoch_ + 1);
  }
  if (error == ErrorCode::none) return Outcome::goes_on;
  return went_on && is_about_it ? Outcome::forgotten : Outcome::is_refused;
}

void FollowerSession::on_unused(const Uuid& topic, PartitionIndex index) {
  constexpr Offset never_asked_for = -1;
  if (const auto place = place_of(topic, index)) {
    asked_[*place].partition.fetch_offset = never_asked_for;
  }
}

std::optional<size_t> FollowerSession::place_of(const Uuid& topic, PartitionIndex index) const {
  const auto wanted = std::tie(topic, index);
  const auto found = std::ranges::lower_bound(asked_, wanted, {}, order_of);
  if (found == asked_.end() || order_of(*found) != wanted) return std::nullopt;
  return static_cast<size_t>(found - asked_.begin());
}

}  // namespace isthmus::broker
