#include "broker/repair/diagnosis.h"

#include <fmt/format.h>

#include <algorithm>

#include "broker/log/epochs.h"
#include "broker/log/offset_order.h"
#include "broker/log/segment.h"
#include "broker/log/synced_end.h"
#include "broker/log/text_checkpoint.h"

namespace isthmus::broker {

namespace {

using SharedFile = std::shared_ptr<io::File>;

Result<std::vector<Offset>> segments_in(io::Disk& disk, const std::string& folder) {
  constexpr size_t digits = 20;
  auto names = disk.list(folder);
  if (!names) return fail(names.error());
  std::vector<Offset> bases;
  for (const std::string& name : *names) {
    if (name.size() != digits + 4 || !name.ends_with(".log")) continue;
    auto base = parse_number<Offset>(std::string_view(name).substr(0, digits), {});
    if (base) bases.push_back(*base);
  }
  return bases;  // names are sorted, and have as many digits each
}

class Examination {
 public:
  Examination(FileCache& files, const std::string& folder, const RecoveryHints& hints,
              Durability durability)
      : files_(files),
        folder_(folder),
        hints_(hints),
        durability_(durability),
        synced_(files, SyncedEnd::path_in(folder)) {}

  Result<Diagnosis> run();

 private:
  Result<SharedFile> open(Offset base) {
    return files_.open(Segment::path_of(folder_, base, ".log"));
  }
  // False where damage begins.
  Result<bool> walk(Offset base);
  bool follows(Offset base);
  void blame(Offset segment, uint64_t position, Offset offset, std::string why);
  Result<void> look_behind();
  Result<void> look_behind(Offset base, const SharedFile& file, uint64_t from);
  Result<std::optional<FoundBatch>> next_good(const SharedFile& file, uint64_t from) const;
  void note(Offset base, const FoundBatch& batch);

  FileCache& files_;
  const std::string& folder_;
  const RecoveryHints& hints_;
  const Durability durability_;
  SyncedEnd synced_;
  std::vector<Offset> bases_;
  EpochCache epochs_;
  OffsetOrder order_{0, false};
  Diagnosis found_;
  Offset next_behind_ = 0;  // no batch behind the damage may begin below
};

void Examination::blame(Offset segment, uint64_t position, Offset offset, std::string why) {
  found_.end = offset;
  found_.damage = Quarantine{.offset = offset,
                             .segment = segment,
                             .position = position,
                             .synced_end = found_.known_end,
                             .why = std::move(why)};
}

// Whether the segment of this base follows what was walked; else the damage is noted.
bool Examination::follows(Offset base) {
  const auto ends_here = [base](const auto& gap) { return gap.second == base; };
  if (base == found_.end || std::ranges::any_of(epochs_.old_gaps(), ends_here)) return true;
  const Offset before = *std::prev(std::ranges::lower_bound(bases_, base));
  if (const auto wrong = order_.judge_next(base, found_.end)) {
    blame(before, wrong->position, wrong->offset, wrong->why);
    return false;
  }
  const Offset kafka_end = epochs_.kafka_end();
  const bool marked = found_.mark && found_.mark->offset == found_.end;
  if (base <= std::max(kafka_end, found_.start)) return true;
  if (base < found_.end || (kafka_end == EpochCache::not_known && !marked)) return true;
  if (base - 1 - before > INT32_MAX) return true;  // wider than any segment
  auto file = open(before);
  blame(before, file ? (*file)->size() : 0, found_.end,
        fmt::format("it ends there, and the next segment begins at offset {}", base));
  return false;
}

Result<bool> Examination::walk(Offset base) {
  auto file = open(base);
  if (!file) return fail(file.error());
  FileScanner scanner(*file, 0, (*file)->size(), FileScanner::sweep_window);
  order_.begin_segment();
  found_.end = std::max(found_.end, base);
  while (true) {
    const uint64_t position = scanner.position();
    auto batch = scanner.next_batch();
    if (!batch && batch.error().kind == Error::Kind::io) return fail(batch.error());
    if (!batch) {
      blame(base, position, found_.end, batch.error().text);
      return false;
    }
    if (!*batch) return true;
    if (const auto wrong = order_.judge(**batch, found_.end, base)) {
      blame(base, wrong->position, wrong->offset, wrong->why);
      return false;
    }
    found_.end = (*batch)->header.next_offset();
    found_.records += (*batch)->header.record_count;
    found_.last_epoch = (*batch)->header.partition_leader_epoch;
    found_.highest_epoch = std::max(found_.highest_epoch, found_.last_epoch);
  }
}

// The next good batch at or behind `from`: where the bad one would end, if that is one; else at any
// byte.
Result<std::optional<FoundBatch>> Examination::next_good(const SharedFile& file,
                                                         uint64_t from) const {
  const uint64_t size = file->size();
  const auto good_at = [&](uint64_t at) -> std::optional<FoundBatch> {
    if (at >= size) return std::nullopt;
    FileScanner scanner(file, at, size, FileScanner::lookup_window);
    auto batch = scanner.next_batch();
    if (!batch || !*batch || (*batch)->header.base_offset < next_behind_) return std::nullopt;
    (*batch)->bytes = {};  // they were the scanner's
    return *batch;
  };
  if (auto here = good_at(from)) return here;
  FileScanner bad(file, from, size, FileScanner::lookup_window);
  if (auto header = bad.next_header(); header && *header) {
    if (auto behind = good_at(bad.position())) return behind;
  }
  return FileScanner::search(file, from + 1, size, next_behind_);
}

void Examination::note(Offset base, const FoundBatch& batch) {
  const kafka::BatchHeader& header = batch.header;
  next_behind_ = header.next_offset();
  found_.highest_epoch = std::max(found_.highest_epoch, header.partition_leader_epoch);
  Stretch* last = found_.behind.empty() ? nullptr : &found_.behind.back();
  const bool joins = last != nullptr && last->segment == base &&
                     last->position + last->bytes == batch.position &&
                     last->last + 1 == header.base_offset;
  if (!joins) {
    last = &found_.behind.emplace_back();
    *last = {.segment = base, .position = batch.position, .first = header.base_offset};
  }
  last->bytes += header.total_size();
  last->last = header.last_offset();
  last->batches += 1;
  last->records += header.record_count;
}

Result<void> Examination::look_behind(Offset base, const SharedFile& file, uint64_t from) {
  while (from < file->size()) {
    auto batch = next_good(file, from);
    if (!batch) return fail(batch.error());
    if (!*batch) return {};
    note(base, **batch);
    from = (*batch)->end_position();
  }
  return {};
}

Result<void> Examination::look_behind() {
  next_behind_ = found_.damage->offset;
  for (Offset base : bases_) {
    if (base < found_.damage->segment) continue;
    auto file = open(base);
    if (!file) return fail(file.error());
    const uint64_t from = base == found_.damage->segment ? found_.damage->position : 0;
    if (auto done = look_behind(base, *file, from); !done) return done;
  }
  return {};
}

Result<Diagnosis> Examination::run() {
  auto mark = read_quarantine(files_.disk(), folder_);
  if (!mark) return fail(mark.error());
  found_.mark = *mark;
  if (auto done = synced_.load(); !done) return fail(done.error());
  auto bases = segments_in(files_.disk(), folder_);
  if (!bases) return fail(bases.error());
  bases_ = std::move(*bases);
  auto epochs = load_epochs(files_.disk(), folder_, 0);
  if (!epochs) return fail(epochs.error());
  epochs_ = std::move(*epochs);
  found_.highest_epoch = epochs_.latest();
  found_.known_end = synced_.known(hints_.recovery_point);
  if (*mark) found_.known_end = std::max(found_.known_end, (*mark)->synced_end);
  const bool in_order = durability_ == Durability::fsync && bases_.size() > 2 &&
                        synced_.trusts_names() && !is_as_kafka_left_it(files_.disk(), folder_);
  if (in_order) found_.known_end = std::max(found_.known_end, bases_[bases_.size() - 2]);
  order_ = OffsetOrder(found_.known_end, synced_.is_exact());
  found_.end = bases_.empty() ? hints_.log_start : bases_.front();
  found_.start = std::max(hints_.log_start, found_.end);
  for (Offset base : bases_) {
    if (!follows(base)) break;
    auto whole = walk(base);
    if (!whole) return fail(whole.error());
    if (!*whole) break;
  }
  // All of it was deleted.
  const bool is_empty = found_.last_epoch < 0 && found_.end > 0;
  if (is_empty) found_.last_epoch = epochs_.epoch_of(found_.end - 1);
  if (!found_.damage && found_.end < found_.known_end) {
    const Offset last = bases_.empty() ? found_.end : bases_.back();
    auto file = open(last);
    blame(last, file ? (*file)->size() : 0, found_.end, "the log ends there");
  }
  // A torn tail that the next start cuts by itself.
  const bool torn = found_.damage && !found_.mark && found_.damage->offset >= found_.known_end &&
                    !hints_.clean_shutdown;
  if (torn) found_.damage.reset();
  if (found_.damage) {
    if (auto done = look_behind(); !done) return fail(done.error());
  }
  return std::move(found_);
}

}  // namespace

Offset Diagnosis::lost_end() const {
  return std::max({end, known_end, behind.empty() ? end : behind.back().last + 1});
}

int64_t Diagnosis::readable() const {
  int64_t sum = 0;
  for (const Stretch& stretch : behind) sum += stretch.records;
  return sum;
}

Result<Diagnosis> diagnose(FileCache& files, const std::string& folder, const RecoveryHints& hints,
                           Durability durability) {
  return Examination(files, folder, hints, durability).run();
}

Result<void> export_batches(FileCache& files, const std::string& folder, const Diagnosis& found,
                            const std::string& path) {
  io::Disk& disk = files.disk();
  if (disk.exists(path)) return fail(path + " is there already: name another with --export");
  auto out = disk.open(path, io::Disk::Open::create);
  if (!out) return fail(out.error());
  std::vector<uint8_t> block(FileScanner::sweep_window);
  for (const Stretch& stretch : found.behind) {
    auto source = files.open(Segment::path_of(folder, stretch.segment, ".log"));
    if (!source) return fail(source.error());
    for (uint64_t done = 0; done < stretch.bytes;) {
      const auto part = std::min<uint64_t>(block.size(), stretch.bytes - done);
      auto n = (*source)->read_at(stretch.position + done, MutableBytes(block).first(part));
      if (!n) return fail(n.error());
      if (*n == 0) return fail(Error::corrupt(folder + ": shorter than it was"));
      if (auto ok = (*out)->append(Bytes(block).first(*n)); !ok) return ok;
      done += *n;
    }
  }
  if (auto ok = (*out)->sync_now(); !ok) return ok;
  return disk.sync_folder(io::parent_of(path));
}

}  // namespace isthmus::broker
