#include "broker/replication/follower.h"

#include <algorithm>
#include <utility>

#include "kafka/batch.h"

namespace isthmus::broker {

using kafka::ErrorCode;

namespace {

constexpr io::Duration least_pause = io::milliseconds(50);
constexpr io::Duration longest_pause = io::milliseconds(1000);

}  // namespace

void Follower::led_by(NodeId leader, LeaderEpoch epoch, bool is_own) {
  is_own_ = is_own;
  if (leader == leader_ && epoch == epoch_) return;
  leader_ = leader;
  epoch_ = epoch;
  cut_below_.reset();
  without_owner_ = -1;
  rest_until_ = {};
  pause_ = {};
  compare();
  if (leader < 0) state_ = State::idle;
}

void Follower::compare() {
  state_ = State::comparing;
  answer_ = {};
  told_high_watermark_ = told_log_start_ = -1;
}

void Follower::rest(io::Instant now) {
  pause_ = std::clamp(pause_ * 2, least_pause, longest_pause);
  rest_until_ = now + pause_;
}

FollowerStep Follower::step(io::Instant now) const {
  using Kind = FollowerStep::Kind;
  FollowerStep step;
  step.epoch = epoch_;
  if (state_ == State::idle) return step;
  if (now < rest_until_) {
    step.until = rest_until_;
    return step;
  }
  step.offset = state_ == State::cutting || state_ == State::beginning_anew ? cut_at_ : next_;
  switch (state_) {
    case State::idle: break;
    case State::comparing: step.kind = Kind::compare; break;
    case State::cutting: step.kind = Kind::cut; break;
    case State::beginning_anew: step.kind = Kind::begin_anew; break;
    case State::fetching:
      step.kind = Kind::fetch;
      step.last_epoch = last_epoch_;
      step.own_start = start_;
      step.max_bytes = max_bytes_;
      break;
    case State::copying:
      step.kind = Kind::copy;
      step.records = answer_.records;
      step.owners = owners_;
      step.high_watermark = answer_.high_watermark;
      step.log_start = answer_.log_start;
      break;
  }
  return step;
}

void Follower::on_compared(LeaderEpoch epoch, const EpochHistory& ours, const EpochHistory& theirs,
                           io::Instant now) {
  if (epoch != epoch_ || state_ != State::comparing) return;
  const bool is_of_now = ours.leader_epoch == epoch && !ours.leads && theirs.leader_epoch == epoch;
  if (!is_of_now) return rest(now);
  owners_.clear();
  for (const EpochEntry& entry : theirs.entries) owners_.emplace_back(entry.epoch, entry.owner);
  const auto common =
      common_prefix(ours.entries, ours.end_offset, theirs.entries, theirs.end_offset);
  const bool is_told = cut_below_.has_value();
  const Offset end = std::min(common.end, cut_below_.value_or(common.end));
  cut_below_.reset();
  next_ = ours.end_offset;
  start_ = ours.start_offset;
  last_epoch_ = ours.entries.empty() ? -1 : ours.entries.back().epoch;
  if (end >= ours.end_offset) {
    state_ = State::fetching;
    if (is_told) rest(now);  // it would say so again
    return;
  }
  cut_at_ = end;
  state_ = end < ours.start_offset ? State::beginning_anew : State::cutting;
}

void Follower::on_cut(LeaderEpoch epoch, const FollowerEnd& end) {
  const bool cuts = state_ == State::cutting || state_ == State::beginning_anew;
  if (epoch != epoch_ || !cuts) return;
  next_ = end.end_offset;
  last_epoch_ = end.last_epoch;
  start_ = end.start_offset;
  state_ = State::fetching;
}

bool Follower::is_owner_known(LeaderEpoch epoch) const {
  if (epoch <= last_epoch_ || (epoch == epoch_ && is_own_)) return true;
  return std::ranges::find(owners_, epoch, &EpochOwner::epoch) != owners_.end();
}

void Follower::on_fetched(LeaderEpoch epoch, Offset asked, FollowerAnswer answer, io::Instant now) {
  if (epoch != epoch_ || state_ != State::fetching || asked != next_) return;
  if (answer.error == ErrorCode::offset_out_of_range) {
    if (answer.log_start > next_) {
      cut_at_ = answer.log_start;
      state_ = State::beginning_anew;
      return;
    }
    compare();
    return rest(now);
  }
  if (answer.error != ErrorCode::none) return rest(now);
  if (answer.diverging) {
    cut_below_ = answer.diverging->end_offset;
    return compare();
  }
  take(std::move(answer), now);
}

void Follower::take(FollowerAnswer answer, io::Instant now) {
  kafka::BatchIterator walk(answer.records, false);
  size_t known = 0;  // bytes of batches that we have
  bool has_news = false;
  while (const auto batch = walk.next()) {
    const kafka::BatchHeader& header = batch->header;
    if (header.next_offset() <= next_ && !has_news) {
      known = walk.position();
      continue;
    }
    // The leader's log starts within this batch, and ours is empty.
    if (!has_news && last_epoch_ < 0) next_ = std::min(next_, header.base_offset);
    if (!has_news && header.base_offset < next_) {
      // Our end lies within it: theirs is another batch.
      cut_below_ = header.base_offset;
      return compare();
    }
    if (header.partition_leader_epoch > epoch_) return rest(now);
    if (!is_owner_known(header.partition_leader_epoch)) {
      // The leader knows it, if it has the batch.
      const LeaderEpoch missing = header.partition_leader_epoch;
      compare();
      if (std::exchange(without_owner_, missing) == missing) rest(now);
      return;
    }
    has_news = true;
  }
  if (walk.end() == kafka::BatchIterator::End::corrupt && !has_news) return rest(now);
  answer.records = answer.records.sub(known, walk.position() - known);
  const bool is_told =
      answer.high_watermark == told_high_watermark_ && answer.log_start == told_log_start_;
  pause_ = {};
  if (!has_news && is_told) return;
  answer_ = std::move(answer);
  state_ = State::copying;
}

void Follower::on_copied(LeaderEpoch epoch, const FollowerEnd& end) {
  if (epoch != epoch_ || state_ != State::copying) return;
  next_ = end.end_offset;
  last_epoch_ = end.last_epoch;
  start_ = end.start_offset;
  told_high_watermark_ = answer_.high_watermark;
  told_log_start_ = answer_.log_start;
  answer_ = {};
  state_ = State::fetching;
}

void Follower::on_failed(LeaderEpoch epoch, io::Instant now) {
  if (epoch != epoch_ || state_ == State::idle) return;
  // What a copy or a cut has left behind shows in the log.
  if (state_ != State::fetching) compare();
  rest(now);
}

}  // namespace isthmus::broker
