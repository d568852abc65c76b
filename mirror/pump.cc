#include "mirror/pump.h"

#include <algorithm>

#include "kafka/batch.h"
#include "kafka/mirror_reasons.h"

namespace isthmus::mirror {

using kafka::ErrorCode;
using Kind = PumpAction::Kind;

namespace {
// Enough to tell lag to within a few percent of itself; then the newest two melt together.
constexpr size_t max_seen = 256;
}  // namespace

Pump::Pump(TopicPartition name, Offset end, LeaderEpoch last_epoch, PumpState state,
           io::Duration delete_delay)
    : name_(std::move(name)),
      next_(end),
      last_epoch_(last_epoch),
      acknowledged_(end),
      state_(state),
      starts_(delete_delay) {}

PumpAction Pump::fail(std::string reason) {
  state_ = PumpState::failed;
  reason_ = std::move(reason);
  return {.kind = Kind::failed};
}

void Pump::pause() {
  if (!paused_) resting_ = true;
  paused_ = true;
}

void Pump::accept_gap() {
  const bool overtaken =
      state_ == PumpState::failed && reason_.starts_with(kafka::retention_overtook);
  if (ended_ || !overtaken) return;
  state_ = PumpState::resuming;
  reason_.clear();
  hindrance_.clear();
  resting_ = true;
}

PumpState Pump::state() const {
  if (state_ != PumpState::mirroring || !hindrance_.shown()) return state_;
  const bool is_for_good =
      hindrance_.is(MirrorTrouble::damaged_batch) || hindrance_.is(MirrorTrouble::recreated);
  return is_for_good ? PumpState::failed : PumpState::waiting;
}

std::string Pump::reason() const {
  return reason_.empty() && hindrance_.shown() ? hindrance_.text() : reason_;
}

PumpAction Pump::hindered(MirrorTrouble cause, std::string why, io::Instant now) {
  hindrance_.meet(cause, std::move(why), now);
  hindered_at_ = next_;
  waits_ = true;
  return {.kind = Kind::wait};
}

PumpAction Pump::on_error(ErrorCode error, io::Instant now) {
  const std::string text = "the source answers " + std::string(kafka::error_name(error));
  if (error == ErrorCode::offset_out_of_range) return {.kind = Kind::ask_bounds};
  if (error == ErrorCode::unknown_topic_id) {
    return hindered(MirrorTrouble::recreated,
                    "the source has another topic of this name; this is a copy of the one before",
                    now);
  }
  if (error == ErrorCode::corrupt_message) {
    return hindered(MirrorTrouble::damaged_batch, text, now);
  }
  // A disk that is being looked at, a leader that is starting, a partition that has none.
  if (kafka::is_retriable(error)) return hindered(MirrorTrouble::source_offline, text, now);
  return fail(text);
}

PumpAction Pump::on_refused(MirrorTrouble cause, std::string why, io::Instant now) {
  // What was under way behind a refused append is refused too, and says nothing.
  if (!is_wanted() || resting_) return {};
  resting_ = true;
  hindrance_.meet(cause == MirrorTrouble::none ? MirrorTrouble::target_refuses : cause,
                  std::move(why), now);
  return {.kind = Kind::wait};
}

PumpAction Pump::on_target_troubled(MirrorTrouble cause, std::string why) {
  if (!is_wanted()) return {};
  const bool is_news = !resting_;
  resting_ = true;
  hindrance_.hear(cause, std::move(why));
  return {.kind = is_news ? Kind::wait : Kind::nothing};
}

bool Pump::on_target_ready(Offset end, LeaderEpoch last_epoch, io::Instant now) {
  hindrance_.hear_nothing();
  if (!resting_ || !is_wanted() || !hindrance_.may_try(now)) return false;
  resting_ = waits_ = false;
  gap_to_ = -1;
  gap_epoch_ = -1;
  ++life_;
  next_ = acknowledged_ = end;
  last_epoch_ = last_epoch;
  hindered_at_ = end;
  bytes_in_flight_ = 0;
  return true;
}

void Pump::on_target_moved() {
  if (!is_wanted()) return;
  resting_ = true;
  const bool was_there = hindrance_.is(MirrorTrouble::target_refuses) ||
                         hindrance_.is(MirrorTrouble::target_full) ||
                         hindrance_.is(MirrorTrouble::target_offline);
  if (was_there) hindrance_.clear();
}

void Pump::end(std::string reason) {
  ended_ = true;
  hindrance_.clear();
  reason_ = std::move(reason);
  seen_.clear();  // what did not come is lost, not late
}

void Pump::see_end(Offset end, io::Instant now) {
  if (end <= source_end_) return;
  source_end_ = end;
  if (end <= acknowledged_) return;
  if (seen_.size() < max_seen) {
    seen_.push_back({end, now});
  } else {
    seen_.back().end = end;
  }
}

PumpAction Pump::on_fetched(client::Fetched fetched, io::Instant now) {
  if (!active() || fetched.asked_offset != next_) return {};
  if (fetched.diverging) {
    return fail("diverged: the source's epoch " + std::to_string(fetched.diverging->epoch) +
                " ends at " + std::to_string(fetched.diverging->end_offset) +
                ", we hold records to " + std::to_string(next_));
  }
  if (fetched.error != ErrorCode::none) return on_error(fetched.error, now);
  heard_at_ = std::max(heard_at_, std::optional(fetched.asked_at));
  waits_ = false;
  if (hindrance_.is(MirrorTrouble::source_offline) || hindrance_.is(MirrorTrouble::recreated)) {
    hindrance_.clear();
  }
  source_epoch_ = std::max(source_epoch_, fetched.leader_epoch);
  see_end(fetched.high_watermark, now);
  if (acknowledged_ >= source_end_ && state_ == PumpState::initializing) {
    state_ = PumpState::mirroring;
  }
  // Nothing is missing after all, or not any more.
  if (state_ == PumpState::resuming && gap_to_ < 0) state_ = PumpState::mirroring;
  PumpAction action;
  if (!fetched.records.empty()) {
    action = take(std::move(fetched.records), now);
    if (action.kind == Kind::failed || action.kind == Kind::wait) return action;
  }
  if (auto start = starts_.on_heard(fetched.log_start_offset, acknowledged_, now)) {
    // With the batches if there are any, else by itself: an idle partition has no next append.
    if (action.kind == Kind::nothing) action = {.kind = Kind::append, .expected_offset = next_};
    action.log_start = *start;
  }
  return action;
}

// Whole batches from our position on, up to one that cannot be read: it is met by the next fetch. A
// fetch may begin before our position and end inside a batch. CRCs are checked by the target, which
// must not believe the line to it either.
PumpAction Pump::take(Slice records, io::Instant now) {
  kafka::BatchIterator walk(records, false);
  size_t from = 0, to = 0;
  bool begun = false;
  Offset next = next_;
  LeaderEpoch epoch = last_epoch_;
  while (auto batch = walk.next()) {
    size_t end = batch->position + batch->bytes.size();
    if (batch->header.last_offset() < next_) {
      from = to = end;
      continue;
    }
    if (!begun && batch->header.base_offset < next_) {
      return fail("the source has a batch around offset " + std::to_string(next_) +
                  ", where ours ends");
    }
    begun = true;
    to = end;
    next = batch->header.next_offset();
    epoch = batch->header.partition_leader_epoch;
  }
  if (!begun && walk.end() == kafka::BatchIterator::End::corrupt) {
    return hindered(MirrorTrouble::damaged_batch,
                    "the batch at offset " + std::to_string(next_) + ": " + walk.error().text, now);
  }
  if (!begun) return {.kind = Kind::append, .expected_offset = next_};  // nothing whole: ask again
  PumpAction action{.kind = Kind::append, .expected_offset = next_};
  action.batches = records.sub(from, to - from);
  bytes_in_flight_ += action.batches.size();
  next_ = next;
  last_epoch_ = epoch;
  return action;
}

// As a failover leaves one: who reads to the end arrives there, and producers whose batches are in
// it may jump. Of the epoch that the target has, since no other is known for these offsets. A batch
// reaches 2^31 offsets at most: what is wider takes another turn.
PumpAction Pump::leave_gap(Offset start) {
  if (last_epoch_ >= 0) gap_epoch_ = last_epoch_;
  const Offset last = std::min<Offset>(start - 1, next_ + INT32_MAX);
  PumpAction action{.kind = Kind::append, .expected_offset = next_};
  action.batches = kafka::build_gap({.base_offset = next_, .leader_epoch = gap_epoch_}, last);
  bytes_in_flight_ += action.batches.size();
  gap_to_ = start;
  next_ = last + 1;
  last_epoch_ = -1;  // the source has nothing of before that ours could differ from
  return action;
}

PumpAction Pump::on_bounds(Offset start, Offset high_watermark) {
  if (!active()) return {};
  if (next_ < start) {
    const bool is_empty = last_epoch_ < 0 && gap_epoch_ < 0;
    if (state_ == PumpState::resuming && !is_empty) return leave_gap(start);
    if (state_ != PumpState::initializing && !is_empty) {
      return fail(std::string(kafka::retention_overtook) + ": the source starts at " +
                  std::to_string(start) + ", we end at " + std::to_string(next_) + ": " +
                  std::to_string(start - next_) + " offsets are gone");
    }
    // Nothing here yet, or only what retention has removed over there since: begin where the
    // source begins.
    PumpAction action{.kind = Kind::append, .expected_offset = start};
    action.start_at = start;
    next_ = start;
    last_epoch_ = -1;
    return action;
  }
  if (next_ > high_watermark) {
    return fail("diverged: the source ends at " + std::to_string(high_watermark) +
                ", we hold records to " + std::to_string(next_));
  }
  return {.kind = Kind::append, .expected_offset = next_};  // it has moved meanwhile: ask again
}

void Pump::on_appended(Offset end, uint64_t bytes, io::Instant now) {
  bytes_in_flight_ -= std::min(bytes, bytes_in_flight_);
  acknowledged_ = std::max(acknowledged_, end);
  while (!seen_.empty() && seen_.front().end <= acknowledged_) seen_.pop_front();
  // What a damaged batch or a full disk had kept back got through.
  const bool got_through = !resting_ && end > hindered_at_;
  if (got_through && !hindrance_.is(MirrorTrouble::source_offline)) hindrance_.clear();
  bool caught_up = acknowledged_ >= source_end_;
  if (state_ == PumpState::initializing && caught_up) state_ = PumpState::mirroring;
  if (state_ == PumpState::resuming && gap_to_ >= 0 && acknowledged_ >= gap_to_) {
    state_ = PumpState::mirroring;
    gap_to_ = -1;
  }
}

std::optional<io::Duration> Pump::lag(io::Instant now) const {
  if (seen_.empty()) return std::nullopt;
  return now - seen_.front().at;
}

}  // namespace isthmus::mirror
