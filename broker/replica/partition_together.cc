// How a partition writes together what clients bring in one turn of its loop (append_group.h), and
// how it keeps that while a fence holds.
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
  append->held = fence_that_passes().has_value();
  const bool is_next = append->held && writer.waits_until < pending_.next_late();
  const bool first = pending_.empty();
  if (pending_.add(append)) {
    write_pending();
  } else if (first && !background_.spawn("appends", write_at_the_end_of_the_turn())) {
    write_pending();  // it is closing, and says so
  }
  if (is_next) gate_changed_.notify_all();  // who waits for the fence has to look earlier
  return append;
}

io::Task<void> Partition::write_at_the_end_of_the_turn() {
  co_await io::yield(loop_);
  write_pending();
}

std::optional<Refusal> Partition::fence_that_passes() const {
  if (closing_ || waits_ended_ || log_->offline() != nullptr || !leads()) return std::nullopt;
  auto refusal = gate_.admit(ClientWriter{}, loop_.now());
  if (refusal && !refusal->passes) return std::nullopt;
  return refusal;
}

void Partition::write_pending() {
  if (pending_.empty()) return;
  if (auto fence = fence_that_passes()) {
    hold_back(*fence);
  } else {
    write_together(pending_.take());
  }
}

// What has waited enough is refused; the rest stays, and somebody looks when the gate has opened.
void Partition::hold_back(const Refusal& fence) {
  const auto late = pending_.take_late(loop_.now());
  for (const auto& append : late) {
    refused_at_ = loop_.now();
    append->outcome = refuse(fence.code, fence.reason);
    append->batch = {};
  }
  if (!late.empty()) written_.notify_all();
  if (pending_.empty() || held_back_) return;
  held_back_ = true;  // until await_opening() ends, which may be at once
  if (!background_.spawn("fence", await_opening())) held_back_ = false;
}

io::Task<void> Partition::await_opening() {
  while (!pending_.empty() && fence_that_passes()) {
    const io::Instant opens_at = gate_.opens_at(loop_.now());
    co_await gate_changed_.wait_until(std::min(opens_at, pending_.next_late()));
    write_pending();
  }
  held_back_ = false;
  write_pending();
}

// Long polls for what has moved away are answered: the next one finds the new leader.
void Partition::set_gate(const kafka::TopicWriter& writer, int64_t link_epoch) {
  const auto* link = writer.link();
  const bool moves = gate_.topic_writer().link() == nullptr && link != nullptr && link->moved_away;
  gate_.set(writer, link_epoch);
  gate_changed_.notify_all();
  if (moves) fetches_.end_all();
}

io::Task<void> Partition::fence_ended(io::Instant deadline) {
  while (fence_that_passes() && loop_.now() < deadline) {
    const io::Instant opens_at = gate_.opens_at(loop_.now());
    co_await gate_changed_.wait_until(std::min(opens_at, deadline));
  }
}

void Partition::end_waits() {
  waits_ended_ = true;
  gate_changed_.notify_all();
}

void Partition::write_together(std::vector<std::shared_ptr<PendingAppend>> appends) {
  std::vector<GroupedAppend> group;
  std::vector<PendingAppend*> of_group;
  for (const auto& append : appends) {
    append->at = loop_.now();
    append->tenure = tenure_;
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
  const bool is_final =
      !*append->outcome && is_verdict(kafka::error_code(append->outcome->error()));
  if (is_final && !std::exchange(append->is_confirmed, true)) {
    const bool stands = co_await leads_still(append->at, append->tenure);
    if (!stands || !is_refused_still(*append)) {
      // What it has sent behind this may come before this does again.
      refused_at_ = loop_.now();
      append->outcome = refuse(kafka::ErrorCode::not_leader_or_follower,
                               "who may write to it, and where, is being found out");
    }
  }
  co_return *append->outcome;
}

// What has been heard since may have changed who writes to it.
bool Partition::is_refused_still(const PendingAppend& append) const {
  const auto code = kafka::error_code(append.outcome->error());
  if (code != kafka::ErrorCode::policy_violation) return true;
  const auto refusal = gate_.admit(append.writer, loop_.now());
  return refusal && refusal->code == code;
}

io::Task<bool> Partition::leads_still(io::Instant since, uint64_t tenure) {
  if (tenure == 0) tenure = tenure_;
  if (confirm_ && leads()) {
    const bool is_heard = co_await confirm_(since, loop_.now() + confirmed_within);
    if (!is_heard) co_return false;
  }
  co_return leads() && !closing_ && tenure == tenure_;
}

}  // namespace isthmus::broker
