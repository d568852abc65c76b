// How a Log grows: batches of our own leader, and batches at the offsets they already have.
#include <fmt/format.h>

#include <algorithm>

#include "base/crc32c.h"
#include "base/leader_epoch.h"
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
  std::optional<kafka::EndTransactionMarker> marker;

  static Result<std::vector<Prepared>> parse(Bytes batches);
};

Result<std::vector<Log::Prepared>> Log::Prepared::parse(Bytes batches) {
  std::vector<Prepared> parsed;
  kafka::BatchIterator iterator(batches, false);
  while (auto batch = iterator.next()) {
    Prepared prepared{batch->header, batch->bytes, std::nullopt, std::nullopt};
    if (batch->header.is_control()) {
      auto marker = marker_of(batch->bytes);
      if (!marker) return fail(marker.error());
      prepared.marker = *marker;
    }
    parsed.push_back(std::move(prepared));
  }
  if (iterator.end() == kafka::BatchIterator::End::corrupt) return fail(iterator.error());
  if (iterator.end() == kafka::BatchIterator::End::partial) {
    return fail(Error::corrupt("the bytes to append end inside a record batch"));
  }
  if (parsed.empty()) return fail(Error::corrupt("no record batch to append"));
  return parsed;
}

Result<void> Log::judge(std::span<const Prepared> batches, const LeaderAppend& how,
                        AppendInfo& info) {
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
    const ProducerVerdict verdict =
        batch.marker ? producers_.check_marker(batch.header, *batch.marker)
                     : producers_.check(batch.header, how.origin, how.may_take_gap);
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
  if (auto working = refuse_if_offline(); !working) return fail(working.error());
  auto parsed = Prepared::parse(batches);
  if (!parsed) return fail(parsed.error());
  AppendInfo info;
  if (auto done = judge(*parsed, how, info); !done) return fail(done.error());
  if (info.duplicate) return info;
  if (epoch < epochs_.latest()) {
    return refuse(kafka::ErrorCode::fenced_leader_epoch,
                  fmt::format("append under epoch {}, the log has {}", epoch, epochs_.latest()));
  }
  const bool stamp = stamps();
  Offset next = end_;
  for (Prepared& batch : *parsed) {
    batch.header.base_offset = next;
    batch.header.partition_leader_epoch = epoch;
    if (stamp) {
      batch.header.attributes |= kafka::BatchHeader::log_append_time_bit;
      batch.header.max_timestamp = now_ms;
    }
    HeaderBytes& head = batch.head.emplace();
    kafka::write_batch_header(head, batch.header);
    if (stamp) {
      // The timestamp and its type lie under the checksum; offset and epoch do not.
      batch.header.crc = crc_with_header(head, batch.input);
      kafka::write_batch_header(head, batch.header);
    }
    next = batch.header.next_offset();
  }
  if (auto done = begin_epoch(epoch, end_, end_, config_.cluster); !done) {
    return fail(done.error());
  }
  info.first_offset = end_;
  info.last_offset = next - 1;
  info.log_append_time = stamp ? now_ms : -1;
  info.bytes = batches.size();
  if (auto done = write(*parsed, now_ms); !done) return fail(done.error());
  return info;
}

Result<AppendInfo> Log::append_verbatim(Bytes batches, int64_t now_ms, const VerbatimAppend& from) {
  if (auto working = refuse_if_offline(); !working) return fail(working.error());
  auto parsed = Prepared::parse(batches);
  if (!parsed) return fail(parsed.error());
  // The bytes stay as they are; indexes and retention go by what the records say.
  for (Prepared& batch : *parsed) {
    batch.header.max_timestamp =
        kafka::largest_timestamp(batch.input, batch.header, max_unpacked_on_loop);
  }
  Offset next = end_;
  LeaderEpoch latest = epochs_.latest();
  for (const Prepared& batch : *parsed) {
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
    next = header.next_offset();
    latest = epoch;
  }
  Offset before = end_;
  for (const Prepared& batch : *parsed) {
    const LeaderEpoch epoch = batch.header.partition_leader_epoch;
    const auto named = std::ranges::find(from.owners, epoch, &EpochOwner::epoch);
    const ClusterNumber owner = named == from.owners.end() ? from.owner : named->owner;
    if (auto done = begin_epoch(epoch, before, batch.header.base_offset, owner); !done) {
      return fail(done.error());
    }
    before = batch.header.next_offset();
  }
  const AppendInfo info{.first_offset = parsed->front().header.base_offset,
                        .last_offset = next - 1,
                        .bytes = batches.size()};
  if (auto done = write(*parsed, now_ms); !done) return fail(done.error());
  return info;
}

// With a batch at `start`; the one before it ends at `end`.
Result<void> Log::begin_epoch(LeaderEpoch epoch, Offset end, Offset start, ClusterNumber owner) {
  const LeaderEpoch before = epochs_.latest();
  if (epoch <= before) return {};
  // Offsets may be missing because a compaction took them. Only a failover leaves them out where a
  // new generation begins.
  const bool gap = start > end && before >= 0 && generation_of(epoch) > generation_of(before);
  epochs_.assign(epoch, gap ? end : start, owner, gap ? start : -1);
  // A crash loses neither epoch nor start, which stand in the batches; but no batch names another
  // cluster as its owner.
  return owner == config_.cluster ? Result<void>{} : save_epochs();
}

Result<bool> Log::must_roll(const kafka::BatchHeader& next, int64_t now_ms) {
  Segment& segment = active();
  if (segment.size() == 0) return !segment.accepts(next.last_offset());
  if (!segment.accepts(next.last_offset())) return true;
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
    if (epochs_.is_gap(end_, batches.front().header.base_offset)) {
      if (auto done = advance_to(batches.front().header.base_offset); !done) return done;
    }
    auto full = must_roll(batches.front().header, now_ms);
    if (!full) return go_offline(full.error());
    if (*full) {
      // Offsets are written relative to the base, which after a wide gap is the batch's own.
      const kafka::BatchHeader& next = batches.front().header;
      const bool near = next.last_offset() - end_ <= INT32_MAX;
      if (auto done = roll_to(near ? end_ : next.base_offset); !done) return done;
    }
    const auto limit = static_cast<uint64_t>(config_.segment_bytes);
    uint64_t size = active().size() + batches.front().header.total_size();
    size_t run = 1;
    const auto fits = [&](const kafka::BatchHeader& next) {
      return size + next.total_size() <= limit && active().accepts(next.last_offset()) &&
             !epochs_.is_gap(batches[run - 1].header.next_offset(), next.base_offset);
    };
    while (run < batches.size() && fits(batches[run].header)) {
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
  const auto interval = static_cast<size_t>(config_.index_interval_bytes);
  if (auto done = active().append(pieces, headers, interval); !done) {
    return go_offline(done.error());
  }
  auto file = active().file();
  if (!file) return go_offline(file.error());
  syncer_.touched(*file);
  for (const Prepared& batch : run) {
    if (auto done = note(batch, now_ms); !done) return done;
  }
  end_ = run.back().header.next_offset();
  syncer_.appended(end_);
  remember(end_, active().base(), active().size());
  return {};
}

// What follows from a batch that is in the file.
Result<void> Log::note(const Prepared& batch, int64_t now_ms) {
  if (!batch.header.is_control()) {
    producers_.appended(batch.header, now_ms);
    return {};
  }
  if (!batch.marker) return {};
  const auto completed = producers_.appended_marker(batch.header, *batch.marker, now_ms);
  if (!completed || !completed->aborted) return {};
  auto index = active().txns().append({completed->producer_id, completed->first_offset,
                                       completed->last_offset, completed->last_stable_offset});
  if (!index) return go_offline(index.error());
  syncer_.touched(*index);
  if (active().txns().count() == 1) syncer_.folder_touched();  // it is a new file
  return {};
}

}  // namespace isthmus::broker
