#include "broker/log/recovery.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/log.h"
#include "broker/log/cut_bytes.h"
#include "broker/log/gap.h"
#include "broker/log/offset_order.h"
#include "broker/log/quarantine.h"
#include "broker/log/replay.h"
#include "broker/log/text_checkpoint.h"
#include "kafka/record_walk.h"

namespace isthmus::broker {

namespace {

// Of a batch whose header cannot be right about its timestamps.
constexpr size_t max_unpacked_at_start = size_t{1} << 20;

using Segments = std::vector<std::unique_ptr<Segment>>;

// What a folder holds, by name.
struct Found {
  std::vector<Offset> logs;
  std::vector<Offset> snapshots;
  bool cuts = false;
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
    found.cuts = found.cuts || is_cut(name);
    if (name.ends_with(".swap")) {
      return fail(Error::message(path + ": Kafka did not finish a compaction here; start and stop "
                                        "Kafka once on this directory, then carry it over"));
    }
    bool stale = name.ends_with(".tmp") || (name.ends_with(".cut") && !is_cut(name)) ||
                 name.ends_with(".cleaned") || name.ends_with(".deleted");
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
           const RecoveryHints& hints, SyncedEnd& synced)
      : files_(files), folder_(folder), config_(config), hints_(hints), synced_(synced) {}

  Result<RecoveredLog> run();

 private:
  struct Damage {
    uint64_t position;
    Offset offset;
    std::string why;
    bool older_format = false;  // a message set of Kafka before 0.11, not damaged at all
  };
  Result<void> open_segments(const std::vector<Offset>& bases);
  Result<bool> was_begun_in_vain(const Segment& segment) const;
  Result<bool> all_was_deleted() const;
  void find_known_end();
  // The index of the first segment to scan; segments.size() if all are believed.
  Result<size_t> first_to_scan();
  Result<bool> tail_is_good() const;
  Result<void> scan_from(size_t first);
  std::optional<Damage> end_of(size_t index, const Segment& next) const;
  Result<size_t> first_that_does_not_reach_the_next(size_t below) const;
  bool lost_its_tail(const Segment& segment, Offset end, const Segment& next) const;
  Result<std::optional<Damage>> scan(Segment& segment);
  Result<void> sync_scanned(Segment& segment);
  void save_snapshot();
  Result<void> sync_snapshots();
  Result<void> index(Segment& segment, const FoundBatch& batch);
  Result<void> settle(size_t damaged, const Damage& damage);
  Result<void> cut(size_t damaged, const Damage& damage);
  void keep_what_is_cut(size_t damaged, const Damage& damage);
  std::unexpected<Error> quarantine(Offset segment, const Damage& damage, const std::string& why);
  Result<void> drop_after(size_t last);
  bool may_cut_at(Offset offset) const {
    return gives_up_ && (hints_.cut_from < 0 || hints_.cut_from == offset);
  }

  FileCache& files_;
  const std::string& folder_;
  const LogConfig& config_;
  const RecoveryHints& hints_;
  SyncedEnd& synced_;
  RecoveredLog log_;
  Offset known_end_ = 0;
  bool gives_up_ = false;  // damage, on an operator's word or because others have it all
  OffsetOrder order_{0, false};
  size_t unindexed_ = SIZE_MAX;  // the first segment with a missing or damaged index
};

Result<void> Recovery::open_segments(const std::vector<Offset>& bases) {
  for (Offset base : bases) {
    auto segment = std::make_unique<Segment>(files_, folder_, base);
    if (auto done = segment->open_log(); !done) return done;
    const bool indexed = segment->open_indexes().has_value();
    auto vain = was_begun_in_vain(*segment);
    if (!vain) return fail(vain.error());
    if (*vain) {
      if (auto done = segment->remove(); !done) return done;
      continue;
    }
    if (!indexed) unindexed_ = std::min(unindexed_, log_.segments.size());
    log_.segments.push_back(std::move(segment));
  }
  auto deleted = all_was_deleted();
  if (!deleted) return fail(deleted.error());
  if (*deleted) {
    for (const auto& segment : log_.segments) {
      if (auto done = segment->remove(); !done) return done;
    }
    log_.segments.clear();
  }
  find_known_end();
  if (!log_.segments.empty()) return {};
  if (hints_.log_start < known_end_ && !may_cut_at(hints_.log_start)) {
    const std::string why =
        fmt::format("all segments are gone, which held offsets up to {}", known_end_);
    return quarantine(hints_.log_start, {0, hints_.log_start, why}, "they were synced");
  }
  log_.segments.push_back(std::make_unique<Segment>(files_, folder_, hints_.log_start));
  if (auto done = log_.segments.back()->create(); !done) return done;
  unindexed_ = SIZE_MAX;
  return files_.disk().sync_folder(folder_);
}

// Whether an empty segment begins below the end of the one before it: a roll found no room, and the
// power went before its removal was durable. It would hide what the one before has written since.
Result<bool> Recovery::was_begun_in_vain(const Segment& segment) const {
  if (segment.size() > 0 || log_.segments.empty()) return false;
  auto end = log_.segments.back()->end_offset();
  if (!end && end.error().kind == Error::Kind::io) return fail(end.error());
  return end && *end > segment.base();  // what is torn is cut, with all that follows
}

// Whether the start was moved above all that there is: nothing of it may be read again, and nothing
// that was synced is missing above it.
Result<bool> Recovery::all_was_deleted() const {
  if (log_.segments.empty() || hints_.log_start <= log_.segments.back()->base()) return false;
  if (synced_.known(hints_.recovery_point) > hints_.log_start) return false;
  auto end = log_.segments.back()->end_offset();
  if (!end && end.error().kind == Error::Kind::io) return fail(end.error());
  return end && *end < hints_.log_start;
}

void Recovery::find_known_end() {
  known_end_ = synced_.known(hints_.recovery_point);
  const bool in_order = config_.durability == Durability::fsync && synced_.trusts_names();
  const size_t count = log_.segments.size();
  if (in_order && count > 2 && !is_as_kafka_left_it(files_.disk(), folder_)) {
    known_end_ = std::max(known_end_, log_.segments[count - 2]->base());
  }
  order_ = OffsetOrder(known_end_, synced_.is_exact());
}

// Of those below, which a start believes: what was synced, a disk may have lost all the same. By
// the headers behind the last index entry; the scan finds what exactly is wrong.
Result<size_t> Recovery::first_that_does_not_reach_the_next(size_t below) const {
  for (size_t i = 0; i < below && i + 1 < log_.segments.size(); ++i) {
    const Segment& next = *log_.segments[i + 1];
    if (next.base() <= hints_.log_start) continue;
    auto end = log_.segments[i]->end_offset();
    if (!end && end.error().kind == Error::Kind::io) return fail(end.error());
    if (!end || *end > next.base() || lost_its_tail(*log_.segments[i], *end, next)) return i;
  }
  return below;
}

Result<size_t> Recovery::first_to_scan() {
  const size_t count = log_.segments.size();
  if (hints_.clean_shutdown && !gives_up_) {
    if (unindexed_ < count) return unindexed_;
    auto good = tail_is_good();
    if (!good) return fail(good.error());
    return *good ? count : count - 1;
  }
  size_t first = 0;
  if (gives_up_) return first;  // the damage may be in any place
  // A checkpoint from before a cut knows nothing of what was written since.
  const Offset point = std::min(hints_.recovery_point, synced_.known(hints_.recovery_point));
  while (first + 1 < count && log_.segments[first + 1]->base() < point) ++first;
  return std::min(first, unindexed_);
}

// A clean stop says that all was synced, not that the disk has kept it since. What is read last is
// read first: a look at the end of the log, which is what most consumers ask for.
Result<bool> Recovery::tail_is_good() const {
  constexpr uint64_t tail = FileScanner::sweep_window;
  const Segment& last = *log_.segments.back();
  auto file = last.file();
  if (!file) return fail(file.error());
  const uint64_t from = last.size() > tail ? last.size() - tail : 0;
  auto position = last.indexed_at_or_below(from);
  if (!position) return fail(position.error());
  FileScanner scanner(*file, *position, last.size(), FileScanner::sweep_window);
  Offset end = last.base();
  while (true) {
    auto found = scanner.next_batch();
    if (!found && found.error().kind == Error::Kind::io) return fail(found.error());
    if (!found) return false;
    if (!*found) return end == log_.segments.back()->end_offset();
    if ((*found)->header.base_offset < end) return false;
    end = (*found)->header.next_offset();
  }
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
  order_.begin_segment();
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
    if (const auto wrong = order_.judge(**found, log_.end, segment.base())) {
      return Damage{wrong->position, wrong->offset, wrong->why};
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

// Whether `segment`, which ends at `end`, once went on to where `next` begins.
bool Recovery::lost_its_tail(const Segment& segment, Offset end, const Segment& next) const {
  const Offset from = std::max(end, hints_.log_start);  // what lies below is nobody's to read
  if (next.base() <= from) return false;
  // Offsets that a mirror's source left out are inside a segment, but for those which are too many:
  // none was ever so long as to reach across.
  if (!segment.accepts(next.base() - 1)) return false;
  const Offset kafka_end = log_.epochs.kafka_end();
  const bool maybe_kafkas = kafka_end == EpochCache::not_known && config_.compact;
  return !maybe_kafkas && next.base() > kafka_end;
}

// What is wrong between the segment at `index`, which was scanned, and the next one.
std::optional<Recovery::Damage> Recovery::end_of(size_t index, const Segment& next) const {
  const Segment& segment = *log_.segments[index];
  if (lost_its_tail(segment, log_.end, next)) {
    return Damage{
        segment.size(), log_.end,
        fmt::format("it ends there, and the next segment begins at offset {}", next.base())};
  }
  const auto wrong = order_.judge_next(next.base(), log_.end);
  if (!wrong) return std::nullopt;
  return Damage{wrong->position, wrong->offset, wrong->why};
}

Result<void> Recovery::scan_from(size_t first) {
  for (size_t i = first; i < log_.segments.size(); ++i) {
    Segment& segment = *log_.segments[i];
    if (i > first) {
      if (auto damage = end_of(i - 1, segment)) return settle(i - 1, *damage);
    }
    log_.end = std::max(log_.end, segment.base());
    if (i > first) save_snapshot();
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

// As at a roll: without one, what is known of the producers would need the segments before this one
// for as long as the log lives. Where there is no room, it does.
void Recovery::save_snapshot() {
  if (!log_.snapshots.empty() && log_.snapshots.back() >= log_.end) return;
  if (write_snapshot(files_, folder_, log_.end, log_.producers)) {
    log_.snapshots.push_back(log_.end);
  }
}

// Those of a process that was killed may be in the page cache only.
Result<void> Recovery::sync_snapshots() {
  for (const Offset at : log_.snapshots) {
    auto file =
        files_.disk().open(Segment::path_of(folder_, at, ".snapshot"), io::Disk::Open::existing);
    if (!file) return fail(file.error());
    if (auto done = (*file)->sync_now(); !done) return done;
  }
  return {};
}

// Durable before anybody may forget what is known. Where the mark cannot be written, the next start
// finds the same again: the known end stays.
std::unexpected<Error> Recovery::quarantine(Offset segment, const Damage& damage,
                                            const std::string& why) {
  const Quarantine mark{.offset = damage.offset,
                        .segment = segment,
                        .position = damage.position,
                        .synced_end = known_end_,
                        .why = damage.why + "; " + why};
  if (auto done = write_quarantine(files_.disk(), folder_, mark); !done) {
    Logger(LogComponent::partitions, "log")
        .error("{}: its damage cannot be marked: {}", folder_, done.error().text);
  }
  return fail(quarantine_error(folder_, mark));
}

Result<void> Recovery::settle(size_t damaged, const Damage& damage) {
  const Segment& segment = *log_.segments[damaged];
  const bool is_readable_elsewhere = damage.older_format && hints_.cut_from < 0;
  if (may_cut_at(damage.offset) && !is_readable_elsewhere) return cut(damaged, damage);
  if (damage.older_format) {
    return fail(Error::corrupt(fmt::format(
        "{}: {} at position {}; only record batches can be carried over. Nothing was cut",
        segment.log_path(), damage.why, damage.position)));
  }
  if (damage.offset < known_end_) {
    return quarantine(segment.base(), damage,
                      fmt::format("everything below offset {} was synced", known_end_));
  }
  if (hints_.clean_shutdown) {
    return quarantine(segment.base(), damage, "it was stopped cleanly");
  }
  return cut(damaged, damage);
}

Result<void> Recovery::cut(size_t damaged, const Damage& damage) {
  Segment& segment = *log_.segments[damaged];
  keep_what_is_cut(damaged, damage);
  if (damage.offset < known_end_) {
    if (auto done = synced_.settle(damage.offset); !done) return done;
    known_end_ = damage.offset;
  }
  log_.report.bytes_cut += segment.size() - damage.position;
  if (auto done = drop_after(damaged); !done) return done;
  if (auto done = segment.truncate(damage.position, damage.offset); !done) return done;
  if (damage.offset < log_.end) {
    // Batches were taken in before it was seen that their offsets are wrong.
    log_.end = damage.offset;
    log_.epochs.truncate_end(log_.end);
    auto producers = rebuild_producers(files_, folder_, log_.segments, log_.snapshots, log_.end);
    if (!producers) return fail(producers.error());
    log_.producers = std::move(*producers);
  }
  return sync_scanned(segment);
}

// As far as the disk has room: a start does not fail for records that nobody was promised.
void Recovery::keep_what_is_cut(size_t damaged, const Damage& damage) {
  CutBytes bytes(files_, folder_, damage.offset);
  for (size_t i = damaged; i < log_.segments.size(); ++i) {
    auto done = bytes.add(log_.segments[i]->log_path(), i == damaged ? damage.position : 0);
    if (!done)
      Logger(LogComponent::partitions, "log")
          .warn("{}: cut without a copy: {}", folder_, done.error().text);
  }
  auto path = bytes.keep();
  if (path) {
    log_.report.cut_file = *path;
    log_.report.has_cuts = log_.report.has_cuts || !path->empty();
  } else {
    Logger(LogComponent::partitions, "log")
        .warn("{}: cut without a copy: {}", folder_, path.error().text);
  }
}

// Segments after the damaged one hold nothing good, and would leave a hole in the offsets.
Result<void> Recovery::drop_after(size_t last) {
  while (log_.segments.size() > last + 1) {
    log_.report.bytes_cut += log_.segments.back()->size();
    if (auto done = log_.segments.back()->remove(); !done) return done;
    log_.segments.pop_back();
  }
  return files_.disk().sync_folder(folder_);
}

Result<RecoveredLog> Recovery::run() {
  auto mark = read_quarantine(files_.disk(), folder_);
  if (!mark) return fail(mark.error());
  gives_up_ = hints_.cut_from >= 0 || (*mark && hints_.others_have_all);
  if (*mark && !gives_up_) return fail(quarantine_error(folder_, **mark));
  if (auto done = synced_.load(); !done) return fail(done.error());
  auto found = look_around(files_.disk(), folder_);
  if (!found) return fail(found.error());
  log_.snapshots = found->snapshots;
  log_.report.has_cuts = found->cuts;
  auto epochs = load_epochs(files_.disk(), folder_, config_.cluster);
  if (!epochs) return fail(epochs.error());
  log_.epochs = std::move(*epochs);
  auto filled = fill_old_gaps(files_, folder_, log_.epochs, found->logs, found->snapshots);
  if (!filled) return fail(filled.error());
  if (auto done = open_segments(found->logs); !done) return fail(done.error());

  auto first = first_to_scan();
  if (first) first = first_that_does_not_reach_the_next(*first);
  if (!first) return fail(first.error());
  const bool scanning = *first < log_.segments.size();
  if (scanning) {
    log_.end = log_.segments[*first]->base();
  } else {
    auto end = log_.segments.back()->end_offset();
    if (!end) return fail(end.error());
    log_.end = *end;
  }
  auto producers = rebuild_producers(files_, folder_, log_.segments, log_.snapshots, log_.end);
  if (!producers) return fail(producers.error());
  log_.producers = std::move(*producers);
  if (scanning) {
    if (auto done = scan_from(*first); !done) return fail(done.error());
    if (auto done = sync_snapshots(); !done) return fail(done.error());
    if (auto done = files_.disk().sync_folder(folder_); !done) return fail(done.error());
  }
  if (log_.end < known_end_) {
    const Damage gone{log_.segments.back()->size(), log_.end, "the log ends there"};
    if (auto done = settle(log_.segments.size() - 1, gone); !done) return fail(done.error());
  }
  if (hints_.cut_from >= 0) {
    if (log_.end != hints_.cut_from) {
      return fail(fmt::format("{}: nothing is damaged at offset {}", folder_, hints_.cut_from));
    }
  }
  if (auto done = log_.segments.back()->activate(); !done) return fail(done.error());

  log_.start = std::min(log_.end, std::max(hints_.log_start, log_.segments.front()->base()));
  log_.epochs.truncate_end(log_.end);
  log_.epochs.truncate_start(log_.start);
  if (log_.epochs.kafka_end() == EpochCache::not_known) {
    log_.epochs.set_kafka_end(config_.compact ? log_.end : 0);
  }
  log_.report.end_offset = log_.end;
  // The last thing that is written: a broker that runs opens the folder as soon as it is gone.
  if (gives_up_) {
    if (auto done = remove_quarantine(files_.disk(), folder_); !done) return fail(done.error());
  }
  return std::move(log_);
}

}  // namespace

Result<RecoveredLog> recover_log(FileCache& files, const std::string& folder,
                                 const LogConfig& config, const RecoveryHints& hints,
                                 SyncedEnd& synced) {
  return Recovery(files, folder, config, hints, synced).run();
}

}  // namespace isthmus::broker
