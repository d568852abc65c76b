#include "broker/log/recovery.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "broker/log/producer_snapshot.h"
#include "broker/log/text_checkpoint.h"
#include "kafka/record_walk.h"

namespace isthmus::broker {

namespace {

// Of a batch whose header cannot be right about its timestamps.
constexpr size_t max_unpacked_at_start = size_t{1} << 20;
// A marker is some twenty bytes; another cluster may have packed it.
constexpr size_t max_marker_size = size_t{64} << 10;

using Segments = std::vector<std::unique_ptr<Segment>>;

// What a folder holds, by name.
struct Found {
  std::vector<Offset> logs;
  std::vector<Offset> snapshots;
};

// The offset that a file is named after; nothing for other names.
std::optional<Offset> offset_in(std::string_view name, std::string_view suffix) {
  if (!name.ends_with(suffix)) return std::nullopt;
  name.remove_suffix(suffix.size());
  if (name.size() != 20) return std::nullopt;
  auto offset = parse_number<Offset>(name, {});
  if (!offset) return std::nullopt;
  return *offset;
}

// Lists the folder, and sweeps away what a crash has left half done.
Result<Found> look_around(io::Disk& disk, const std::string& folder) {
  auto names = disk.list(folder);
  if (!names) return fail(names.error());
  const std::set<std::string> all(names->begin(), names->end());
  Found found;
  for (const std::string& name : *names) {
    const std::string path = folder + "/" + name;
    if (name.ends_with(".swap")) {
      return fail(Error::message(path + ": Kafka did not finish a compaction here; start and stop "
                                        "Kafka once on this directory, then carry it over"));
    }
    bool stale = name.ends_with(".tmp") || name.ends_with(".cut") || name.ends_with(".cleaned") ||
                 name.ends_with(".deleted");
    for (std::string_view suffix : {".index", ".timeindex", ".txnindex"}) {
      if (!offset_in(name, suffix)) continue;
      stale = stale || !all.contains(name.substr(0, 20) + ".log");
    }
    if (stale) {
      if (auto done = disk.remove(path); !done) return fail(done.error());
    }
    if (const auto offset = offset_in(name, ".log")) found.logs.push_back(*offset);
    if (const auto offset = offset_in(name, ".snapshot")) found.snapshots.push_back(*offset);
  }
  return found;
}

// Applies one batch that is in the log to the producer states.
Result<std::optional<CompletedTxn>> replay(ProducerStates& producers,
                                           const kafka::BatchHeader& header, Bytes batch) {
  if (!header.is_control()) {
    producers.appended(header, -1);
    return std::nullopt;
  }
  auto marker = marker_of(batch);
  if (!marker) return fail(marker.error());
  if (!*marker) return std::nullopt;
  return producers.appended_marker(header, **marker, -1);
}

// Applies the batches in [from, end) of segments whose indexes are believed, and the gaps between.
Result<void> replay_range(const Segments& segments, const EpochCache& epochs, Offset from,
                          Offset end, ProducerStates& producers) {
  Offset seen = from;
  const auto go_on_at = [&](Offset base) {
    if (epochs.gap_ends_in(seen, base)) producers.allow_one_gap();
    seen = std::max(seen, base);
  };
  for (size_t i = 0; i < segments.size(); ++i) {
    const Segment& segment = *segments[i];
    if (segment.base() >= end) break;
    if (i + 1 < segments.size() && segments[i + 1]->base() <= from) continue;
    go_on_at(segment.base());
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
  go_on_at(end);
  return {};
}

// Whether a message of format 0 or 1 begins here, rather than a torn batch: its lengths add up.
// offset int64, length int32, CRC int32, magic int8, attributes int8, timestamp int64 (format 1),
// key (int32 length), value (int32 length)
bool is_message_set(const ReadableFile& file, uint64_t position, uint64_t end) {
  const auto number_at = [&](uint64_t at) -> int64_t {
    uint8_t bytes[4];
    auto n = file.read_at(at, bytes);
    return n && *n == sizeof bytes ? load_be<int32_t>(bytes) : -2;
  };
  uint8_t magic[1];
  auto n = file.read_at(position + 16, magic);
  if (!n || *n < 1) return false;
  const uint64_t key_at = position + 18 + (magic[0] == 1 ? 8 : 0);
  const int64_t key = number_at(key_at);
  if (key < -1) return false;
  const uint64_t value_at = key_at + 4 + static_cast<uint64_t>(std::max<int64_t>(key, 0));
  const int64_t value = number_at(value_at);
  if (value < -1) return false;
  const uint64_t message_end = value_at + 4 + static_cast<uint64_t>(std::max<int64_t>(value, 0));
  const int64_t length = number_at(position + 8);
  return length > 0 && message_end == position + 12 + static_cast<uint64_t>(length) &&
         message_end <= end;
}

class Recovery {
 public:
  Recovery(FileCache& files, const std::string& folder, const LogConfig& config,
           const RecoveryHints& hints)
      : files_(files), folder_(folder), config_(config), hints_(hints) {}

  Result<RecoveredLog> run();

 private:
  struct Damage {
    uint64_t position;
    Offset offset;
    std::string why;
    bool older_format = false;  // a message set of Kafka before 0.11, not damaged at all
  };

  Result<void> open_segments(const std::vector<Offset>& bases);
  // The index of the first segment to scan; segments.size() if all are believed.
  size_t first_to_scan();
  Result<void> scan_from(size_t first);
  bool lost_its_tail(const Segment& segment, const Segment& next) const;
  Result<std::optional<Damage>> scan(Segment& segment);
  Result<void> sync_scanned(Segment& segment);
  Result<void> index(Segment& segment, const FoundBatch& batch);
  Result<void> settle(size_t damaged, const Damage& damage);
  Result<std::optional<std::string>> good_batch_after(size_t damaged, const Damage& damage);
  Error corruption(const Segment& segment, const Damage& damage, const std::string& why) const;
  Result<void> drop_after(size_t last);

  FileCache& files_;
  const std::string& folder_;
  const LogConfig& config_;
  const RecoveryHints& hints_;
  RecoveredLog log_;
  size_t unindexed_ = SIZE_MAX;  // the first segment with a missing or damaged index
};

Result<void> Recovery::open_segments(const std::vector<Offset>& bases) {
  for (Offset base : bases) {
    auto segment = std::make_unique<Segment>(files_, folder_, base);
    if (auto done = segment->open_log(); !done) return done;
    if (auto done = segment->open_indexes(); !done) {
      unindexed_ = std::min(unindexed_, log_.segments.size());
    }
    log_.segments.push_back(std::move(segment));
  }
  // The start was moved above all that there is: nothing of it may be read again.
  if (!log_.segments.empty() && hints_.log_start > log_.segments.back()->base()) {
    auto end = log_.segments.back()->end_offset();
    if (end && *end < hints_.log_start) {
      for (const auto& segment : log_.segments) {
        if (auto done = segment->remove(); !done) return done;
      }
      log_.segments.clear();
    }
  }
  if (log_.segments.empty()) {
    log_.segments.push_back(std::make_unique<Segment>(files_, folder_, hints_.log_start));
    if (auto done = log_.segments.back()->create(); !done) return done;
    if (auto done = files_.disk().sync_folder(folder_); !done) return done;
    unindexed_ = SIZE_MAX;
  }
  return {};
}

size_t Recovery::first_to_scan() {
  if (hints_.clean_shutdown) return std::min(unindexed_, log_.segments.size());
  size_t first = 0;
  while (first + 1 < log_.segments.size() &&
         log_.segments[first + 1]->base() <= hints_.recovery_point) {
    ++first;
  }
  return std::min(first, unindexed_);
}

Result<void> Recovery::index(Segment& segment, const FoundBatch& batch) {
  kafka::BatchHeader header = batch.header;
  header.max_timestamp = kafka::largest_timestamp(batch.bytes, header, max_unpacked_at_start);
  const auto interval = static_cast<size_t>(config_.index_interval_bytes);
  if (auto done = segment.index_batch(header, batch.position, interval); !done) return done;
  if (header.partition_leader_epoch > log_.epochs.latest()) {
    log_.epochs.assign(header.partition_leader_epoch, header.base_offset, config_.cluster);
  }
  auto completed = replay(log_.producers, header, batch.bytes);
  if (!completed) return fail(completed.error());
  if (*completed && (*completed)->aborted) {
    const CompletedTxn& txn = **completed;
    auto noted = segment.txns().append(
        {txn.producer_id, txn.first_offset, txn.last_offset, txn.last_stable_offset});
    if (!noted) return fail(noted.error());
  }
  log_.end = header.next_offset();
  return {};
}

Result<std::optional<Recovery::Damage>> Recovery::scan(Segment& segment) {
  ++log_.report.segments_scanned;
  if (auto done = segment.offsets().reset(); !done) return fail(done.error());
  if (auto done = segment.times().reset(); !done) return fail(done.error());
  if (auto done = segment.txns().reset(); !done) return fail(done.error());
  auto file = segment.file();
  if (!file) return fail(file.error());
  FileScanner scanner(*file, 0, segment.size(), FileScanner::sweep_window);
  while (true) {
    const uint64_t position = scanner.position();
    auto found = scanner.next_batch();
    if (!found && found.error().kind == Error::Kind::io) return fail(found.error());
    if (!found) {
      const bool older = found.error().kind == Error::Kind::kafka &&
                         is_message_set(**file, position, segment.size());
      return Damage{position, log_.end, found.error().text, older};
    }
    if (!*found) break;
    const kafka::BatchHeader& header = (*found)->header;
    if (header.base_offset < log_.end || !segment.accepts(header.last_offset())) {
      return Damage{position, log_.end,
                    fmt::format("a batch of offset {}, expected {}", header.base_offset, log_.end)};
    }
    if (auto done = index(segment, **found); !done) return fail(done.error());
  }
  if (auto done = sync_scanned(segment); !done) return fail(done.error());
  return std::nullopt;
}

// What was read may still be in the page cache alone, from before a crash of the process.
Result<void> Recovery::sync_scanned(Segment& segment) {
  auto file = segment.file();
  if (!file) return fail(file.error());
  if (auto done = (*file)->sync_now(); !done) return done;
  auto indexes = segment.finish_indexes();
  if (!indexes) return fail(indexes.error());
  for (const auto& index_file : *indexes) {
    if (auto done = index_file->sync_now(); !done) return done;
  }
  return {};
}

// Whether `segment`, which was scanned, once went on to where `next` begins.
bool Recovery::lost_its_tail(const Segment& segment, const Segment& next) const {
  if (next.base() <= log_.end || log_.epochs.is_gap(log_.end, next.base())) return false;
  // Records that a compaction took, at the source or in Kafka's time here, leave gaps as well. What
  // is synced is whole, and no segment was ever so long as to reach across a wider one.
  if (log_.end < hints_.recovery_point || !segment.accepts(next.base() - 1)) return false;
  return !is_as_kafka_left_it(files_.disk(), folder_);
}

Result<void> Recovery::scan_from(size_t first) {
  for (size_t i = first; i < log_.segments.size(); ++i) {
    Segment& segment = *log_.segments[i];
    if (i > first && lost_its_tail(*log_.segments[i - 1], segment)) {
      const std::string why =
          fmt::format("it ends there, and the next segment begins at offset {}", segment.base());
      return settle(i - 1, {log_.segments[i - 1]->size(), log_.end, why});
    }
    if (log_.epochs.gap_ends_in(log_.end, segment.base())) log_.producers.allow_one_gap();
    log_.end = std::max(log_.end, segment.base());
    // Build the indexes of a segment object that has seen nothing yet.
    auto fresh = std::make_unique<Segment>(files_, folder_, segment.base());
    if (auto done = fresh->open_log(); !done) return done;
    log_.segments[i] = std::move(fresh);
    auto damage = scan(*log_.segments[i]);
    if (!damage) return fail(damage.error());
    if (*damage) return settle(i, **damage);
  }
  return {};
}

Error Recovery::corruption(const Segment& segment, const Damage& damage,
                           const std::string& why) const {
  return Error::corrupt(fmt::format(
      "{}: damaged at position {}, offset {} ({}); {}. Nothing was cut. If another replica holds "
      "this partition, remove its folder here and it is fetched again; if none does, everything "
      "from offset {} on must be given up: allow the cut at that offset",
      segment.log_path(), damage.position, damage.offset, damage.why, why, damage.offset));
}

// Says where, if there is one.
Result<std::optional<std::string>> Recovery::good_batch_after(size_t damaged,
                                                              const Damage& damage) {
  // Without syncs in between, a later segment may have reached the disk before an earlier one.
  const bool in_order = config_.durability == Durability::fsync;
  const size_t end = in_order ? log_.segments.size() : damaged + 1;
  for (size_t i = damaged; i < end; ++i) {
    auto file = log_.segments[i]->file();
    if (!file) return fail(file.error());
    const uint64_t from = i == damaged ? damage.position + 1 : 0;
    auto found = FileScanner::search(*file, from, log_.segments[i]->size(), damage.offset);
    if (!found) return fail(found.error());
    if (*found) {
      return fmt::format("a good batch of offset {} follows at position {} of {}",
                         (*found)->header.base_offset, (*found)->position,
                         log_.segments[i]->log_path());
    }
  }
  return std::nullopt;
}

Result<void> Recovery::settle(size_t damaged, const Damage& damage) {
  Segment& segment = *log_.segments[damaged];
  if (damage.offset != hints_.cut_from) {
    if (damage.older_format) {
      return fail(corruption(segment, damage, "only record batches can be carried over"));
    }
    if (hints_.clean_shutdown) {
      return fail(corruption(segment, damage, "it was stopped cleanly"));
    }
    if (damage.offset < hints_.recovery_point) {
      return fail(
          corruption(segment, damage,
                     fmt::format("everything below offset {} was synced", hints_.recovery_point)));
    }
    auto after = good_batch_after(damaged, damage);
    if (!after) return fail(after.error());
    if (*after) return fail(corruption(segment, damage, **after));
  }
  log_.report.bytes_cut += segment.size() - damage.position;
  if (auto done = drop_after(damaged); !done) return done;
  if (auto done = segment.truncate(damage.position, damage.offset); !done) return done;
  return sync_scanned(segment);
}

// Segments after the damaged one hold nothing good, and would leave a gap of offsets.
Result<void> Recovery::drop_after(size_t last) {
  while (log_.segments.size() > last + 1) {
    log_.report.bytes_cut += log_.segments.back()->size();
    if (auto done = log_.segments.back()->remove(); !done) return done;
    log_.segments.pop_back();
  }
  return files_.disk().sync_folder(folder_);
}

Result<RecoveredLog> Recovery::run() {
  auto found = look_around(files_.disk(), folder_);
  if (!found) return fail(found.error());
  log_.snapshots = found->snapshots;
  if (auto done = open_segments(found->logs); !done) return fail(done.error());
  auto epochs = load_epochs(files_.disk(), folder_, config_.cluster);
  if (!epochs) return fail(epochs.error());
  log_.epochs = std::move(*epochs);

  const size_t first = first_to_scan();
  const bool scanning = first < log_.segments.size();
  if (scanning) {
    log_.end = log_.segments[first]->base();
  } else {
    auto end = log_.segments.back()->end_offset();
    if (!end) return fail(end.error());
    log_.end = *end;
  }
  auto producers =
      rebuild_producers(files_, folder_, log_.segments, log_.snapshots, log_.epochs, log_.end);
  if (!producers) return fail(producers.error());
  log_.producers = std::move(*producers);
  if (scanning) {
    if (auto done = scan_from(first); !done) return fail(done.error());
    if (auto done = files_.disk().sync_folder(folder_); !done) return fail(done.error());
  }
  if (auto done = log_.segments.back()->activate(); !done) return fail(done.error());

  log_.start = std::max(hints_.log_start, log_.segments.front()->base());
  log_.epochs.truncate_end(log_.end);
  log_.epochs.truncate_start(log_.start);
  log_.report.end_offset = log_.end;
  if (!hints_.clean_shutdown) {
    log_.report.missing = std::max<Offset>(0, hints_.recovery_point - log_.end);
  }
  return std::move(log_);
}

}  // namespace

Result<RecoveredLog> recover_log(FileCache& files, const std::string& folder,
                                 const LogConfig& config, const RecoveryHints& hints) {
  return Recovery(files, folder, config, hints).run();
}

Result<ProducerStates> rebuild_producers(FileCache& files, const std::string& folder,
                                         const std::vector<std::unique_ptr<Segment>>& segments,
                                         std::vector<Offset>& snapshots, const EpochCache& epochs,
                                         Offset end) {
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
        from = at;  // maybe in the gap before the first segment
        break;
      }
    }
    if (auto done = files.disk().remove(path); !done) return fail(done.error());
    snapshots.pop_back();
  }
  auto done = replay_range(segments, epochs, from, end, producers);
  if (!done) return fail(done.error());
  return producers;
}

Result<std::optional<kafka::EndTransactionMarker>> marker_of(Bytes control_batch) {
  auto records = kafka::RecordReader::open(control_batch, max_marker_size);
  if (!records) return fail(records.error());
  kafka::Record record;
  if (!records->next(record)) {
    if (!records->ok()) return fail(records->error());
    return std::nullopt;  // compaction may leave a batch without records
  }
  return kafka::read_marker(record);
}

}  // namespace isthmus::broker
