#include "broker/log/time_search.h"

#include <algorithm>

#include "broker/log/scanner.h"
#include "kafka/record_walk.h"

namespace isthmus::broker {

namespace {

// Whether one of its records may be what is asked for, as far as the header says.
bool may_hold(const kafka::BatchHeader& header, const TimeQuery& query) {
  if (header.last_offset() < query.from || header.record_count == 0) return false;
  return header.max_timestamp >= query.timestamp || !header.has_likely_max_timestamp();
}

Result<std::vector<uint8_t>> read_batch(const ReadableFile& file, const FoundBatch& batch) {
  std::vector<uint8_t> bytes(batch.header.total_size());
  auto n = file.read_at(batch.position, bytes);
  if (!n) return fail(n.error());
  if (*n < bytes.size()) return fail(Error::corrupt("record batch: the file ends inside it"));
  return bytes;
}

// Looks into one batch. The answer is in `found` when it holds one.
void look_into(Bytes batch, const kafka::BatchHeader& header, const TimeQuery& query,
               TimeFound& found) {
  const size_t left = query.may_unpack - std::min(query.may_unpack, found.unpacked);
  kafka::RecordWalk walk(batch, header, left, kafka::Framing::any);
  kafka::WalkedRecord record;
  while (walk.next(record)) {
    const Offset offset = header.base_offset + record.offset_delta;
    if (offset < query.from || offset > header.last_offset()) continue;
    const TimestampOffset seen{record.timestamp, offset, header.partition_leader_epoch};
    if (!found.latest || found.latest->timestamp < record.timestamp) found.latest = seen;
    if (record.timestamp < query.timestamp) continue;
    found.record = seen;
    break;
  }
  if (header.compression() != kafka::Compression::none) found.unpacked += walk.walked();
  if (walk.ok()) return;
  found.unreadable = header.base_offset;
}

}  // namespace

void UnreadableBatches::add(Offset base) {
  if (contains(base)) return;
  bases_[next_] = base;
  next_ = (next_ + 1) % bases_.size();
}

bool UnreadableBatches::contains(Offset base) const {
  return std::ranges::find(bases_, base) != bases_.end();
}

Result<TimeFound> search_time(const TimeStretch& stretch, const TimeQuery& query) {
  TimeFound found;
  FileScanner scanner(stretch.file, stretch.position, stretch.end, FileScanner::lookup_window);
  while (true) {
    auto batch = scanner.next_header();
    if (!batch) return fail(batch.error());
    if (!*batch) return found;
    const kafka::BatchHeader& header = (*batch)->header;
    if (!may_hold(header, query)) continue;
    found.unreadable = query.unreadable.contains(header.base_offset) ? header.base_offset : -1;
    if (found.unreadable < 0) {
      auto bytes = read_batch(*stretch.file, **batch);
      if (!bytes) return fail(bytes.error());
      look_into(*bytes, header, query, found);
    }
    if (found.unreadable >= 0) {
      found.record = {header.max_timestamp, std::max(query.from, header.base_offset),
                      header.partition_leader_epoch};
    }
    if (found.record) return found;
  }
}

io::Task<Result<TimeFound>> TimeLookups::find(TimeQuery query, NextStretch next,
                                              io::Workers& workers) {
  auto turn = co_await turns_.lock();
  auto found = co_await search(std::move(query), std::move(next), workers);
  co_return found;
}

io::Task<Result<TimeFound>> TimeLookups::search(TimeQuery query, NextStretch next,
                                                io::Workers& workers) {
  query.unreadable = unreadable_;
  TimeFound all;
  for (Offset behind = -1;;) {
    auto stretch = next(behind);
    if (!stretch) co_return fail(stretch.error());
    if (!*stretch) co_return all;
    behind = (*stretch)->segment;
    auto part = co_await io::run_on(
        workers, [stretch = **stretch, query] { return search_time(stretch, query); });
    if (!part) co_return fail(part.error());
    if (part->unreadable >= 0) unreadable_.add(part->unreadable);
    query.may_unpack -= std::min(query.may_unpack, part->unpacked);
    if (!all.latest || (part->latest && part->latest->timestamp > all.latest->timestamp)) {
      all.latest = part->latest;
    }
    all.record = part->record;
    if (all.record) co_return all;
  }
}

}  // namespace isthmus::broker
