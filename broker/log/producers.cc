#include "broker/log/producers.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"
#include "kafka/sequence.h"

namespace isthmus::broker {

namespace {

using kafka::is_ahead;
using kafka::next_sequence;
using Kind = ProducerVerdict::Kind;

ProducerVerdict refuse(Kind kind, std::string reason) {
  return {kind, -1, -1, -1, std::move(reason)};
}

ProducerVerdict stale_epoch(const kafka::BatchHeader& batch, ProducerEpoch current) {
  return refuse(Kind::invalid_producer_epoch,
                fmt::format("producer {} has epoch {}, the batch has {}", batch.producer_id,
                            current, batch.producer_epoch));
}

ProducerVerdict too_early(const kafka::BatchHeader& batch) {
  return refuse(Kind::too_early,
                fmt::format("producer {}: a batch before sequence {} may be on its way again",
                            batch.producer_id, batch.base_sequence));
}

}  // namespace

kafka::ErrorCode ProducerVerdict::error() const {
  switch (kind) {
    case Kind::out_of_order_sequence: return kafka::ErrorCode::out_of_order_sequence_number;
    case Kind::invalid_producer_epoch: return kafka::ErrorCode::invalid_producer_epoch;
    case Kind::invalid_txn_state: return kafka::ErrorCode::invalid_txn_state;
    case Kind::coordinator_fenced: return kafka::ErrorCode::transaction_coordinator_fenced;
    case Kind::too_early:
      // Every client retries that, in the order of its sequences.
      return kafka::ErrorCode::not_leader_or_follower;
    case Kind::ok:
    case Kind::gap:
    case Kind::duplicate: break;
  }
  CHECK(false, "a batch that was not refused has no error");
  return kafka::ErrorCode::none;
}

void ProducerState::add(BatchMark mark) {
  if (batch_count == max_batches) {
    std::move(batches.begin() + 1, batches.end(), batches.begin());
    --batch_count;
  }
  batches[batch_count++] = mark;
}

bool operator==(const ProducerState& a, const ProducerState& b) {
  return a.epoch == b.epoch && a.coordinator_epoch == b.coordinator_epoch &&
         a.last_timestamp == b.last_timestamp && a.txn_first_offset == b.txn_first_offset &&
         a.gap_allowed == b.gap_allowed && std::ranges::equal(a.known(), b.known());
}

ProducerVerdict ProducerStates::check(const kafka::BatchHeader& batch, AppendOrigin origin,
                                      bool behind_a_refusal) const {
  if (!batch.has_producer() || origin != AppendOrigin::client) return {};
  const ProducerState* state = find(batch.producer_id);
  if (state == nullptr) {
    if (behind_a_refusal && batch.base_sequence != 0) return too_early(batch);
    return {};  // its records were deleted or its state expired (KIP-360)
  }
  if (batch.producer_epoch < state->epoch) return stale_epoch(batch, state->epoch);
  const bool same_epoch = batch.producer_epoch == state->epoch;
  if (same_epoch) {
    for (const BatchMark& known : state->known()) {
      if (known.first_sequence() == batch.base_sequence &&
          known.last_sequence == batch.last_sequence()) {
        return {Kind::duplicate, known.first_offset(), known.last_offset, known.timestamp, {}};
      }
    }
  }
  if (same_epoch && state->txn_first_offset >= 0 && !batch.is_transactional()) {
    return refuse(Kind::invalid_txn_state,
                  fmt::format("producer {} has a transaction open", batch.producer_id));
  }
  const int32_t expected = same_epoch ? next_sequence(state->last_sequence()) : 0;
  if (batch.base_sequence == expected) return {};
  // A later epoch is ahead whatever its sequence: its first batches may be what was lost.
  const bool ahead = !same_epoch || is_ahead(batch.base_sequence, expected);
  if (ahead && behind_a_refusal) return too_early(batch);
  if (ahead && state->gap_allowed) return {Kind::gap, -1, -1, -1, {}};
  return refuse(Kind::out_of_order_sequence,
                fmt::format("producer {} epoch {}: sequence {}, expected {}", batch.producer_id,
                            batch.producer_epoch, batch.base_sequence, expected));
}

ProducerVerdict ProducerStates::check_marker(const kafka::BatchHeader& batch,
                                             const kafka::EndTransactionMarker& marker) const {
  const ProducerState* state = find(batch.producer_id);
  if (state == nullptr) return {};
  if (batch.producer_epoch < state->epoch) return stale_epoch(batch, state->epoch);
  if (marker.coordinator_epoch < state->coordinator_epoch) {
    return refuse(
        Kind::coordinator_fenced,
        fmt::format("marker of coordinator epoch {}, {} was seen for producer {}",
                    marker.coordinator_epoch, state->coordinator_epoch, batch.producer_id));
  }
  return {};
}

ProducerState& ProducerStates::enter(const kafka::BatchHeader& batch, int64_t now_ms) {
  if (states_.size() >= max_producers_ && !states_.contains(batch.producer_id)) make_room();
  ProducerState& state = states_[batch.producer_id];
  if (state.epoch != batch.producer_epoch) {
    state.epoch = batch.producer_epoch;
    state.batch_count = 0;
  }
  state.last_timestamp = std::max({state.last_timestamp, batch.max_timestamp, now_ms});
  return state;
}

void ProducerStates::appended(const kafka::BatchHeader& batch, int64_t now_ms) {
  if (!batch.has_producer() || batch.base_sequence < 0) return;
  ProducerState& state = enter(batch, now_ms);
  // Of an epoch without batches, 0 comes next.
  const bool consecutive = batch.base_sequence == next_sequence(state.last_sequence());
  if (state.gap_allowed && !consecutive) ++gaps_taken_;
  state.gap_allowed = false;
  state.add(
      {batch.last_sequence(), batch.last_offset_delta, batch.last_offset(), batch.max_timestamp});
  if (batch.is_transactional() && state.txn_first_offset < 0) {
    state.txn_first_offset = batch.base_offset;
    open_[batch.base_offset] = batch.producer_id;
  }
}

std::optional<CompletedTxn> ProducerStates::appended_marker(
    const kafka::BatchHeader& batch, const kafka::EndTransactionMarker& marker, int64_t now_ms) {
  ProducerState& state = enter(batch, now_ms);
  state.coordinator_epoch = marker.coordinator_epoch;
  if (state.txn_first_offset < 0) return std::nullopt;
  CompletedTxn done{.producer_id = batch.producer_id,
                    .first_offset = state.txn_first_offset,
                    .last_offset = batch.last_offset(),
                    .aborted = marker.type == kafka::ControlType::abort};
  open_.erase(state.txn_first_offset);
  state.txn_first_offset = -1;
  undecided_[done.first_offset] = done.last_offset;
  done.last_stable_offset = open_.empty() ? done.last_offset + 1 : open_.begin()->first;
  return done;
}

Offset ProducerStates::last_stable_offset(Offset high_watermark) {
  std::erase_if(undecided_, [&](const auto& txn) { return txn.second < high_watermark; });
  Offset stable = high_watermark;
  if (!open_.empty()) stable = std::min(stable, open_.begin()->first);
  if (!undecided_.empty()) stable = std::min(stable, undecided_.begin()->first);
  return stable;
}

void ProducerStates::allow_one_gap() {
  for (auto& [id, state] : states_) state.gap_allowed = true;
}

void ProducerStates::expire(int64_t now_ms, int64_t expiration_ms) {
  std::erase_if(states_, [&](const auto& entry) {
    const ProducerState& state = entry.second;
    return state.txn_first_offset < 0 && now_ms - state.last_timestamp >= expiration_ms;
  });
}

void ProducerStates::make_room() {
  std::vector<std::pair<int64_t, ProducerId>> idle;
  for (const auto& [id, state] : states_) {
    if (state.txn_first_offset < 0) idle.emplace_back(state.last_timestamp, id);
  }
  // An eighth at once, so that the search is paid for rarely.
  const size_t leaving = std::min(idle.size(), max_producers_ / 8 + 1);
  std::nth_element(idle.begin(), idle.begin() + static_cast<ptrdiff_t>(leaving), idle.end());
  for (size_t i = 0; i < leaving; ++i) states_.erase(idle[i].second);
}

const ProducerState* ProducerStates::find(ProducerId id) const {
  const auto at = states_.find(id);
  return at == states_.end() ? nullptr : &at->second;
}

void ProducerStates::restore(ProducerId id, const ProducerState& state) {
  states_[id] = state;
  if (state.txn_first_offset >= 0) open_[state.txn_first_offset] = id;
}

}  // namespace isthmus::broker
