#include "broker/handlers/fetch_session.h"

#include <algorithm>
#include <limits>

namespace isthmus::broker {

using kafka::ErrorCode;

namespace {

// Far more often than a follower may lag (replica.lag.time.max.ms).
constexpr auto read_all_every = io::milliseconds(500);

}  // namespace

FetchSession::FetchSession(int32_t id, const kafka::FetchRequest& request,
                           std::shared_ptr<FetchWait> wait)
    : id_(id), wait_(std::move(wait)) {
  name(request.topics);
}

void FetchSession::name(const std::vector<kafka::FetchRequest::FetchTopic>& topics) {
  for (const auto& topic : topics) {
    for (const auto& asked : topic.partitions) {
      const Key key{topic.topic_id, asked.partition};
      Partition& partition = partitions_[key];
      partition.asked = asked;
      partition.is_due = true;
      to_read_.insert(key);
    }
  }
}

ErrorCode FetchSession::take(const kafka::FetchRequest& request) {
  if (request.session_id != id_) return ErrorCode::fetch_session_id_not_found;
  if (request.session_epoch != next_epoch_) return ErrorCode::invalid_fetch_session_epoch;
  constexpr int32_t last = std::numeric_limits<int32_t>::max();
  next_epoch_ = next_epoch_ == last ? 1 : next_epoch_ + 1;
  name(request.topics);
  for (const auto& topic : request.forgotten_topics_data) {
    for (const PartitionIndex index : topic.partitions) {
      partitions_.erase({topic.topic_id, index});
      to_read_.erase({topic.topic_id, index});
    }
  }
  return ErrorCode::none;
}

void FetchSession::on_news(const Key& key) {
  const auto found = partitions_.find(key);
  if (found == partitions_.end()) return;
  found->second.watched = {};
  to_read_.insert(key);
}

std::vector<FetchSession::Asked> FetchSession::to_read(io::Instant now, bool all) {
  std::vector<Asked> asked;
  if (all || now >= all_at_) {
    all_at_ = now + read_all_every;
    asked.reserve(partitions_.size());
    for (const auto& [key, partition] : partitions_) asked.emplace_back(key, partition.asked);
  } else {
    asked.reserve(to_read_.size());
    for (const Key& key : to_read_) asked.emplace_back(key, partitions_.at(key).asked);
  }
  to_read_.clear();
  if (given_last_) {
    const auto first = std::ranges::upper_bound(asked, *given_last_, {}, &Asked::first);
    std::ranges::rotate(asked, first);
  }
  return asked;
}

bool FetchSession::watch(const Key& key, const std::weak_ptr<const void>& partition) {
  const auto found = partitions_.find(key);
  if (found == partitions_.end()) return false;
  auto& watched = found->second.watched;
  const bool is_same = !watched.owner_before(partition) && !partition.owner_before(watched);
  watched = partition;
  return !is_same;
}

bool FetchSession::tell(const Key& key, const kafka::FetchResponse::PartitionData& data,
                        bool has_more) {
  const auto found = partitions_.find(key);
  if (found == partitions_.end()) return false;
  Partition& known = found->second;
  const bool has_moved = known.high_watermark != data.high_watermark ||
                         known.last_stable_offset != data.last_stable_offset ||
                         known.log_start != data.log_start_offset;
  const bool gives = !data.records.empty();
  const bool failed = data.error_code != ErrorCode::none;
  const bool diverges = data.diverging_epoch.epoch >= 0;
  // Until it is named anew, nothing says that the follower has made something of it.
  if (gives || has_more || failed || diverges) to_read_.insert(key);
  if (gives) given_last_ = key;
  const bool is_told = known.is_due || has_moved || gives || failed || diverges;
  known.is_due = failed;
  known.high_watermark = data.high_watermark;
  known.last_stable_offset = data.last_stable_offset;
  known.log_start = data.log_start_offset;
  return is_told;
}

int32_t fetch_session_id(ClusterNumber cluster, uint64_t number) {
  constexpr uint64_t numbers = 0xffff;
  const auto low = static_cast<int32_t>(1 + number % numbers);
  return static_cast<int32_t>(cluster) << 16 | low;
}

}  // namespace isthmus::broker
