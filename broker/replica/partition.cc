#include "broker/replica/partition.h"

#include <algorithm>

#include "base/leader_epoch.h"

namespace isthmus::broker {

using kafka::ErrorCode;

namespace {

// Far longer than what a client had sent before it read a refusal is on its way.
constexpr auto pipelined_at_most = std::chrono::seconds(10);

std::unexpected<Error> refuse(ErrorCode code, std::string why) {
  return fail(Error::kafka(static_cast<int>(code), std::move(why)));
}

std::unexpected<Error> refuse(const Refusal& refusal) {
  return refuse(refusal.code, refusal.reason);
}

}  // namespace

Partition::Partition(io::Loop& loop, TopicPartition name, Uuid topic_id, NodeId self,
                     std::unique_ptr<Log> log)
    : loop_(loop),
      name_(std::move(name)),
      topic_id_(topic_id),
      logger_(name_.to_string()),
      log_(std::move(log)),
      replica_(self, {self}, 1, log_->durable_offset()),
      acks_(loop),
      background_(loop) {}

std::optional<Error> Partition::offline_error() const {
  const Error* reason = log_->offline();
  if (closing_ || reason == nullptr) return std::nullopt;
  return Error::kafka(static_cast<int>(ErrorCode::kafka_storage_error), reason->text);
}

void Partition::on_image(const Image& image, const TopicImage& topic, const LogConfig& config) {
  const PartitionImage& recorded = topic.partitions[name_.partition];
  log_->configure(config);
  origin_ = topic.origin;
  initializing_ = recorded.mirror_state == MirrorState::initializing;
  leader_epoch_ = epoch_in_force(recorded, image.starts);
  if (topic.is_mirror()) {
    auto link = image.links.find(topic.link);
    int64_t epoch = link == image.links.end() ? 0 : link->second.epoch;
    gate_.set(WriteGate::Mirror{topic.link, epoch, topic.moved_away});
    return;
  }
  if (topic.closed_by) {
    gate_.set(WriteGate::Closed{*topic.closed_by});
    return;
  }
  catch_up_with_promotion(recorded);
  gate_.set(WriteGate::Own{});
  abort_open_transactions();
}

// Transactions that were open at the old site when its records ended here have nobody who could end
// them, and would hold back every read_committed reader for ever.
void Partition::abort_open_transactions() {
  auto open = log_->producers().open_transactions();
  for (const auto& [first_offset, producer] : open) {
    const ProducerState* state = log_->producers().find(producer);
    if (state == nullptr || log_->offline() != nullptr) return;
    kafka::BatchBuilder::Options options;
    options.producer_id = producer;
    options.producer_epoch = state->epoch;
    kafka::EndTransactionMarker marker;
    marker.type = kafka::ControlType::abort;
    marker.coordinator_epoch = state->coordinator_epoch + 1;
    auto done = append_internal(kafka::build_marker(options, marker, loop_.wall_ms()));
    if (!done) {
      logger_.error("the open transaction of producer {} cannot be aborted: {}", producer,
                    done.error().text);
      return;
    }
    logger_.info("aborted the open transaction of producer={} from offset={}", producer,
                 first_offset);
  }
}

// A failover was recorded. Its epoch begins where the mirrored records end, before the gap: were it
// to begin after, the epoch before it would seem to cover what the lost site still has, and the way
// back would cut nothing. All this is durable before a client may write, and done once: afterwards
// the log knows the epoch.
void Partition::catch_up_with_promotion(const PartitionImage& recorded) {
  if (recorded.promoted_to < 0 || log_->offline() != nullptr) return;
  if (generation_of(log_->epochs().latest()) >= generation_of(recorded.leader_epoch)) return;
  Offset end = log_->end_offset();
  auto left = log_->leave_gap(std::max(recorded.promoted_to, end), recorded.leader_epoch,
                              log_->config().cluster);
  if (!left) {
    logger_.error("promotion cannot be written: {}", left.error().text);
    return;
  }
  logger_.info("promoted epoch={} end={} next={}", recorded.leader_epoch, end, log_->end_offset());
  advanced(replica_.on_durable(log_->durable_offset()));
}

Result<AppendInfo> Partition::append(const ClientAppend& append) {
  if (auto error = offline_error()) return fail(*error);
  if (auto refusal = gate_.admit_client(loop_.now())) {
    refused_at_ = loop_.now();
    return refuse(*refusal);
  }
  if (!replica_.enough_in_sync()) {
    return refuse(ErrorCode::not_enough_replicas, "the in-sync replicas are too few");
  }
  LeaderAppend how;
  how.may_take_gap = !refused_at_ || append.opened_at > *refused_at_ ||
                     loop_.now() - *refused_at_ > pipelined_at_most;
  auto info = log_->append_as_leader(append.batch, leader_epoch_, loop_.wall_ms(), how);
  on_appended();
  return info;
}

Result<AppendInfo> Partition::append_internal(Bytes batch) {
  if (auto error = offline_error()) return fail(*error);
  LeaderAppend how;
  how.origin = AppendOrigin::coordinator;
  auto info = log_->append_as_leader(batch, leader_epoch_, loop_.wall_ms(), how);
  on_appended();
  return info;
}

Result<AppendInfo> Partition::append_saved(Bytes batches) {
  if (auto error = offline_error()) return fail(*error);
  VerbatimAppend from;
  from.owner = log_->config().cluster;
  auto info = log_->append_verbatim(batches, loop_.wall_ms(), from);
  on_appended();
  return info;
}

Result<Offset> Partition::append_from_link(const LinkAppend& append) {
  if (auto error = offline_error()) return fail(*error);
  if (auto refusal = gate_.admit_link(append.link, append.link_epoch, loop_.now())) {
    return refuse(*refusal);
  }
  bool may_begin_anew = log_->size_bytes() == 0 || initializing_;
  if (append.start_at > log_->end_offset() && may_begin_anew) {
    if (auto ok = log_->restart_at(append.start_at); !ok) return fail(ok.error());
    advanced(replica_.on_durable(log_->durable_offset()));
  }
  if (append.expected_offset != log_->end_offset()) {
    return refuse(ErrorCode::offset_out_of_range,
                  "the log ends at " + std::to_string(log_->end_offset()) + ", not at " +
                      std::to_string(append.expected_offset));
  }
  if (leader_epoch_ < append.source_leader_epoch) {
    return refuse(ErrorCode::unknown_leader_epoch, "the epoch has yet to follow the source's");
  }
  if (!append.batches.empty()) {
    VerbatimAppend from;
    from.owner = origin_;
    from.owners = append.owners;
    from.max_epoch = leader_epoch_;
    auto info = log_->append_verbatim(append.batches, loop_.wall_ms(), from);
    if (!info) return fail(info.error());
  }
  if (append.advance_to > log_->end_offset()) {
    if (auto ok = take_gap(append); !ok) return fail(ok.error());
  }
  on_appended();
  source_.end_offset = std::max(source_.end_offset, append.source_high_watermark);
  if (auto ok = follow_start(append.log_start); !ok) return fail(ok.error());
  return log_->end_offset();
}

// As for a client's DeleteRecords, what is not safe yet is not deleted, wherever the source starts.
Result<void> Partition::follow_start(Offset start) {
  start = std::min(start, replica_.high_watermark());
  if (start <= log_->start_offset()) return {};
  auto moved = log_->move_start_to(start);
  if (moved) logger_.info("follows its source: start={}", start);
  return moved;
}

// As at the source, the epoch begins before the gap: otherwise the one before it would seem to
// reach to the gap's far end, and the source, which knows better, would call that a divergence.
Result<void> Partition::take_gap(const LinkAppend& append) {
  if (append.gap_epoch > leader_epoch_) {
    return refuse(ErrorCode::unknown_leader_epoch, "the epoch has yet to follow the source's");
  }
  const auto named = std::ranges::find(append.owners, append.gap_epoch, &EpochOwner::epoch);
  const ClusterNumber owner = named == append.owners.end() ? origin_ : named->owner;
  const LeaderEpoch epoch = std::max(append.gap_epoch, log_->epochs().latest());
  return log_->leave_gap(append.advance_to, epoch, owner);
}

void Partition::note_source(Offset end_offset, int64_t lag_ms) {
  io::Instant now = loop_.now();
  auto seconds = std::chrono::duration<double>(now - source_.heard_at).count();
  if (source_.end_offset >= 0 && seconds > 0 && seconds < 60) {
    double rate = static_cast<double>(end_offset - source_.end_offset) / seconds;
    // The fastest of late, slowly forgotten: an upper bound is what a failover needs.
    source_.records_per_second = std::max(rate, source_.records_per_second * 0.98);
  }
  source_.end_offset = std::max(source_.end_offset, end_offset);
  source_.lag_ms = lag_ms;
  source_.heard_at = now;
}

void Partition::on_appended() {
  advanced(replica_.on_durable(log_->durable_offset()));
  if (flushing_ || !is_flush_due() || log_->offline()) return;
  flushing_ = true;
  if (!background_.spawn(name_.to_string() + " flush", flush())) flushing_ = false;
}

// Because someone waits for it, or because a segment is complete.
bool Partition::is_flush_due() const {
  return log_->durable_offset() < log_->end_offset() || log_->is_flush_due();
}

io::Task<void> Partition::flush() {
  while (!closing_ && is_flush_due()) {
    auto durable = co_await log_->flush();
    if (!durable) {
      logger_.error("offline: {}", durable.error().text);
      break;
    }
    advanced(replica_.on_durable(log_->durable_offset()));
  }
  flushing_ = false;
  if (log_->offline() != nullptr) acks_.wake_all();
}

void Partition::advanced(bool moved) {
  if (!moved) return;
  acks_.advance(replica_.high_watermark());
  fetches_.notify_all();
}

io::Task<Result<void>> Partition::committed(Offset end, io::Instant deadline) {
  while (replica_.high_watermark() < end) {
    if (auto error = offline_error()) co_return fail(*error);
    if (closing_) {
      co_return refuse(ErrorCode::not_leader_or_follower, "the partition is closing");
    }
    if (loop_.now() >= deadline) {
      co_return refuse(ErrorCode::request_timed_out, "not yet safe; whether it will be is unknown");
    }
    co_await acks_.wait(end, deadline);
  }
  co_return Result<void>{};
}

std::optional<ErrorCode> Partition::check_epoch(LeaderEpoch believed) const {
  if (offline_error()) return ErrorCode::kafka_storage_error;
  if (believed < 0 || believed == leader_epoch_) return std::nullopt;
  return believed < leader_epoch_ ? ErrorCode::fenced_leader_epoch
                                  : ErrorCode::unknown_leader_epoch;
}

EpochEnd Partition::epoch_end(LeaderEpoch asked) const {
  if (asked == leader_epoch_) return {asked, log_->end_offset()};
  return log_->epochs().end_offset_for(asked, log_->end_offset());
}

Offset Partition::last_stable_offset() const {
  return log_->last_stable_offset(replica_.high_watermark());
}

ReadResult Partition::read(const ReadSpec& spec) {
  ReadResult result;
  if (auto error = check_epoch(spec.current_leader_epoch)) {
    result.error = *error;
    return result;
  }
  result.high_watermark = replica_.high_watermark();
  result.last_stable_offset = last_stable_offset();
  result.start_offset = log_->start_offset();
  if (spec.last_fetched_epoch >= 0) {
    EpochEnd end = epoch_end(spec.last_fetched_epoch);
    if (end.epoch < 0) {
      result.error = ErrorCode::offset_out_of_range;
      return result;
    }
    if (end.epoch < spec.last_fetched_epoch || end.end_offset < spec.offset) {
      result.diverging = end;
      return result;
    }
  }
  Offset bound = spec.read_committed ? result.last_stable_offset : result.high_watermark;
  auto records = log_->read(spec.offset, spec.max_bytes, bound, spec.at_least_one_batch);
  if (!records) {
    result.error = records.error().kind == Error::Kind::kafka
                       ? static_cast<ErrorCode>(records.error().code)
                       : ErrorCode::kafka_storage_error;
    return result;
  }
  result.records = std::move(*records);
  if (!spec.read_committed || result.records.empty()) return result;
  auto aborted = log_->aborted_in(spec.offset, bound);
  if (aborted) {
    result.aborted = std::move(*aborted);
  } else {
    result.error = ErrorCode::kafka_storage_error;
  }
  return result;
}

Result<Offset> Partition::truncate(Offset end) {
  auto cut = log_->truncate_to(end);
  if (!cut) return cut;
  replica_.on_truncated(*cut);
  source_ = {};
  return cut;
}

Result<void> Partition::delete_records_before(Offset offset) {
  if (offset < 0 || offset > replica_.high_watermark()) {
    return refuse(ErrorCode::offset_out_of_range, "beyond the high watermark");
  }
  if (offset <= log_->start_offset()) return {};
  return log_->move_start_to(offset);
}

Result<void> Partition::apply_retention() {
  if (log_->offline() != nullptr) return {};
  log_->expire_producers(loop_.wall_ms());
  auto removed = log_->apply_retention(loop_.wall_ms(), replica_.high_watermark());
  if (!removed) return fail(removed.error());
  if (*removed > 0) {
    logger_.info("retention removed segments={} start={}", *removed, log_->start_offset());
  }
  return {};
}

io::Task<Result<void>> Partition::sync_all() {
  if (log_->offline() != nullptr) co_return Result<void>{};
  auto flushed = co_await log_->flush();
  if (!flushed) co_return fail(flushed.error());
  co_return Result<void>{};
}

io::Task<void> Partition::stop() {
  closing_ = true;
  acks_.wake_all();
  fetches_.notify_all();
  co_await background_.close();
}

io::Task<Result<void>> Partition::close() {
  co_await stop();
  auto closed = co_await log_->close();
  co_return closed;
}

io::Task<Result<void>> Partition::erase() {
  co_await stop();
  co_return log_->erase();
}

}  // namespace isthmus::broker
