// How a Log grows: batches of our own leader, and batches at the offsets they already have.
#include <fmt/format.h>

#include <algorithm>

#include "base/crc32c.h"
#include "broker/log/gap.h"
#include "broker/log/log.h"
#include "broker/log/replay.h"
#include "kafka/batch.h"
#include "kafka/record_walk.h"

namespace isthmus::broker {

namespace {

// Of a batch whose header cannot be right about its timestamps, which another cluster has taken.
constexpr size_t max_unpacked_on_loop = size_t{1} << 20;

using HeaderBytes = std::array<uint8_t, kafka::batch_header_size>;

// The checksum of a batch whose header was changed.
uint32_t crc_with_header(const HeaderBytes& header, Bytes batch) {
  const uint32_t changed = crc32c(Bytes(header).subspan(kafka::batch_crc_start));
  return crc32c(batch.subspan(kafka::batch_header_size), changed);
}

}  // namespace

// A batch on its way into the file. The input is not written to: it may be shared with a reader on
// another loop. A header that differs from the input's is in `head`.
struct Log::Prepared {
  kafka::BatchHeader header;
  Bytes input;
  std::optional<HeaderBytes> head;
  kafka::ControlRecord control;
  ClusterNumber owner = 0;  // of its epoch, if that is new

  // Adds those in `batches`, or none.
  static Result<void> parse(Bytes batches, std::vector<Prepared>& into);
};

Result<void> Log::Prepared::parse(Bytes batches, std::vector<Prepared>& into) {
  const auto before = static_cast<ptrdiff_t>(into.size());
  const auto refused = [&](Error error) {
    into.erase(into.begin() + before, into.end());
    return fail(std::move(error));
  };
  kafka::BatchIterator iterator(batches, false);
  while (auto batch = iterator.next()) {
    Prepared prepared{batch->header, batch->bytes, std::nullopt, {}};
    if (batch->header.is_control()) {
      auto control = control_in(batch->bytes);
      if (!control) return refused(control.error());
      prepared.control = *control;
    }
    into.push_back(std::move(prepared));
  }
  if (iterator.end() == kafka::BatchIterator::End::corrupt) return refused(iterator.error());
  if (iterator.end() == kafka::BatchIterator::End::partial) {
    return refused(Error::corrupt("the bytes to append end inside a record batch"));
  }
  if (std::ssize(into) == before) return refused(Error::corrupt("no record batch to append"));
  return {};
}

// What is going to be written together: batches that are judged and numbered, and what is known of
// their producers once they are in the log. Until then it is known here alone, so that a write that
// fails has nothing to take back.
struct Log::Group {
  std::vector<Prepared> batches;
  Offset next = 0;     // of the batch after them
  bool alone = false;  // nobody else's batches follow: nothing needs to be known of the producers
  ProducerStates producers;

  const ProducerStates& that_knows(ProducerId id, const ProducerStates& in_log) const {
    return producers.find(id) != nullptr ? producers : in_log;
  }
  void note(const Prepared& batch, const ProducerStates& in_log, int64_t now_ms) {
    if (alone || !batch.header.has_producer()) return;
    const ProducerId id = batch.header.producer_id;
    const ProducerState* known = in_log.find(id);
    if (known != nullptr && producers.find(id) == nullptr) producers.restore(id, *known);
    if (batch.control.marker) {
      producers.appended_marker(batch.header, *batch.control.marker, now_ms);
    } else {
      producers.appended(batch.header, now_ms);
    }
  }
};

Result<void> Log::judge(std::span<const Prepared> batches, const LeaderAppend& how,
                        const Group& group, AppendInfo& info) const {
  for (const Prepared& batch : batches) {
    const bool client = how.origin == AppendOrigin::client;
    if (client && batch.input.size() > static_cast<size_t>(config_.max_message_bytes)) {
      return refuse(kafka::ErrorCode::message_too_large,
                    fmt::format("a batch of {} bytes; max.message.bytes is {}", batch.input.size(),
                                config_.max_message_bytes));
    }
    if (client && batch.header.is_control()) {
      return refuse(kafka::ErrorCode::invalid_record, "a client may not write control batches");
    }
    if (client && !stamps() &&
        batch.header.timestamp_type() == kafka::TimestampType::log_append_time) {
      return refuse(kafka::ErrorCode::invalid_timestamp,
                    "a client may not set the timestamp type LogAppendTime");
    }
    if (!batch.header.has_producer()) continue;
    if (client && batch.header.base_sequence < 0) {
      return refuse(kafka::ErrorCode::invalid_record, "a producer id without a sequence");
    }
    if (batches.size() > 1) {
      return refuse(kafka::ErrorCode::invalid_record,
                    "an idempotent producer's batch must come alone");
    }
    const ProducerStates& known = group.that_knows(batch.header.producer_id, producers_);
    const auto& marker = batch.control.marker;
    const ProducerVerdict verdict =
        marker ? known.check_marker(batch.header, *marker)
               : known.check(batch.header, how.origin, how.behind_a_refusal);
    if (verdict.kind == ProducerVerdict::Kind::duplicate) {
      info.duplicate = true;
      info.first_offset = verdict.first_offset;
      info.last_offset = verdict.last_offset;
      info.log_append_time = stamps() ? verdict.timestamp : -1;
      return {};
    }
    if (!verdict.accepted()) return refuse(verdict.error(), verdict.reason);
  }
  return {};
}

Result<AppendInfo> Log::append_as_leader(Bytes batches, LeaderEpoch epoch, int64_t now_ms,
                                         LeaderAppend how) {
  GroupedAppend alone{batches, how, AppendInfo{}};
  append_together(std::span(&alone, 1), epoch, now_ms);
  return std::move(alone.result);
}

void Log::append_together(std::span<GroupedAppend> items, LeaderEpoch epoch, int64_t now_ms) {
  const Result<void> working = refuse_if_offline();
  Group group;
  group.next = end_;
  group.alone = items.size() == 1;
  for (GroupedAppend& item : items) {
    item.result = working ? take(item, epoch, now_ms, group) : fail(working.error());
  }
  if (group.batches.empty()) return;
  const Result<void> written = write_all(group.batches, now_ms);
  if (written) return;
  // Whole batches at the front may be in the log: a segment was full between them and the others.
  for (GroupedAppend& item : items) {
    if (item.result && item.result->last_offset >= end_) item.result = fail(written.error());
  }
}

// Judges and numbers an item's batches, and adds them to the group.
Result<AppendInfo> Log::take(const GroupedAppend& item, LeaderEpoch epoch, int64_t now_ms,
                             Group& group) const {
  const size_t before = group.batches.size();
  if (auto parsed = Prepared::parse(item.batches, group.batches); !parsed) {
    return fail(parsed.error());
  }
  const std::span<Prepared> own = std::span(group.batches).subspan(before);
  AppendInfo info;
  Result<void> judged = judge(own, item.how, group, info);
  if (judged && !info.duplicate && epoch < epochs_.latest()) {
    judged = refuse(kafka::ErrorCode::fenced_leader_epoch,
                    fmt::format("append under epoch {}, the log has {}", epoch, epochs_.latest()));
  }
  if (!judged || info.duplicate) {
    group.batches.erase(group.batches.begin() + static_cast<ptrdiff_t>(before),
                        group.batches.end());
    if (!judged) return fail(judged.error());
    return info;
  }
  info.first_offset = group.next;
  for (Prepared& batch : own) {
    number(batch, group.next, epoch, now_ms);
    group.note(batch, producers_, now_ms);
    group.next = batch.header.next_offset();
  }
  info.last_offset = group.next - 1;
  info.log_append_time = stamps() ? now_ms : -1;
  info.bytes = item.batches.size();
  return info;
}

// Gives a batch its place in our own order.
void Log::number(Prepared& batch, Offset offset, LeaderEpoch epoch, int64_t now_ms) const {
  batch.owner = config_.cluster;
  batch.header.base_offset = offset;
  batch.header.partition_leader_epoch = epoch;
  if (stamps()) {
    batch.header.attributes |= kafka::BatchHeader::log_append_time_bit;
    batch.header.max_timestamp = now_ms;
  }
  HeaderBytes& head = batch.head.emplace();
  kafka::write_batch_header(head, batch.header);
  if (!stamps()) return;
  // The timestamp and its type lie under the checksum; offset and epoch do not.
  batch.header.crc = crc_with_header(head, batch.input);
  kafka::write_batch_header(head, batch.header);
}

Result<AppendInfo> Log::append_verbatim(Bytes batches, int64_t now_ms, const VerbatimAppend& from) {
  if (auto working = refuse_if_offline(); !working) return fail(working.error());
  std::vector<Prepared> all;
  if (auto parsed = Prepared::parse(batches, all); !parsed) return fail(parsed.error());
  // The bytes stay as they are; indexes and retention go by what the records say.
  for (Prepared& batch : all) {
    batch.header.max_timestamp =
        kafka::largest_timestamp(batch.input, batch.header, max_unpacked_on_loop);
  }
  Offset next = end_;
  LeaderEpoch latest = epochs_.latest();
  for (Prepared& batch : all) {
    const kafka::BatchHeader& header = batch.header;
    if (header.base_offset < next) {
      return fail(Error::corrupt(fmt::format("{}: a batch of offset {}, expected {} or above",
                                             tp_.to_string(), header.base_offset, next)));
    }
    const LeaderEpoch epoch = header.partition_leader_epoch;
    if (epoch < latest || epoch > from.max_epoch) {
      return fail(Error::corrupt(
          fmt::format("{}: the batch of offset {} has leader epoch {}, expected {} to {}",
                      tp_.to_string(), header.base_offset, epoch, latest, from.max_epoch)));
    }
    const auto named = std::ranges::find(from.owners, epoch, &EpochOwner::epoch);
    batch.owner = named == from.owners.end() ? from.owner : named->owner;
    next = header.next_offset();
    latest = epoch;
  }
  const AppendInfo info{.first_offset = all.front().header.base_offset,
                        .last_offset = next - 1,
                        .bytes = batches.size()};
  if (auto done = write_all(all, now_ms); !done) return fail(done.error());
  return info;
}

Result<void> Log::leave_gap(Offset offset, LeaderEpoch epoch, int64_t now_ms) {
  if (auto working = refuse_if_offline(); !working) return working;
  if (offset < end_ || epoch < epochs_.latest()) {
    return fail(Error::message(
        fmt::format("{}: cannot go on at offset {} in epoch {}: the log ends at {} in epoch {}",
                    tp_.to_string(), offset, epoch, end_, epochs_.latest())));
  }
  if (offset == end_) return {};
  // Before the epoch is entered: to begin a segment would else make it durable, in files of its
  // own, holding the loop.
  if (auto done = roll(); !done) return done;
  const Slice gap = make_gap(end_, offset, epoch);
  auto done = append_verbatim(gap, now_ms, {.owner = config_.cluster});
  return done ? Result<void>{} : fail(done.error());
}

// Enters the epochs that are new with these batches.
Result<void> Log::begin_epochs(std::span<const Prepared> batches) {
  bool of_others = false;
  for (const Prepared& batch : batches) {
    const kafka::BatchHeader& header = batch.header;
    if (epochs_.assign(header.partition_leader_epoch, header.base_offset, batch.owner)) {
      of_others |= batch.owner != config_.cluster;
    }
  }
  // A crash loses neither epoch nor start, which stand in the batches; but no batch names another
  // cluster as its owner.
  return of_others ? save_epochs() : Result<void>{};
}

void Log::forget_epochs_not_written(const EpochCache& before) {
  EpochCache written = before;
  for (const EpochEntry& entry : epochs_.entries()) {
    if (entry.epoch <= written.latest() || entry.start_offset >= end_) continue;
    written.assign(entry.epoch, entry.start_offset, entry.owner);
  }
  epochs_ = std::move(written);
  epochs_.not_as_saved();
}

Result<void> Log::write_all(std::span<const Prepared> batches, int64_t now_ms) {
  if (batches.back().header.partition_leader_epoch == epochs_.latest()) {
    return write(batches, now_ms);
  }
  const EpochCache before = epochs_;
  Result<void> done = begin_epochs(batches);
  if (done) done = write(batches, now_ms);
  if (!done) forget_epochs_not_written(before);
  return done;
}

Result<bool> Log::must_roll(const Prepared& batch, int64_t now_ms) {
  const kafka::BatchHeader& next = batch.header;
  Segment& segment = active();
  if (segment.size() == 0) return !segment.accepts(next.last_offset());
  if (!segment.accepts(next.last_offset())) return true;
  // A gap lies with what comes behind it, and goes with that (apply_retention()).
  if (batch.control.is_gap) return true;
  if (segment.size() + next.total_size() > static_cast<uint64_t>(config_.segment_bytes)) {
    return true;
  }
  auto begun = segment.begun_ms(now_ms);
  if (!begun) return fail(begun.error());
  // What lies ahead counts as now: microseconds for milliseconds do not roll with every batch.
  const bool counts = next.max_timestamp >= 0 && next.max_timestamp <= now_ms;
  return (counts ? next.max_timestamp : now_ms) - *begun > config_.segment_ms;
}

Result<void> Log::write(std::span<const Prepared> batches, int64_t now_ms) {
  while (!batches.empty()) {
    auto full = must_roll(batches.front(), now_ms);
    if (!full) return failed(full.error());
    if (*full) {
      // Offsets are written relative to the base, which after a wide hole is the batch's own.
      const kafka::BatchHeader& next = batches.front().header;
      const bool near = next.last_offset() - end_ <= INT32_MAX;
      // Below so wide a hole the next start would not miss a tail.
      if (!near) {
        if (auto done = syncer_.sync_now(); !done) return failed(done.error());
      }
      if (auto done = roll_to(near ? end_ : next.base_offset); !done) return done;
    }
    const auto limit = static_cast<uint64_t>(config_.segment_bytes);
    uint64_t size = active().size() + batches.front().header.total_size();
    size_t run = 1;
    const auto fits = [&](const Prepared& next) {
      return size + next.header.total_size() <= limit &&
             active().accepts(next.header.last_offset()) && !next.control.is_gap;
    };
    while (run < batches.size() && fits(batches[run])) {
      size += batches[run++].header.total_size();
    }
    if (auto done = write_run(batches.first(run), now_ms); !done) return done;
    batches = batches.subspan(run);
  }
  return {};
}

// One gathered write of batches that all go into the active segment.
Result<void> Log::write_run(std::span<const Prepared> run, int64_t now_ms) {
  std::vector<Bytes> pieces;
  std::vector<kafka::BatchHeader> headers;
  headers.reserve(run.size());
  for (const Prepared& batch : run) {
    headers.push_back(batch.header);
    if (batch.head) pieces.emplace_back(*batch.head);
    const Bytes rest = batch.input.subspan(batch.head ? batch.head->size() : 0);
    // Batches that came as they are stored lie side by side: one piece for all.
    Bytes* before = !batch.head && !pieces.empty() ? &pieces.back() : nullptr;
    if (before != nullptr && before->data() + before->size() == rest.data()) {
      *before = {before->data(), before->size() + rest.size()};
    } else {
      pieces.push_back(rest);
    }
  }
  auto file = active().file();
  if (!file) return go_offline(file.error());
  // Also if it is refused: what was written of it, and cut, must not be back after a crash.
  syncer_.touched(*file);
  const auto interval = static_cast<size_t>(config_.index_interval_bytes);
  if (auto done = active().append(pieces, headers, interval); !done) {
    return failed(done.error());
  }
  for (const Prepared& batch : run) {
    if (auto done = note(batch, now_ms); !done) return done;
  }
  end_ = run.back().header.next_offset();
  syncer_.appended(end_);
  remember(end_, active().base(), active().size());
  if (std::exchange(cramped_, false)) logger_.info("appends go on end_offset={}", end_);
  return {};
}

// What follows from a batch that is in the file.
Result<void> Log::note(const Prepared& batch, int64_t now_ms) {
  if (!batch.header.is_control()) {
    producers_.appended(batch.header, now_ms);
    return {};
  }
  if (batch.control.is_gap) producers_.allow_one_gap();
  if (!batch.control.marker) return {};
  const auto completed = producers_.appended_marker(batch.header, *batch.control.marker, now_ms);
  if (!completed || !completed->aborted) return {};
  const bool had_file = active().txns().has_file();
  auto index = active().txns().append({completed->producer_id, completed->first_offset,
                                       completed->last_offset, completed->last_stable_offset});
  if (!index) return go_offline(index.error());
  if (!*index) return {};
  syncer_.touched(*index);
  if (!had_file) syncer_.folder_touched();
  return {};
}

}  // namespace isthmus::broker
