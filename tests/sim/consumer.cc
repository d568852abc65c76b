#include "kafka/batch.h"
#include "kafka/gen/find_coordinator.h"
#include "kafka/gen/offset_commit.h"
#include "tests/sim/clients.h"

namespace isthmus::sim {

using kafka::ErrorCode;

namespace {
constexpr auto fetch_within = std::chrono::seconds(4);
// Longer than any line is cut and any process paused in these runs.
constexpr auto commit_doubt_ends_after = std::chrono::seconds(60);
constexpr int16_t by_topic_name = 12;  // later versions of Fetch know ids only
}  // namespace

std::optional<std::vector<StoredRecord>> records_in(Bytes batches, Offset position) {
  std::vector<StoredRecord> found;
  kafka::BatchIterator walk(batches, true);
  while (auto batch = walk.next()) {
    if (batch->header.is_control()) continue;
    auto reader = kafka::RecordReader::open(batch->bytes);
    if (!reader) return std::nullopt;
    kafka::Record record;
    while (reader->next(record)) {
      if (record.offset < position) continue;
      auto name = record.value ? name_of(as_text(*record.value)) : std::nullopt;
      if (!name) return std::nullopt;
      found.push_back({record.offset, batch->header.partition_leader_epoch, *name});
    }
    if (!reader->ok()) return std::nullopt;
  }
  if (walk.end() == kafka::BatchIterator::End::corrupt) return std::nullopt;
  return found;
}

Offset records_end(Bytes batches, Offset position) {
  kafka::BatchIterator walk(batches, false);
  while (auto batch = walk.next()) position = std::max(position, batch->header.next_offset());
  return position;
}

Consumer::Consumer(io::Env& env, Judge& judge, Ledger& ledger, const Destination& where,
                   ConsumerOptions options)
    : caller_(env), judge_(judge), ledger_(ledger), where_(where), options_(std::move(options)) {}

io::Task<void> Consumer::run() {
  for (;;) {
    site_ = where_.sites[turn_ % where_.sites.size()];
    const bool read = co_await fetch();
    bool committed = true;
    if (read && !options_.group.empty() && position_ > committed_) committed = co_await commit();
    if (read && committed) continue;
    if (read && options_.of_several) {
      ++coordinator_turn_;
    } else {
      caller_.hang_up(site_);
      ++turn_;
    }
    co_await io::sleep(caller_.loop(), io::milliseconds(100));
  }
}

io::Address Consumer::coordinator() const {
  if (!options_.of_several) return site_;
  return where_.sites[coordinator_turn_ % where_.sites.size()];
}

io::Task<bool> Consumer::fetch() {
  kafka::FetchRequest request;
  request.max_wait_ms = 300;
  request.min_bytes = 1;
  request.max_bytes = 4000;
  request.session_epoch = -1;
  auto& topic = request.topics.emplace_back();
  topic.topic = options_.partition.topic;
  auto& part = topic.partitions.emplace_back();
  part.partition = options_.partition.partition;
  part.fetch_offset = position_;
  part.partition_max_bytes = 4000;
  auto answer = co_await caller_.call(site_, std::move(request), fetch_within, by_topic_name);
  if (!answer || answer->responses.empty()) co_return false;
  co_return take(answer->responses[0].partitions.at(0));
}

bool Consumer::take(const Part& part) {
  if (options_.watermark_stays && !options_.of_several && part.high_watermark >= 0) {
    Offset& highest = watermarks_.try_emplace(site_, 0).first->second;
    if (part.high_watermark < highest) {
      judge_.broken("the high watermark never goes back",
                    site_.to_string() + " " + options_.partition.to_string() + ": " +
                        std::to_string(highest) + ", then " + std::to_string(part.high_watermark));
    }
    highest = std::max(highest, part.high_watermark);
  }
  if (part.error_code == ErrorCode::offset_out_of_range && part.log_start_offset > position_) {
    // As auto.offset.reset=earliest.
    ledger_.starts().check(site_.to_string(), options_.partition, part.log_start_offset, {});
    position_ = part.log_start_offset;
    return true;
  }
  if (part.error_code != ErrorCode::none) return false;
  auto bytes = part.records.flatten();
  if (!bytes) return false;
  auto records = records_in(*bytes, position_);
  if (!records) {
    judge_.broken("records are unchanged", site_.to_string() + " " +
                                               options_.partition.to_string() + " from offset " +
                                               std::to_string(position_));
    return false;
  }
  for (const StoredRecord& record : *records) {
    if (record.offset >= part.high_watermark) {
      judge_.broken("consumers read below the high watermark",
                    std::to_string(record.offset) + " of " + std::to_string(part.high_watermark));
    }
    ledger_.seen(options_.partition, record);
  }
  // Past what holds no records, too.
  position_ = records_end(*bytes, position_);
  return true;
}

// The first question for a coordinator makes the topic of the offsets.
io::Task<bool> Consumer::find_coordinator() {
  kafka::FindCoordinatorRequest request;
  request.key = options_.group;
  auto answer = co_await caller_.call(coordinator(), std::move(request), fetch_within, 3);
  knows_coordinator_ = answer && answer->error_code == ErrorCode::none;
  co_return knows_coordinator_;
}

io::Task<bool> Consumer::commit() {
  bool known = knows_coordinator_;
  if (!known) known = co_await find_coordinator();
  if (!known) co_return false;
  kafka::OffsetCommitRequest request;
  request.group_id = options_.group;
  auto& topic = request.topics.emplace_back();
  topic.name = options_.partition.topic;
  topic.partitions.push_back({.partition_index = options_.partition.partition,
                              .committed_offset = position_,
                              .committed_leader_epoch = -1,
                              .committed_metadata = ""});
  const Offset offset = position_;
  most_committed_ = std::max(most_committed_, offset);
  doubts_.push_back({offset, caller_.loop().now()});
  auto answer = co_await caller_.call(coordinator(), std::move(request), fetch_within, 8);
  if (!answer) co_return false;
  if (answer->topics.at(0).partitions.at(0).error_code != ErrorCode::none) {
    // A refusal may come after the write (its sync failed), so the doubt stays.
    knows_coordinator_ = false;
    co_return false;
  }
  std::erase_if(doubts_, [&](const Doubt& d) { return d.offset == offset; });
  committed_ = offset;
  co_return true;
}

Offset Consumer::least_committed() const {
  Offset least = committed_;
  for (const Doubt& doubt : doubts_) {
    const bool may_still_come = caller_.loop().now() - doubt.since < commit_doubt_ends_after;
    if (may_still_come) least = std::min(least, doubt.offset);
  }
  return least;
}

}  // namespace isthmus::sim
