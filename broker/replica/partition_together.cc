// How a partition writes together what clients bring in one turn of its loop (append_group.h).
#include "broker/replica/partition.h"

namespace isthmus::broker {

namespace {

// Far longer than what a client had sent before it read a refusal is on its way.
constexpr auto pipelined_at_most = std::chrono::seconds(10);

}  // namespace

LeaderAppend Partition::how_for(const ClientWriter& writer) const {
  LeaderAppend how;
  how.behind_a_refusal = refused_at_ && writer.opened_at <= *refused_at_ &&
                         loop_.now() - *refused_at_ <= pipelined_at_most;
  return how;
}

std::shared_ptr<PendingAppend> Partition::enqueue(ClientWriter writer, Slice batch) {
  auto append = std::make_shared<PendingAppend>(writer, std::move(batch), std::nullopt);
  const bool first = pending_.empty();
  if (pending_.add(append)) {
    write_pending();
  } else if (first && !background_.spawn("appends", write_at_the_end_of_the_turn())) {
    write_pending();  // it is closing, and says so
  }
  return append;
}

io::Task<void> Partition::write_at_the_end_of_the_turn() {
  co_await io::yield(loop_);
  write_pending();
}

void Partition::write_pending() {
  if (pending_.empty()) return;
  const auto appends = pending_.take();
  std::vector<GroupedAppend> group;
  std::vector<PendingAppend*> of_group;
  for (const auto& append : appends) {
    if (auto admitted = admit(append->writer); !admitted) {
      append->outcome = fail(admitted.error());
      continue;
    }
    group.push_back({append->batch, how_for(append->writer), AppendInfo{}});
    of_group.push_back(append.get());
  }
  if (!group.empty()) log_->append_together(group, leader_epoch_, loop_.wall_ms());
  for (size_t i = 0; i < group.size(); ++i) {
    const Result<AppendInfo>& info = group[i].result;
    if (info) count(of_group[i]->writer, *info);
    of_group[i]->outcome = info ? Result<Appended>(told(*info)) : fail(info.error());
    of_group[i]->batch = {};
  }
  on_appended();
  note_outage();
  written_.notify_all();
}

io::Task<Result<Appended>> Partition::written(std::shared_ptr<PendingAppend> append) {
  while (!append->outcome) co_await written_.wait();
  co_return *append->outcome;
}

}  // namespace isthmus::broker
