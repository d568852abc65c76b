#include "broker/log/segment.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"

namespace isthmus::broker {

Segment::Segment(FileCache& files, const std::string& folder, Offset base)
    : files_(&files),
      folder_(folder),
      base_(base),
      offsets_(files, path_of(folder, base, ".index")),
      times_(files, path_of(folder, base, ".timeindex")),
      txns_(files, path_of(folder, base, ".txnindex")) {}

std::string Segment::path_of(const std::string& folder, Offset offset, std::string_view suffix) {
  return fmt::format("{}/{:020}{}", folder, offset, suffix);
}

Result<void> Segment::create() {
  auto file = files_->create(log_path());
  if (!file) return fail(file.error());
  if (auto done = (*file)->truncate(0); !done) return done;
  if (auto done = offsets_.reset(); !done) return done;
  if (auto done = times_.reset(); !done) return done;
  return txns_.reset();
}

Result<void> Segment::open_log() {
  auto file = files_->open(log_path());
  if (!file) return fail(file.error());
  size_ = (*file)->size();
  return {};
}

Result<void> Segment::open_indexes() {
  if (auto done = offsets_.load(); !done) return done;
  if (auto done = times_.load(); !done) return done;
  if (auto done = txns_.load(); !done) return done;
  auto last_time = times_.last();
  if (!last_time) return fail(last_time.error());
  if (*last_time) {
    max_timestamp_ = (*last_time)->timestamp;
    max_timestamp_offset_ = base_ + (*last_time)->relative_offset;
  }
  auto last_offset = offsets_.last();
  if (!last_offset) return fail(last_offset.error());
  const uint64_t indexed =
      *last_offset ? static_cast<uint64_t>(std::max(0, (*last_offset)->position)) : 0;
  // No batch begins there: a power loss took the records and left their entries.
  if (*last_offset && indexed >= size_) {
    return fail(Error::corrupt(fmt::format("{}: points to position {}, {} has {} bytes",
                                           offsets_.path(), indexed, log_path(), size_)));
  }
  unindexed_bytes_ = size_ - indexed;
  return {};
}

Result<std::shared_ptr<io::File>> Segment::file() const {
  if (active_) return active_;
  return files_->open(log_path());
}

Result<void> Segment::move_to(FileCache& files) {
  files_ = &files;
  offsets_.move_to(files);
  times_.move_to(files);
  txns_.move_to(files);
  if (!active_) return {};
  // There is one File for each path, and `files` does not know this one.
  active_.reset();
  return activate();
}

Result<void> Segment::activate() {
  if (active_) return {};
  auto file = files_->open(log_path());
  if (!file) return fail(file.error());
  active_ = *file;
  files_->release(log_path());
  return {};
}

Result<std::vector<std::shared_ptr<io::File>>> Segment::finish_indexes() {
  if (auto done = note_time(); !done) return fail(done.error());
  std::vector<std::shared_ptr<io::File>> indexes;
  for (auto file : {offsets_.flushed_file(), times_.flushed_file(), txns_.flushed_file()}) {
    if (!file) return fail(file.error());
    if (*file) indexes.push_back(*file);
  }
  return indexes;
}

Result<void> Segment::append(std::span<const Bytes> pieces,
                             std::span<const kafka::BatchHeader> batches, size_t index_interval) {
  CHECK(active_ != nullptr, "append to a sealed segment");
  auto written = active_->append(pieces);
  refused_ = !written;
  if (!written) return written;
  for (const kafka::BatchHeader& batch : batches) {
    if (auto done = index_batch(batch, size_, index_interval); !done) return done;
    size_ += batch.total_size();
  }
  return {};
}

Result<std::shared_ptr<io::File>> Segment::drop_refused() {
  if (!refused_) return nullptr;
  if (auto done = active_->truncate(size_); !done) return fail(done.error());
  refused_ = false;
  return active_;
}

Result<void> Segment::index_batch(const kafka::BatchHeader& batch, uint64_t position,
                                  size_t index_interval) {
  if (position == 0) first_timestamp_ = batch.max_timestamp;
  if (batch.max_timestamp > max_timestamp_) {
    max_timestamp_ = batch.max_timestamp;
    max_timestamp_offset_ = batch.last_offset();
  }
  if (unindexed_bytes_ > index_interval) {
    const OffsetEntry entry{relative(batch.last_offset()), static_cast<int32_t>(position)};
    if (auto done = offsets_.append(entry); !done) return done;
    if (auto done = note_time(); !done) return done;
    unindexed_bytes_ = 0;
  }
  unindexed_bytes_ += batch.total_size();
  return {};
}

// Enters the largest timestamp so far, if the index does not end with it already.
Result<void> Segment::note_time() {
  if (max_timestamp_ < 0) return {};
  auto last = times_.last();
  if (!last) return fail(last.error());
  if (*last && (*last)->timestamp >= max_timestamp_) return {};
  return times_.append({max_timestamp_, relative(max_timestamp_offset_)});
}

Result<FileScanner> Segment::scanner_at(Offset target) const {
  auto near = offsets_.floor(
      [&](const OffsetEntry& entry) { return base_ + entry.relative_offset <= target; });
  if (!near) return fail(near.error());
  auto log = file();
  if (!log) return fail(log.error());
  const uint64_t position = *near ? static_cast<uint64_t>((*near)->position) : 0;
  return FileScanner(*log, position, size_, FileScanner::lookup_window);
}

Result<std::optional<FoundBatch>> Segment::find(Offset target) const {
  auto scanner = scanner_at(target);
  if (!scanner) return fail(scanner.error());
  while (true) {
    auto found = scanner->next_header();
    if (!found || !*found || (*found)->header.last_offset() >= target) return found;
  }
}

Result<std::optional<FoundBatch>> Segment::last_below(uint64_t from, uint64_t limit) const {
  auto log = file();
  if (!log) return fail(log.error());
  // An entry may point at the very batch that passes the limit; then the entry before it serves.
  for (uint64_t bound = limit;;) {
    auto near = offsets_.floor(
        [&](const OffsetEntry& entry) { return static_cast<uint64_t>(entry.position) <= bound; });
    if (!near) return fail(near.error());
    const uint64_t indexed = *near ? static_cast<uint64_t>((*near)->position) : 0;
    const uint64_t start = std::max(from, indexed);
    FileScanner scanner(*log, start, size_, FileScanner::lookup_window);
    std::optional<FoundBatch> last;
    while (true) {
      auto found = scanner.next_header();
      if (!found) return found;
      if (!*found || (*found)->end_position() > limit) break;
      last = **found;
    }
    if (last || start == from) return last;
    bound = start - 1;
  }
}

Result<uint64_t> Segment::indexed_at_or_below(uint64_t limit) const {
  auto near = offsets_.floor(
      [&](const OffsetEntry& entry) { return static_cast<uint64_t>(entry.position) <= limit; });
  if (!near) return fail(near.error());
  return *near ? static_cast<uint64_t>((*near)->position) : 0;
}

Result<Offset> Segment::end_offset() const {
  auto scanner = scanner_at(std::numeric_limits<Offset>::max());
  if (!scanner) return fail(scanner.error());
  const uint64_t from = scanner->position();
  Offset end = base_;
  while (true) {
    auto found = scanner->next_header();
    if (!found) return fail(found.error());
    if (!*found) break;
    end = (*found)->header.next_offset();
  }
  if (from == 0 || end > base_) return end;
  return fail(Error::corrupt(fmt::format("{}: no batch begins at {}", log_path(), from)));
}

Result<int64_t> Segment::last_written_ms(int64_t now_ms) const {
  constexpr int64_t far_ahead_ms = int64_t{24} * 3600 * 1000;
  if (max_timestamp_ >= 0 && max_timestamp_ <= now_ms + far_ahead_ms) return max_timestamp_;
  return files_->disk().modified_ms(log_path());
}

Result<int64_t> Segment::begun_ms(int64_t now_ms) const {
  if (begun_ms_) return *begun_ms_;
  if (!first_timestamp_ && size_ > 0) {
    auto first = find(base_);
    if (!first) return fail(first.error());
    if (*first) first_timestamp_ = (*first)->header.likely_max_timestamp();
  }
  const bool counts = first_timestamp_ && *first_timestamp_ >= 0 && *first_timestamp_ <= now_ms;
  begun_ms_ = counts ? *first_timestamp_ : now_ms;
  return *begun_ms_;
}

Result<UnreadStretch> Segment::unread_stretch(Offset from) const {
  auto log = file();
  if (!log) return fail(log.error());
  UnreadStretch stretch{.file = *log, .end = size_, .segment = base_, .index = {}};
  const auto near = offsets_.floor_in_tail(
      [&](const OffsetEntry& entry) { return base_ + entry.relative_offset <= from; });
  if (near) {
    stretch.position = static_cast<uint64_t>(near->position);
    return stretch;
  }
  auto index = offsets_.in_file();
  if (!index) return fail(index.error());
  stretch.index = std::move(*index);
  return stretch;
}

Result<std::optional<TimeStretch>> Segment::stretch_for(int64_t timestamp, Offset from) const {
  if (size_ == 0 || max_timestamp_ < timestamp) return std::nullopt;
  // All up to an entry's offset have at most its timestamp, so those below `timestamp` are passed.
  auto near = times_.floor([&](const TimeEntry& entry) { return entry.timestamp < timestamp; });
  if (!near) return fail(near.error());
  const Offset passed = *near ? base_ + (*near)->relative_offset + 1 : base_;
  auto scanner = scanner_at(std::max(from, passed));
  if (!scanner) return fail(scanner.error());
  auto log = file();
  if (!log) return fail(log.error());
  return TimeStretch{*log, scanner->position(), size_, base_};
}

Result<void> Segment::truncate(uint64_t position, Offset end) {
  auto log = file();
  if (!log) return fail(log.error());
  files_->release(log_path());
  const bool was_active = active_ != nullptr;
  active_.reset();
  // A reply under way would hold a share of the file, and only this loop hands out new ones.
  const bool has_readers = log->use_count() > 1;
  if (has_readers) {
    if (auto done = copy_prefix(position); !done) return done;
  } else {
    if (auto done = (*log)->truncate(position); !done) return done;
    if (auto done = (*log)->sync_now(); !done) return done;
  }
  log->reset();
  size_ = position;
  unindexed_bytes_ = 0;
  if (size_ == 0) {
    first_timestamp_.reset();
    begun_ms_.reset();
  }
  const auto below = [&](const auto& entry) { return base_ + entry.relative_offset < end; };
  if (auto done = offsets_.truncate(below); !done) return done;
  if (auto done = times_.truncate(below); !done) return done;
  if (auto done = txns_.truncate(end); !done) return done;
  // What remains is the maximum up to the last entry; walk the rest for the exact one.
  auto last = times_.last();
  if (!last) return fail(last.error());
  max_timestamp_ = *last ? (*last)->timestamp : -1;
  max_timestamp_offset_ = *last ? base_ + (*last)->relative_offset : -1;
  auto scanner = scanner_at(max_timestamp_offset_);
  if (!scanner) return fail(scanner.error());
  while (true) {
    auto found = scanner->next_header();
    if (!found) return fail(found.error());
    if (!*found) break;
    if ((*found)->header.likely_max_timestamp() <= max_timestamp_) continue;
    max_timestamp_ = (*found)->header.likely_max_timestamp();
    max_timestamp_offset_ = (*found)->header.last_offset();
  }
  return was_active ? activate() : Result<void>{};
}

// Puts the first `size` bytes into a new file of the same name; a crash leaves the old or the new.
Result<void> Segment::copy_prefix(uint64_t size) {
  const std::string copy_path = path(".log.cut");
  auto source = file();
  if (!source) return fail(source.error());
  auto copy = files_->disk().open(copy_path, io::Disk::Open::create);
  if (!copy) return fail(copy.error());
  if (auto done = (*copy)->truncate(0); !done) return done;
  std::vector<uint8_t> block(FileScanner::sweep_window);
  for (uint64_t at = 0; at < size;) {
    auto n = (*source)->read_at(
        at, MutableBytes(block).first(std::min<uint64_t>(block.size(), size - at)));
    if (!n) return fail(n.error());
    if (*n == 0) return fail(Error::corrupt(log_path() + ": shorter than when it was opened"));
    if (auto done = (*copy)->append(Bytes(block).first(*n)); !done) return done;
    at += *n;
  }
  if (auto done = (*copy)->sync_now(); !done) return done;
  files_->forget(log_path());
  if (auto done = files_->disk().rename(copy_path, log_path()); !done) return done;
  return files_->disk().sync_folder(folder_);
}

Result<void> Segment::remove() {
  // The log first: an index without its log is swept away at the next start.
  io::Disk& disk = files_->disk();
  if (disk.exists(log_path())) {
    if (auto done = disk.remove(log_path()); !done) return done;
  }
  active_.reset();
  size_ = 0;
  files_->forget(log_path());
  for (const char* suffix : {".index", ".timeindex", ".txnindex"}) {
    files_->forget(path(suffix));
    if (disk.exists(path(suffix))) (void)disk.remove(path(suffix));
  }
  return {};
}

}  // namespace isthmus::broker
