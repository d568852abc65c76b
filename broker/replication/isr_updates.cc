#include "broker/replication/isr_updates.h"

#include <algorithm>

namespace isthmus::broker {

namespace {

constexpr auto pause_after_failure = std::chrono::seconds(1);

}  // namespace

IsrUpdates::IsrUpdates(io::Env& env, PartitionTable& partitions, io::Duration look_every,
                       Commit commit)
    : env_(env),
      partitions_(partitions),
      look_every_(look_every),
      commit_(std::move(commit)),
      next_look_(env.main_loop().now() + look_every) {}

void IsrUpdates::close() {
  closing_ = true;
  partitions_.bell().rung().close();
}

std::vector<PartitionRef> IsrUpdates::to_ask() {
  const auto names = partitions_.bell().take();
  if (env_.main_loop().now() >= next_look_) {
    next_look_ = env_.main_loop().now() + look_every_;
    return partitions_.all();
  }
  std::vector<PartitionRef> some;
  for (const TopicPartition& name : names) {
    auto partition = partitions_.find(name.topic, name.partition);
    if (partition) some.push_back(std::move(partition));
  }
  return some;
}

io::Task<void> IsrUpdates::run() {
  io::Loop& loop = env_.main_loop();
  while (!closing_) {
    if (!partitions_.bell().has_any() && loop.now() < next_look_) {
      co_await partitions_.bell().rung().wait_until(next_look_);
      continue;
    }
    const bool done = co_await propose(to_ask());
    if (!done && !closing_) co_await io::sleep(loop, pause_after_failure);
  }
}

io::Task<bool> IsrUpdates::propose(std::vector<PartitionRef> partitions) {
  std::vector<IsrChange> changes;
  std::vector<Asked> asked;
  for (const PartitionRef& partition : partitions) {
    auto proposal = co_await partition.propose_isr();
    if (!proposal) continue;
    IsrChange& change = changes.emplace_back();
    change.topic = partition.topic_id();
    change.index = partition.name().partition;
    change.leader_epoch = proposal->leader_epoch;
    change.version = proposal->version;
    for (const auto& member : proposal->isr) change.isr.push_back({member.node, member.starts});
    asked.emplace_back(partition, proposal->leader_epoch);
  }
  if (changes.empty()) co_return true;
  auto done = co_await commit_(std::move(changes));
  if (!done) log_.warn("the in-sync replicas cannot be changed: {}", done.error().text);
  const IsrOutcome outcome = done ? IsrOutcome::decided : IsrOutcome::unknown;
  for (const auto& [partition, epoch] : asked) co_await partition.isr_proposed(epoch, outcome);
  co_return done.has_value();
}

}  // namespace isthmus::broker
