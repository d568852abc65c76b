#include "broker/replica/partition.h"

#include <algorithm>

namespace isthmus::broker {

using kafka::ErrorCode;

namespace {

std::unexpected<Error> refuse(const Refusal& refusal) {
  return refuse(refusal.code, refusal.reason);
}
std::shared_ptr<const kafka::RecordRules> rules_of(const LogConfig& config) {
  const auto max_bytes = static_cast<size_t>(config.max_message_bytes);
  return std::make_shared<const kafka::RecordRules>(
      kafka::RecordRules{.keys_required = config.compact,
                         .timestamp_type = config.timestamp_type,
                         .max_batch_bytes = max_bytes,
                         .before_max_ms = config.timestamp_before_max_ms,
                         .after_max_ms = config.timestamp_after_max_ms,
                         .max_unpacked = kafka::max_decompressed_size_of(max_bytes)});
}

// Who may not use the last of the disk.
bool yields_to_others(const Writer& writer) {
  return !std::holds_alternative<CoordinatorWriter>(writer) &&
         !std::holds_alternative<MarkerWriter>(writer);
}

// The checkpoint may be from before the log began where it does now: nothing was below that since.
Offset known_safe(Offset checkpoint, const Log& log) {
  return std::max(log.start_offset(), std::min(checkpoint, log.durable_offset()));
}

}  // namespace

Partition::Partition(io::Loop& loop, TopicPartition name, Uuid topic_id, NodeId self,
                     std::unique_ptr<Log> log, std::shared_ptr<StorageWatch> room,
                     ReplicaOptions replication)
    : loop_(loop),
      name_(std::move(name)),
      topic_id_(topic_id),
      logger_(LogComponent::partitions, name_.to_string()),
      log_(std::move(log)),
      rules_(rules_of(log_->config())),
      room_(std::move(room)),
      self_(self),
      replica_(self, known_safe(replication.high_watermark, *log_)),
      isr_(self),
      bell_(std::move(replication.bell)),
      confirm_(std::move(replication.confirm)),
      gate_changed_(loop),
      followers_moved_(loop),
      written_(loop),
      acks_(loop),
      fetches_({topic_id_, name_.partition}),
      follower_fetches_({topic_id_, name_.partition}),
      background_(loop) {
  isr_.allow_lag(replication.allowed_lag);
}

std::optional<Error> Partition::offline_error() const {
  const Error* reason = log_->offline();
  if (closing_ || reason == nullptr) return std::nullopt;
  return kafka::error_of(ErrorCode::kafka_storage_error, reason->text);
}

void Partition::note_outage() {
  if (closing_ || log_->offline() == nullptr || outage()) return;
  const bool readable = replica_.high_watermark() > log_->start_offset();
  outage_.store(std::make_shared<const Outage>(Outage{log_->offline()->text, readable}));
}

void Partition::on_image(const Image& image, const TopicImage& topic, const LogConfig& config) {
  if (closing_ || image.number < image_number_) return;
  image_number_ = image.number;
  const PartitionImage& recorded = topic.partitions[name_.partition];
  log_->configure(config);
  rules_.store(rules_of(config));
  const auto* link = topic.writer.link();
  origin_ = link != nullptr ? link->origin : image.cluster_number;
  initializing_ = recorded.mirror_state == MirrorState::initializing;
  take_role(image, topic);
  if (leads() && topic.writer.is_clients()) catch_up_with_promotion(recorded);
  set_gate(topic.writer, link != nullptr ? image.epoch_of(link->name) : 0);
  // Followers copy what the leader writes of it.
  const bool has_own = topic.writer.is_clients() || topic.writer.is_aside();
  if (leads() && has_own) abort_open_transactions();
}

// Transactions that were open at the other site when its records ended here have nobody who could
// end them, and would hold back every read_committed reader for ever.
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
    auto done = append(MarkerWriter{}, kafka::build_marker(options, marker, loop_.wall_ms()));
    if (!done) {
      logger_.error("the open transaction of producer {} cannot be aborted: {}", producer,
                    done.error().text);
      return;
    }
    logger_.info("aborted the open transaction of producer={} from offset={}", producer,
                 first_offset);
  }
}

// A failover was recorded. Its epoch begins where the mirrored records end, with the gap: were it
// to begin behind it, the epoch before would seem to cover what the lost site still has, and the
// way back would cut nothing. The gap is in the log before a client may write, so whatever is
// acknowledged stands behind it. It is made once: a log that ends below it has none, or has lost it
// in a crash; the record is durable and stays.
void Partition::catch_up_with_promotion(const PartitionImage& recorded) {
  const Offset end = log_->end_offset();
  if (recorded.promoted_to <= end || log_->offline() != nullptr) return;
  const LeaderEpoch epoch = std::max(recorded.leader_epoch, log_->epochs().latest());
  auto left = log_->leave_gap(recorded.promoted_to, epoch, loop_.wall_ms());
  if (!left) {
    // No writer may come before the gap is there, whatever the reason.
    log_->give_up(left.error());
    logger_.error("promotion cannot be written: {}", left.error().text);
    return;
  }
  logger_.info("promoted epoch={} end={} next={}", epoch, end, log_->end_offset());
  on_appended();
}

Result<void> Partition::admit(const Writer& writer) {
  if (closing_) return refuse(ErrorCode::not_leader_or_follower, "the partition is closing");
  if (auto error = offline_error()) return fail(*error);
  if (const auto* copy = std::get_if<ReplicaWriter>(&writer)) {
    return check_following(copy->leader_epoch);
  }
  const auto* client = std::get_if<ClientWriter>(&writer);
  const bool of_client = client != nullptr;
  if (!leads()) {
    if (of_client) refused_at_ = loop_.now();
    return fail(not_leading());
  }
  if (auto refusal = gate_.admit(writer, loop_.now())) {
    if (of_client) refused_at_ = loop_.now();
    return refuse(*refusal);
  }
  if (room_ && room_->is_low() && yields_to_others(writer)) {
    return refuse(ErrorCode::kafka_storage_error, "the disk is full but for its reserve");
  }
  const bool waits = of_client ? client->acks_all
                               : std::holds_alternative<CoordinatorWriter>(writer) ||
                                     std::holds_alternative<LinkWriter>(writer);
  if (waits && !replica_.enough_in_sync()) {
    // What it has sent behind this may come when there are enough again: a gap in its sequences,
    // which librdkafka takes for the end of its producer.
    if (of_client) refused_at_ = loop_.now();
    return refuse(ErrorCode::not_enough_replicas, "the in-sync replicas are too few");
  }
  return {};
}

Appended Partition::told(const AppendInfo& info) const {
  return Appended{.first_offset = info.first_offset,
                  .last_offset = info.last_offset,
                  .log_append_time = info.log_append_time,
                  .duplicate = info.duplicate,
                  .log_start = log_->start_offset(),
                  .log_end = log_->end_offset(),
                  .tenure = tenure_};
}

Result<Appended> Partition::append(const Writer& writer, const Slice& batches) {
  if (auto admitted = admit(writer); !admitted) return fail(admitted.error());
  if (const auto* copy = std::get_if<ReplicaWriter>(&writer)) {
    if (auto takes = take_copy(*copy, batches); !takes) return fail(takes.error());
  }
  auto info = std::visit([&](const auto& who) { return write(who, batches); }, writer);
  on_appended();
  if (!info) return fail(info.error());
  count(writer, *info);
  if (const auto* link = std::get_if<LinkWriter>(&writer)) {
    source_.end_offset = std::max(source_.end_offset, link->source_high_watermark);
    if (auto ok = follow_start(link->log_start); !ok) return fail(ok.error());
  }
  if (const auto* copy = std::get_if<ReplicaWriter>(&writer)) {
    advanced(replica_.on_told(copy->high_watermark, log_->end_offset()));
    if (auto ok = follow_start(copy->log_start); !ok) return fail(ok.error());
  }
  return told(*info);
}

void Partition::count(const Writer& writer, const AppendInfo& info) {
  if (info.duplicate || info.first_offset < 0) return;
  if (room_) room_->charge(info.bytes);
  if (std::holds_alternative<ClientWriter>(writer)) {
    counted_.bytes_in += info.bytes;
    counted_.records_in += static_cast<uint64_t>(info.last_offset - info.first_offset + 1);
  } else if (std::holds_alternative<LinkWriter>(writer)) {
    counted_.link_bytes_in += info.bytes;
  }
}

Result<AppendInfo> Partition::write(const ClientWriter& writer, const Slice& batch) {
  return log_->append_as_leader(batch, leader_epoch_, loop_.wall_ms(), how_for(writer));
}

Result<AppendInfo> Partition::write(const CoordinatorWriter& writer, const Slice& batch) {
  if (writer.leader_epoch != leader_epoch_) {
    return refuse(ErrorCode::fenced_leader_epoch, "the coordinator leads under another epoch");
  }
  return write_own(batch);
}

Result<AppendInfo> Partition::write(const MarkerWriter&, const Slice& batch) {
  return write_own(batch);
}

Result<AppendInfo> Partition::write_own(const Slice& batch) {
  LeaderAppend how;
  how.origin = AppendOrigin::coordinator;
  return log_->append_as_leader(batch, leader_epoch_, loop_.wall_ms(), how);
}

Result<AppendInfo> Partition::write(const ExportWriter& writer, const Slice& batches) {
  if (log_->is_empty() && log_->end_offset() != writer.start) {
    if (auto ok = log_->restart_at(writer.start); !ok) return fail(ok.error());
  }
  if (batches.empty()) return AppendInfo{};
  VerbatimAppend from;
  from.owner = log_->config().cluster;
  return log_->append_verbatim(batches, loop_.wall_ms(), from);
}

Result<AppendInfo> Partition::write(const LinkWriter& writer, const Slice& batches) {
  bool may_begin_anew = log_->is_empty() || initializing_;
  if (writer.start_at > log_->end_offset() && may_begin_anew) {
    if (auto ok = log_->restart_at(writer.start_at); !ok) return fail(ok.error());
    replica_.on_emptied(writer.start_at);
    advanced(true);
  }
  if (writer.expected_offset != log_->end_offset()) {
    return refuse(ErrorCode::offset_out_of_range,
                  "the log ends at " + std::to_string(log_->end_offset()) + ", not at " +
                      std::to_string(writer.expected_offset));
  }
  if (leader_epoch_ < writer.source_leader_epoch) {
    return refuse(ErrorCode::unknown_leader_epoch, "the epoch has yet to follow the source's");
  }
  AppendInfo info;
  if (!batches.empty()) {
    VerbatimAppend from;
    from.owner = origin_;
    from.owners = writer.owners;
    from.max_epoch = leader_epoch_;
    auto written = log_->append_verbatim(batches, loop_.wall_ms(), from);
    if (!written) return written;
    info = *written;
  }
  return info;
}

// As for a client's DeleteRecords, what is not safe yet is not deleted, wherever the source starts.
Result<void> Partition::follow_start(Offset start) {
  start = std::min(start, replica_.high_watermark());
  if (start <= log_->start_offset()) return {};
  auto moved = log_->move_start_to(start);
  if (moved) logger_.info("follows its source: start={}", start);
  return moved;
}

void Partition::on_appended() {
  advanced(replica_.on_durable(log_->durable_offset()));
  follower_fetches_.notify_all();
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
    co_await log_->keep_synced_end();
  }
  flushing_ = false;
  note_outage();
  if (log_->offline() != nullptr) acks_.wake_all();
}

void Partition::advanced(bool moved) {
  if (!moved) return;
  acks_.advance(replica_.high_watermark());
  fetches_.notify_all();
}

io::Task<Result<void>> Partition::committed(Offset end, io::Instant deadline, uint64_t tenure) {
  if (tenure == 0) tenure = tenure_;
  while (tenure != tenure_ || replica_.high_watermark() < end) {
    if (auto error = offline_error()) co_return fail(*error);
    if (closing_) {
      co_return refuse(ErrorCode::not_leader_or_follower, "the partition is closing");
    }
    if (tenure != tenure_ || !leads()) co_return fail(not_leading());
    if (loop_.now() >= deadline && !replica_.enough_in_sync()) {
      co_return refuse(ErrorCode::not_enough_replicas_after_append,
                       "the in-sync replicas are too few; whether it will be safe is unknown");
    }
    if (loop_.now() >= deadline) {
      co_return refuse(ErrorCode::request_timed_out, "not yet safe; whether it will be is unknown");
    }
    co_await acks_.wait(end, deadline);
  }
  co_return Result<void>{};
}

Result<void> Partition::check_epoch(LeaderEpoch believed) const {
  if (closing_) return refuse(ErrorCode::not_leader_or_follower, "the partition is closing");
  if (believed >= 0 && believed != leader_epoch_) {
    return refuse(
        believed < leader_epoch_ ? ErrorCode::fenced_leader_epoch : ErrorCode::unknown_leader_epoch,
        "the epoch in force is " + std::to_string(leader_epoch_));
  }
  return leads() ? Result<void>{} : fail(not_leading());
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
  const auto ok = check_reader(spec);
  if (spec.follower) note_answer(spec, ok);
  if (!ok) {
    result.error = kafka::error_code(ok.error());
    return result;
  }
  result.high_watermark = replica_.high_watermark();
  result.last_stable_offset = last_stable_offset();
  result.start_offset = log_->start_offset();
  if (spec.nearer) result.preferred = replica_.furthest(*spec.nearer, spec.offset);
  if (result.preferred >= 0) return result;
  // A follower may not have heard of the epoch; below what is safe it has the same history.
  if (spec.last_fetched_epoch >= 0 && leads()) {
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
  if (spec.follower) bound = log_->end_offset();
  auto records = log_->read(spec.offset, spec.max_bytes, bound, spec.at_least_one_batch);
  result.by_follower = !leads();
  if (!records) {
    result.error = kafka::error_code(records.error());
    return result;
  }
  result.records = std::move(*records);
  result.has_more = result.records.empty() && spec.offset < bound;
  if (spec.follower) {
    if (note_follower(spec)) result.high_watermark = replica_.high_watermark();
    return result;
  }
  counted_.bytes_out += result.records.size();
  if (!spec.read_committed || result.records.empty()) return result;
  auto aborted = log_->aborted_in(spec.offset, bound);
  if (aborted) {
    result.aborted = std::move(*aborted);
  } else {
    result.error = ErrorCode::kafka_storage_error;
  }
  return result;
}

Result<Slice> Partition::read_own(Offset from, uint64_t max_bytes) {
  auto rope = log_->read(from, max_bytes, log_->end_offset(), true);
  if (!rope) return fail(rope.error());
  return rope->flatten();
}

io::Task<Result<ListedOffset>> Partition::list_offset(OffsetQuery query, io::Workers& workers) {
  if (auto ok = check_epoch(query.current_leader_epoch); !ok) co_return fail(ok.error());
  const int64_t time = query.timestamp;
  std::optional<TimestampOffset> found;
  if (time == OffsetQuery::max_timestamp || time >= 0) {
    auto search = time >= 0 ? log_->find_time(time, workers) : log_->find_latest(workers);
    auto looked = co_await search;
    if (!looked) co_return fail(looked.error());
    found = *looked;
  }
  const Offset bound = query.read_committed ? last_stable_offset() : replica_.high_watermark();
  const bool is_beyond = time == OffsetQuery::latest || (found && found->offset >= bound);
  if (is_beyond && replica_.high_watermark() < acknowledged_below_) {
    co_return refuse(ErrorCode::offset_not_available,
                     "this leader is new, and does not know yet how much is safe");
  }
  ListedOffset listed;
  if (time == OffsetQuery::latest) {
    listed.offset = bound;
  } else if (time == OffsetQuery::earliest || time == OffsetQuery::earliest_local) {
    listed.offset = log_->start_offset();
  } else if (time == OffsetQuery::max_timestamp || time >= 0) {
    if (found && found->offset < bound) {
      listed.offset = found->offset;
      listed.timestamp = found->timestamp;
    }
  } else if (time != OffsetQuery::latest_tiered) {
    co_return refuse(ErrorCode::invalid_request, "no such time: " + std::to_string(time));
  }
  if (listed.offset >= 0) listed.leader_epoch = log_->epochs().epoch_of(listed.offset);
  co_return listed;
}

io::Task<Result<std::optional<int64_t>>> Partition::unread_time(Offset from, io::Workers& workers) {
  auto found = co_await log_->unread_time(from, replica_.high_watermark(), workers);
  co_return found;
}

ClampedOffset Partition::clamp(Offset offset) const {
  ClampedOffset clamped{.offset = std::min(offset, log_->end_offset())};
  if (clamped.offset > 0) clamped.leader_epoch = log_->epochs().epoch_of(clamped.offset - 1);
  return clamped;
}

PartitionView Partition::describe() const {
  return {.leader_epoch = leader_epoch_,
          .start_offset = log_->start_offset(),
          .high_watermark = replica_.high_watermark(),
          .end_offset = log_->end_offset(),
          .last_batch_epoch = log_->epochs().latest(),
          .open_transactions = static_cast<int32_t>(log_->producers().open_transactions().size()),
          .disk_full = room_ && room_->is_low(),
          .source = source_,
          .bytes_to_go = bytes_to_go()};
}

int64_t Partition::bytes_to_go() const {
  if (!leads()) return 0;
  const Offset start = log_->start_offset(), end = log_->end_offset();
  const Offset has = std::min(isr_.lowest_outside(start).value_or(end), end);
  if (end <= start) return 0;
  const double share = static_cast<double>(end - has) / static_cast<double>(end - start);
  return static_cast<int64_t>(share * static_cast<double>(log_->size_bytes()));
}

PartitionNumbers Partition::numbers() const {
  PartitionNumbers numbers = counted_;
  numbers.size_bytes = log_->size_bytes();
  numbers.view = describe();
  return numbers;
}

Marks Partition::marks() const {
  const SyncedEnd& synced = log_->synced_end();
  const bool is_mirror = gate_.topic_writer().link() != nullptr;
  return {log_->recovery_point(),
          log_->start_offset(),
          replica_.high_watermark(),
          is_mirror ? source_.mark(loop_.now(), loop_.wall_ms()) : std::nullopt,
          synced.doubts_checkpoint(),
          synced.cuts()};
}

void Partition::note_source(Offset end_offset, int64_t lag_ms, std::optional<io::Duration> age) {
  const io::Instant now = loop_.now();
  source_.note(end_offset, lag_ms, age ? std::optional(now - *age) : std::nullopt);
}

void Partition::remember_source(const SourceMark& mark) {
  source_ = SourceView::of(mark, loop_.now(), loop_.wall_ms());
}

Held Partition::fence(const Uuid& id, io::Duration for_at_most, int64_t number) {
  if (!leads()) return {Refusal{ErrorCode::not_leader_or_follower, not_leading().text}, {}};
  const io::Instant now = loop_.now();
  auto refusal = gate_.fence(id, now, now + for_at_most, number);
  return {std::move(refusal), describe(), gate_.fence_number()};
}

Held Partition::hold(const Uuid& id, const Uuid& attempt, int64_t number) {
  if (!gate_.fenced_by(id, loop_.now())) {
    return {Refusal{ErrorCode::invalid_request, "the fence has ended"}, {}};
  }
  if (number != 0 && number != gate_.fence_number()) {
    return {Refusal{ErrorCode::invalid_request, "the fence has ended, and begun again"}, {}};
  }
  return freeze(id, attempt, false);
}

Held Partition::freeze(const Uuid& id, const Uuid& attempt, bool takes_over) {
  if (!leads()) return {Refusal{ErrorCode::not_leader_or_follower, not_leading().text}, {}};
  auto refusal = gate_.hold(id, loop_.now(), attempt, takes_over);
  return {std::move(refusal), describe(), gate_.fence_number()};
}

Parting Partition::fence_and_compare(const Uuid& id, io::Duration for_at_most,
                                     std::span<const EpochEntry> theirs, Offset their_end) {
  Parting out;
  if (!leads()) {
    out.refusal = Refusal{ErrorCode::not_leader_or_follower, not_leading().text};
    return out;
  }
  if (gate_.topic_writer().nobody() == nullptr) out.refusal = fence(id, for_at_most).refusal;
  out.leader_epoch = leader_epoch_;
  out.end_offset = log_->end_offset();
  out.last_batch_epoch = log_->epochs().latest();
  auto common = common_prefix(log_->epochs().entries(), out.end_offset, theirs, their_end);
  out.cut_at = std::max(common.end, log_->start_offset());
  return out;
}

Result<Offset> Partition::truncate(Offset end) {
  if (!leads()) return fail(not_leading());
  auto cut = log_->truncate_to(end);
  if (!cut) return cut;
  replica_.on_truncated(*cut);
  isr_.on_truncated(*cut);
  acknowledged_below_ = std::min(acknowledged_below_, *cut);
  source_ = {};
  awaits_cuts_ = true;
  follower_fetches_.notify_all();  // they are to cut, too
  return cut;
}

io::Task<Result<void>> Partition::cut(Offset end, Uuid fence, io::Instant deadline) {
  const uint64_t tenure = tenure_;
  auto done = truncate(end);
  if (!done) co_return fail(done.error());
  lift(fence);
  while (!isr_.have_cut()) {
    if (loop_.now() >= deadline) {
      co_return refuse(ErrorCode::request_timed_out,
                       "cut here, and not yet at all that are in sync: repeat the command");
    }
    co_await followers_moved_.wait_until(deadline);
    if (closing_ || waits_ended_) {
      co_return refuse(ErrorCode::not_leader_or_follower, "the partition is closing");
    }
    if (tenure != tenure_ || !leads()) co_return fail(not_leading());
  }
  co_return Result<void>{};
}

Result<Offset> Partition::delete_records(const Writer& writer, Offset before) {
  if (closing_) return refuse(ErrorCode::not_leader_or_follower, "the partition is closing");
  if (!leads()) return fail(not_leading());
  if (auto refusal = gate_.admit(writer, loop_.now())) return refuse(*refusal);
  const Offset safe = replica_.high_watermark();
  if (before == -1) before = safe;
  if (before < 0 || before > safe) {
    return refuse(ErrorCode::offset_out_of_range, "beyond the high watermark");
  }
  if (before > log_->start_offset()) {
    if (auto moved = log_->move_start_to(before); !moved) return fail(moved.error());
  }
  return log_->start_offset();
}

io::Task<Result<Offset>> Partition::deleted(Offset start, io::Instant deadline) {
  const uint64_t tenure = tenure_;
  for (;;) {
    if (closing_ || waits_ended_) {
      co_return refuse(ErrorCode::not_leader_or_follower, "the partition is closing");
    }
    if (tenure != tenure_ || !leads()) co_return fail(not_leading());
    const Offset lowest = isr_.lowest_start(log_->start_offset());
    if (lowest >= start) co_return lowest;
    if (loop_.now() >= deadline) {
      co_return refuse(ErrorCode::request_timed_out,
                       "deleted here, and not yet at all that are in sync");
    }
    co_await followers_moved_.wait_until(deadline);
  }
}

Result<void> Partition::apply_retention() {
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
  co_await log_->keep_synced_end();
  co_return Result<void>{};
}

void Partition::refuse_all() {
  write_pending();
  closing_ = true;
  acks_.wake_all();
  fetches_.notify_all();
  follower_fetches_.notify_all();
  gate_changed_.notify_all();
  followers_moved_.notify_all();
}

io::Task<void> Partition::stop() {
  refuse_all();
  co_await background_.close();
  write_pending();
}

io::Task<Result<void>> Partition::close() {
  co_await stop();
  auto closed = co_await log_->close();
  co_return closed;
}

io::Task<Result<void>> Partition::erase() {
  co_await stop();
  auto erased = co_await log_->erase();
  co_return erased;
}

}  // namespace isthmus::broker
