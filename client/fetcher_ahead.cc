// The part of the Fetcher that reads ahead: see client/read_ahead.h for where it asks.
#include <algorithm>

#include "client/fetcher.h"

namespace isthmus::client {

namespace {

// Shorter than that, a line is no reason.
constexpr auto least_round_trip = io::milliseconds(3);
// Nor if the delay is so small a part of what a fetch takes.
constexpr int least_share = 16;
constexpr size_t least_depth = 2;

double seconds(io::Duration duration) { return std::chrono::duration<double>(duration).count(); }

}  // namespace

void Fetcher::note_full(const Asked& asked, const PartitionData& answer,
                        std::vector<Full>& full) const {
  const uint64_t size = answer.records.size();
  const bool is_full = 2 * size >= static_cast<uint64_t>(options_.max_partition_bytes);
  if (options_.read_ahead_bytes == 0 || !is_full) return;
  if (answer.error_code != kafka::ErrorCode::none || answer.diverging_epoch.epoch >= 0) return;
  auto records = answer.records.flatten();
  if (!records) return;
  const auto extent = extent_of(*records);
  if (!extent || extent->end <= asked.position.offset) return;
  if (extent->end < answer.high_watermark) {
    full.push_back({asked, *extent, size, answer.high_watermark});
  }
}

// Enough for twice what the line holds, shared by those that were full in one answer.
void Fetcher::begin_ahead(NodeId leader, const std::vector<Full>& full, io::Duration took,
                          io::Duration round_trip) {
  if (round_trip < least_round_trip || least_share * round_trip < took) return;
  uint64_t bytes = 0;
  for (const Full& one : full) bytes += one.bytes;
  const double rate = static_cast<double>(bytes) / std::max(seconds(took - round_trip), 1e-3);
  const double on_the_line = 2 * rate * seconds(round_trip) / static_cast<double>(full.size());
  const auto needed = static_cast<size_t>(on_the_line / options_.max_partition_bytes) + 1;
  const size_t most = options_.read_ahead_bytes / options_.max_partition_bytes;
  for (const Full& one : full) {
    const size_t used = pieces_ahead();
    if (used + least_depth > most) return;
    const auto found = entries_.find(one.asked.partition);
    if (found == entries_.end() || found->second.ahead || found->second.in_flight) continue;
    Entry& entry = found->second;
    if (entry.wanted && entry.position.offset != one.extent.end) continue;
    const size_t begin = std::clamp(needed, least_depth, most - used);
    const double alone = static_cast<double>(one.bytes) / seconds(took);
    const Offset span = one.extent.end - one.asked.position.offset;
    entry.ahead = std::make_unique<Ahead>(
        Ahead{ReadAhead(one.extent.end, span, one.bytes, options_.max_partition_bytes, one.log_end),
              Depth(begin, most - used, alone, loop_.now()), leader, one.asked.epoch,
              one.asked.topic_id, next_run_++});
    advance(one.asked.partition);
  }
}

// That those which are read ahead may have under way. Who has asked for all that there was ends
// with that: the next ones begin meanwhile, else the line would stand until it is here.
size_t Fetcher::pieces_ahead() {
  size_t pieces = 0;
  for (auto& [partition, entry] : entries_) {
    if (!entry.ahead) continue;
    Ahead& ahead = *entry.ahead;
    if (ahead.pieces.asked_for_all()) {
      ahead.pieces.finish();
      ahead.depth.shrink_to(ahead.pieces.under_way());
    }
    pieces += ahead.depth.get();
  }
  return pieces;
}

void Fetcher::end_ahead(const TopicPartition& partition, Entry& entry) {
  entry.ahead.reset();
  if (entry.wanted) wake(partition);
}

void Fetcher::advance(const TopicPartition& partition) {
  for (;;) {
    const auto found = entries_.find(partition);
    if (closing_ || found == entries_.end() || !found->second.ahead) return;
    Entry& entry = found->second;
    if (!entry.wanted) break;
    auto answer = entry.ahead->pieces.take();
    if (!answer) break;
    entry.ahead->depth.on_piece(answer->records.size(), loop_.now());
    entry.wanted = false;
    const Asked asked{partition, entry.position, entry.wish, entry.ahead->epoch,
                      entry.ahead->topic_id};
    tell(entry, asked, *answer);  // may want more, or forget it
  }
  Entry& entry = entries_.find(partition)->second;
  Ahead& ahead = *entry.ahead;
  while (const auto ask = ahead.pieces.next(ahead.depth.get())) {
    Asked asked{partition, {ask->offset, -1}, 0, ahead.epoch, ahead.topic_id};
    gate_.spawn("read ahead",
                fetch_ahead(std::move(asked), ahead.run, ahead.leader, ask->max_bytes));
  }
  if (ahead.pieces.over()) end_ahead(partition, entry);
}

// For who wants a piece that has been here for a while.
io::Task<void> Fetcher::run_ahead() {
  while (!closing_) {
    if (!std::exchange(is_ahead_wanted_, false)) {
      co_await ahead_wanted_.wait();
      continue;
    }
    std::vector<TopicPartition> all;
    for (const auto& [partition, entry] : entries_) {
      if (entry.ahead && entry.wanted) all.push_back(partition);
    }
    for (const TopicPartition& partition : all) advance(partition);
  }
}

io::Task<void> Fetcher::fetch_ahead(Asked asked, uint64_t run, NodeId leader, uint64_t max_bytes) {
  co_await io::yield(loop_);  // whoever starts it is in the middle of something
  auto answer = co_await ask_ahead(asked, leader, max_bytes);
  const auto found = entries_.find(asked.partition);
  if (closing_ || found == entries_.end()) co_return;
  Entry& entry = found->second;
  if (!entry.ahead || entry.ahead->run != run) co_return;
  const bool good =
      answer && entry.ahead->pieces.on_answer(asked.position.offset, std::move(*answer));
  if (!good) co_return end_ahead(asked.partition, entry);
  advance(asked.partition);
}

io::Task<Result<Fetcher::PartitionData>> Fetcher::ask_ahead(const Asked& asked, NodeId leader,
                                                            uint64_t max_bytes) {
  const Cluster::Lane lane = options_.first_lane + options_.requests_per_leader +
                             next_ahead_lane_++ % options_.read_ahead_lanes;
  const io::Instant deadline = loop_.now() + options_.request_timeout;
  auto connection = co_await cluster_.try_node(leader, deadline, lane);
  if (!connection) co_return fail(connection.error());
  kafka::FetchRequest request = request_for({asked});
  request.max_wait_ms = 0;
  request.max_bytes = static_cast<int32_t>(max_bytes);
  request.topics[0].partitions[0].partition_max_bytes = request.max_bytes;
  auto response = co_await (*connection)->call(std::move(request), deadline, at_most_for({asked}));
  if (!response) co_return fail(response.error());
  const bool fits =
      response->error_code == kafka::ErrorCode::none && response->responses.size() == 1 &&
      response->responses[0].partitions.size() == 1 &&
      response->responses[0].partitions[0].partition_index == asked.partition.partition;
  if (!fits) co_return fail("an answer to another question");
  co_return std::move(response->responses[0].partitions[0]);
}

}  // namespace isthmus::client
