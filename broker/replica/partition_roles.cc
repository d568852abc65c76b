// How a partition leads and follows (partition.h): what the image makes of it, what followers tell
// their leader, and how a follower's log comes to be the leader's.
#include <algorithm>

#include "broker/replica/partition.h"
#include "kafka/topic_names.h"

namespace isthmus::broker {

using kafka::ErrorCode;

namespace {

IsrKeeper::Record record_of(const Image& image, const PartitionImage& recorded) {
  IsrKeeper::Record record;
  record.isr = recorded.isr;
  record.version = recorded.version;
  for (NodeId node : recorded.replicas) {
    const auto broker = image.brokers.find(node);
    auto& peer = record.replicas[node];
    if (broker != image.brokers.end()) peer = {broker->second.starts, broker->second.fenced};
  }
  return record;
}

}  // namespace

Error Partition::not_leading() const {
  return kafka::error_of(ErrorCode::not_leader_or_follower,
                         leader_ < 0 ? "nobody leads it" : "led by " + std::to_string(leader_));
}

void Partition::take_role(const Image& image, const TopicImage& topic) {
  const PartitionImage& recorded = topic.partitions[name_.partition];
  const LeaderEpoch epoch = epoch_in_force(recorded, image);
  const bool led = leads();
  const bool is_anew = epoch != leader_epoch_ || recorded.leader != leader_;
  const bool is_first = leader_ < 0;
  leader_epoch_ = epoch;
  leader_ = recorded.leader;
  in_sync_ = std::ranges::find(recorded.isr, self_) != recorded.isr.end();
  if (!leads()) {
    if (led) step_down();
    if (is_anew) follower_fetches_.notify_all();
    return;
  }
  auto record = record_of(image, recorded);
  const int min_isr = min_insync_replicas(topic, recorded);
  if (!is_anew && led) {
    isr_.on_record(std::move(record), loop_.now());
    advanced(replica_.on_isr(recorded.isr, min_isr));
    followers_moved_.notify_all();
    advanced(replica_.on_proposed(isr_.proposed()));
    return;
  }
  // Another may have led in between and acknowledged what lies below our end. Alone, nobody has.
  if (recorded.replicas.size() > 1) acknowledged_below_ = log_->end_offset();
  if (recorded.replicas.size() > 1 && !is_first) {
    logger_.info("leads epoch={} end={} high_watermark={}", epoch, log_->end_offset(),
                 replica_.high_watermark());
  }
  begin_to_lead(std::move(record), min_isr);
}

void Partition::begin_to_lead(IsrKeeper::Record record, int min_isr) {
  auto isr = record.isr;
  isr_.lead(std::move(record), log_->end_offset(), loop_.now());
  advanced(replica_.lead(std::move(isr), min_isr, log_->durable_offset()));
  // Those that wait have asked under the epoch before.
  follower_fetches_.notify_all();
}

// Whoever waits here is sent to the new leader. What he brought may be cut: whether it was safe
// nobody here can say.
void Partition::step_down() {
  ++tenure_;
  replica_.follow();
  isr_.follow();
  refusals_.clear();
  logger_.info("follows leader={} epoch={} end={}", leader_, leader_epoch_, log_->end_offset());
  write_pending();
  acks_.wake_all();
  fetches_.notify_all();
  gate_changed_.notify_all();
  followers_moved_.notify_all();
}

EpochHistory Partition::history() const {
  return {leader_epoch_, leads() && !closing_, log_->start_offset(), log_->end_offset(),
          log_->epochs().entries()};
}

// One that has left the ISR may have been cut off from its leader, and never get on: its readers go
// to the leader. So do those that have read more than it has, from a leader that is no more.
Result<void> Partition::check_reader(const ReadSpec& spec) const {
  if (auto ok = check_epoch(spec.current_leader_epoch); !ok) {
    const bool may = spec.from_follower && !spec.follower && in_sync_ && leader_ >= 0 &&
                     spec.offset <= log_->end_offset();
    const bool follows_only = kafka::error_code(ok.error()) == ErrorCode::not_leader_or_follower;
    if (!may || !follows_only || closing_) return ok;
  }
  return check_follower(spec);
}

// Its epoch has to be named: what it has under another says nothing.
Result<void> Partition::check_follower(const ReadSpec& spec) const {
  if (!spec.follower) return {};
  const auto& [node, starts, start] = *spec.follower;
  if (spec.current_leader_epoch < 0) {
    return refuse(ErrorCode::unknown_leader_epoch, "a follower names the epoch that it follows in");
  }
  if (isr_.knows(node, starts)) return {};
  return refuse(ErrorCode::not_leader_or_follower,
                "no replica is on broker " + std::to_string(node) + ", or it has started anew");
}

void Partition::note_answer(const ReadSpec& spec, const Result<void>& answer) {
  const NodeId node = spec.follower->node;
  // Around an election both ends know of it.
  if (!leads() || closing_) return;
  if (answer) {
    const auto known = refusals_.find(node);
    if (known == refusals_.end()) return;
    if (known->second.on_served()) logger_.info("follower={} is served again", node);
    refusals_.erase(known);
    return;
  }
  constexpr size_t most = 32;
  if (refusals_.size() >= most && !refusals_.contains(node)) return;
  if (!refusals_[node].on_refused(kafka::error_code(answer.error()), loop_.now())) return;
  logger_.warn("refuses follower={} start={} in epoch={}: {}", node, spec.follower->starts,
               spec.current_leader_epoch, answer.error().text);
}

// Its read has succeeded, so its log is ours up to that offset. True if the watermark moved.
bool Partition::note_follower(const ReadSpec& spec) {
  const auto& [node, starts, start] = *spec.follower;
  const bool is_anew = isr_.on_fetch(node, starts, spec.offset, log_->end_offset(), loop_.now());
  if (isr_.on_start(node, start)) followers_moved_.notify_all();
  if (awaits_cuts_ && isr_.have_cut()) {
    awaits_cuts_ = false;
    followers_moved_.notify_all();
  }
  if (is_anew) replica_.on_follower_anew(node);
  const bool moved = replica_.on_follower(node, spec.offset);
  advanced(moved);
  if (bell_ && isr_.is_due(replica_.high_watermark())) IsrBell::ring(bell_, name_);
  return moved;
}

std::optional<IsrProposal> Partition::propose_isr() {
  // On a disk that has failed it sees nobody keep up.
  if (!leads() || closing_ || log_->offline() != nullptr) return std::nullopt;
  auto isr = isr_.propose(replica_.high_watermark(), log_->end_offset(), loop_.now());
  if (!isr) return std::nullopt;
  // From before it is sent on.
  advanced(replica_.on_proposed(isr_.proposed()));
  return IsrProposal{leader_epoch_, isr_.version(), std::move(*isr)};
}

void Partition::isr_proposed(LeaderEpoch leader_epoch, IsrOutcome outcome) {
  if (!leads() || leader_epoch != leader_epoch_) return;
  if (outcome == IsrOutcome::decided) {
    isr_.on_decided();
  } else {
    isr_.on_failed();
  }
  advanced(replica_.on_proposed(isr_.proposed()));
}

Result<void> Partition::check_following(LeaderEpoch epoch) const {
  if (!leads() && epoch == leader_epoch_) return {};
  return refuse(ErrorCode::fenced_leader_epoch,
                "a copy of epoch " + std::to_string(epoch) + ", while epoch " +
                    std::to_string(leader_epoch_) + (leads() ? " is led here" : " is in force"));
}

FollowerEnd Partition::follower_end() const {
  return {log_->end_offset(), log_->epochs().latest(), log_->start_offset()};
}

// The reserve is not for copies either, but for those of the cluster's own topics: such a replica
// leaves the ISR by falling behind. What is deleted at the leader is deleted here all the same, and
// makes room.
Result<void> Partition::take_copy(const ReplicaWriter& copy, const Slice& batches) {
  const bool has_room = !room_ || !room_->is_low();
  if (has_room || batches.empty() || kafka::is_internal(name_.topic)) return {};
  advanced(replica_.on_told(copy.high_watermark, log_->end_offset()));
  if (auto ok = follow_start(copy.log_start); !ok) return ok;
  return refuse(ErrorCode::kafka_storage_error, "the disk is full but for its reserve");
}

Result<AppendInfo> Partition::write(const ReplicaWriter& writer, const Slice& batches) {
  if (log_->is_empty() && writer.expected_offset != log_->end_offset()) {
    if (auto done = log_->restart_at(writer.expected_offset); !done) return fail(done.error());
    replica_.on_emptied(writer.expected_offset);
  }
  if (writer.expected_offset != log_->end_offset()) {
    return refuse(ErrorCode::offset_out_of_range,
                  "the log ends at " + std::to_string(log_->end_offset()) + ", not at " +
                      std::to_string(writer.expected_offset));
  }
  if (batches.empty()) return AppendInfo{};
  kafka::BatchIterator walk(batches, true);
  while (walk.next()) continue;
  if (walk.end() == kafka::BatchIterator::End::corrupt) {
    return refuse(ErrorCode::corrupt_message, walk.error().text);
  }
  VerbatimAppend from;
  from.owner = origin_;
  from.owners = writer.owners;
  from.max_epoch = writer.leader_epoch;
  return log_->append_verbatim(batches.sub(0, walk.position()), loop_.wall_ms(), from);
}

Result<FollowerEnd> Partition::cut_to(LeaderEpoch epoch, Offset end) {
  if (auto error = offline_error()) return fail(*error);
  if (auto ok = check_following(epoch); !ok) return fail(ok.error());
  if (end >= log_->end_offset()) return follower_end();
  if (end < replica_.high_watermark()) {
    // A way back cuts a whole site like this; otherwise somebody has lost what was safe.
    logger_.warn("cuts what was safe: end={} high_watermark={}, as leader={} has it in epoch={}",
                 end, replica_.high_watermark(), leader_, epoch);
  }
  auto cut = log_->truncate_to(end);
  if (!cut) return fail(cut.error());
  replica_.on_truncated(*cut);
  return follower_end();
}

Result<FollowerEnd> Partition::begin_anew(LeaderEpoch epoch, Offset start) {
  if (auto error = offline_error()) return fail(*error);
  if (auto ok = check_following(epoch); !ok) return fail(ok.error());
  if (auto done = log_->restart_at(start); !done) return fail(done.error());
  replica_.on_emptied(start);
  return follower_end();
}

io::Task<Result<FollowerEnd>> Partition::copied() {
  if (auto error = offline_error()) co_return fail(*error);
  const FollowerEnd end = follower_end();
  auto durable = co_await log_->sync();
  if (!durable) co_return fail(durable.error());
  co_await log_->keep_synced_end();
  co_return end;
}

}  // namespace isthmus::broker
