#include "broker/group/lag_keeper.h"

#include <algorithm>
#include <map>

#include "broker/group/coordinator.h"
#include "io/parallel.h"

namespace isthmus::broker {

namespace {

constexpr io::Duration as_good_as_now = io::milliseconds(500);
// What one turn of the loop looks at, groups and what they have committed together.
constexpr size_t noted_in_a_turn = 256;
// Of each look: times that are looked up, at once, and for how long new ones are begun.
constexpr size_t most_lookups = 256;
constexpr size_t lookups_at_once = 4;
constexpr io::Duration time_for_lookups = io::milliseconds(500);

}  // namespace

LagKeeper::LagKeeper(io::Env& env, NodeId self, PartitionTable& partitions, Coordinator& groups)
    : env_(env), self_(self), partitions_(partitions), groups_(groups), turns_(env.main_loop()) {}

io::Task<void> LagKeeper::look() {
  const auto turn = co_await turns_.lock();
  if (looked_ && env_.main_loop().now() - *looked_ < as_good_as_now) co_return;
  co_await note_groups();
  co_await look_up_times();
  looked_ = env_.main_loop().now();
}

io::Task<void> LagKeeper::note_groups() {
  io::Loop& loop = env_.main_loop();
  std::map<TopicPartition, Readable> logs;  // one look at each, whoever reads it
  const std::vector<std::string> names = groups_.names();
  size_t noted = 0;
  for (const std::string& group : names) {
    std::vector<GroupLag::Position> positions;
    const auto all = groups_.committed(group);
    for (const auto& [name, committed] : all) {
      if (++noted % noted_in_a_turn == 0) co_await io::yield(loop);
      auto log = logs.find(name);
      if (log == logs.end()) {
        Readable seen = co_await readable(name);
        log = logs.emplace(name, seen).first;
      }
      const auto image = partitions_.image();
      const TopicImage* topic = image->find(name.topic);
      if (topic != nullptr) positions.push_back({name, topic->id, committed, log->second});
    }
    lag_.note(group, std::move(positions), loop.wall_ms());
    if (++noted % noted_in_a_turn == 0) co_await io::yield(loop);
  }
  lag_.keep_only(names);
}

io::Task<LagKeeper::Readable> LagKeeper::readable(TopicPartition name) const {
  const auto image = partitions_.image();
  const TopicImage* topic = image->find(name.topic);
  const bool is_there =
      topic != nullptr && name.partition >= 0 && name.partition < std::ssize(topic->partitions);
  if (!is_there) co_return std::nullopt;
  const PartitionImage& known = topic->partitions[static_cast<size_t>(name.partition)];
  const bool in_sync = std::ranges::find(known.isr, self_) != known.isr.end();
  const PartitionRef partition = partitions_.find(name.topic, name.partition);
  if (!in_sync || !partition || partition.outage()) co_return std::nullopt;
  const PartitionView view = co_await partition.describe();
  co_return GroupLag::Readable{view.start_offset, view.high_watermark};
}

io::Task<void> LagKeeper::look_up_times() {
  const auto due = lag_.due(most_lookups);
  const io::Instant deadline = env_.main_loop().now() + time_for_lookups;
  const auto piece = [&](size_t i) { return look_up(due[i], deadline); };
  co_await io::in_parallel(env_.main_loop(), due.size(), lookups_at_once, piece);
}

io::Task<void> LagKeeper::look_up(const GroupLag::Lookup& lookup, io::Instant deadline) {
  if (env_.main_loop().now() >= deadline) co_return;
  const auto& [topic, index] = lookup.partition;
  const PartitionRef partition = partitions_.find(topic, index);
  if (!partition || partition.topic_id() != lookup.topic_id) {
    lag_.failed(lookup);
    co_return;
  }
  const auto time_ms = co_await partition.unread_time(lookup.from, env_.workers);
  if (time_ms) {
    lag_.found(lookup, *time_ms, env_.main_loop().wall_ms());
  } else {
    lag_.failed(lookup);
  }
}

}  // namespace isthmus::broker
