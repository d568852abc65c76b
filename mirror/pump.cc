#include "mirror/pump.h"

#include "kafka/batch.h"

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

void Pump::end(std::string reason) {
  ended_ = true;
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
  if (fetched.error == ErrorCode::offset_out_of_range) return {.kind = Kind::ask_bounds};
  // A disk that is being looked at, a leader that is starting: its bounds are asked for until it
  // answers.
  if (kafka::is_retriable(fetched.error)) return {.kind = Kind::ask_bounds};
  if (fetched.error != ErrorCode::none) {
    return fail("the source answers " + std::string(kafka::error_name(fetched.error)));
  }
  heard_at_ = std::max(heard_at_, std::optional(fetched.asked_at));
  source_epoch_ = std::max(source_epoch_, fetched.leader_epoch);
  see_end(fetched.high_watermark, now);
  if (acknowledged_ >= source_end_ && state_ == PumpState::initializing) {
    state_ = PumpState::mirroring;
  }
  PumpAction action;
  if (!fetched.records.empty()) {
    action = take(std::move(fetched.records));
    if (action.kind == Kind::failed) return action;
  }
  if (auto start = starts_.on_heard(fetched.log_start_offset, acknowledged_, now)) {
    // With the batches if there are any, else by itself: an idle partition has no next append.
    if (action.kind == Kind::nothing) action = {.kind = Kind::append, .expected_offset = next_};
    action.log_start = *start;
  }
  return action;
}

// Whole batches from our position on. A fetch may begin before it and end inside a batch. CRCs are
// checked by the target, which must not believe the line to it either.
PumpAction Pump::take(Slice records) {
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
  if (walk.end() == kafka::BatchIterator::End::corrupt) {
    return fail("the source sends a batch that cannot be read: " + walk.error().text);
  }
  if (!begun) return {.kind = Kind::append, .expected_offset = next_};  // nothing whole: ask again
  PumpAction action{.kind = Kind::append, .expected_offset = next_};
  action.batches = records.sub(from, to - from);
  bytes_in_flight_ += action.batches.size();
  next_ = next;
  last_epoch_ = epoch;
  return action;
}

PumpAction Pump::on_bounds(Offset start, Offset high_watermark) {
  if (!active()) return {};
  if (next_ < start) {
    bool is_empty = last_epoch_ < 0;
    if (state_ != PumpState::initializing && !is_empty) {
      return fail("retention_overtook: the source starts at " + std::to_string(start) +
                  ", we end at " + std::to_string(next_) + ": " + std::to_string(start - next_) +
                  " offsets are gone");
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
  bool caught_up = acknowledged_ >= source_end_;
  if (state_ == PumpState::initializing && caught_up) state_ = PumpState::mirroring;
}

std::optional<io::Duration> Pump::lag(io::Instant now) const {
  if (seen_.empty()) return std::nullopt;
  return now - seen_.front().at;
}

}  // namespace isthmus::mirror
