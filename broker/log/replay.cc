#include "broker/log/replay.h"

#include <algorithm>

#include "broker/log/producer_snapshot.h"

namespace isthmus::broker {

namespace {

// A marker is some twenty bytes; another cluster may have packed it.
constexpr size_t max_marker_size = size_t{64} << 10;

}  // namespace

Result<std::optional<CompletedTxn>> replay(ProducerStates& producers,
                                           const kafka::BatchHeader& header, Bytes batch) {
  if (!header.is_control()) {
    producers.appended(header, -1);
    return std::nullopt;
  }
  auto control = control_in(batch);
  if (!control) return fail(control.error());
  if (control->is_gap) producers.allow_one_gap();
  if (!control->marker) return std::nullopt;
  return producers.appended_marker(header, *control->marker, -1);
}

namespace {

// Applies the batches in [from, end) of segments whose indexes are believed.
Result<void> replay_range(const std::vector<std::unique_ptr<Segment>>& segments, Offset from,
                          Offset end, ProducerStates& producers) {
  for (size_t i = 0; i < segments.size(); ++i) {
    const Segment& segment = *segments[i];
    if (segment.base() >= end) break;
    if (i + 1 < segments.size() && segments[i + 1]->base() <= from) continue;
    auto first = segment.find(from);
    if (!first) return fail(first.error());
    if (!*first) continue;
    auto file = segment.file();
    if (!file) return fail(file.error());
    FileScanner scanner(*file, (*first)->position, segment.size(), FileScanner::lookup_window);
    while (true) {
      auto found = scanner.next_header();
      if (!found) return fail(found.error());
      if (!*found || (*found)->header.base_offset >= end) break;
      const kafka::BatchHeader& header = (*found)->header;
      std::vector<uint8_t> bytes;
      if (header.is_control()) {
        bytes.resize(header.total_size());
        auto n = (*file)->read_at((*found)->position, bytes);
        if (!n) return fail(n.error());
      }
      if (auto done = replay(producers, header, bytes); !done) return fail(done.error());
    }
  }
  return {};
}

}  // namespace

Result<ProducerStates> rebuild_producers(FileCache& files, const std::string& folder,
                                         const std::vector<std::unique_ptr<Segment>>& segments,
                                         std::vector<Offset>& snapshots, Offset end) {
  ProducerStates producers;
  Offset from = segments.front()->base();
  while (!snapshots.empty()) {
    const Offset at = snapshots.back();
    const std::string path = Segment::path_of(folder, at, ".snapshot");
    if (at <= end) {
      auto bytes = io::read_whole(files.disk(), path);
      if (!bytes) return fail(bytes.error());
      auto states = decode_snapshot(*bytes, path);
      if (states) {
        producers = std::move(*states);
        from = at;
        break;
      }
    }
    if (auto done = files.disk().remove(path); !done) return fail(done.error());
    snapshots.pop_back();
  }
  auto done = replay_range(segments, from, end, producers);
  if (!done) return fail(done.error());
  return producers;
}

Result<std::shared_ptr<io::File>> write_snapshot(FileCache& files, const std::string& folder,
                                                 Offset at, const ProducerStates& states) {
  const std::string path = Segment::path_of(folder, at, ".snapshot");
  auto file = files.create(path);
  if (!file) return file;
  Result<void> done = (*file)->truncate(0);
  if (done) done = (*file)->append(encode_snapshot(states));
  if (done) return file;
  (void)files.disk().remove(path);
  return fail(done.error());
}

Result<kafka::ControlRecord> control_in(Bytes control_batch) {
  auto records = kafka::RecordReader::open(control_batch, max_marker_size);
  if (!records) return fail(records.error());
  kafka::Record record;
  if (!records->next(record)) {
    if (!records->ok()) return fail(records->error());
    return kafka::ControlRecord{};  // compaction may leave a batch without records
  }
  return kafka::read_control(record);
}

}  // namespace isthmus::broker
