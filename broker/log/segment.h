// Segment: a stretch of a partition's log, in one file of record batches with its three indexes.
//
// Owned by a Log, on its loop. The last segment of a log is active: it is appended to and keeps its
// file open. The others are sealed: their files are opened on demand through the FileCache.
// Positions are bytes from the start of the file; the format is kafka/batch.h's, one batch after
// the other. A Segment writes and finds; it judges nothing and makes nothing durable.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "broker/log/file_cache.h"
#include "broker/log/index.h"
#include "broker/log/scanner.h"
#include "broker/log/time_search.h"
#include "broker/log/txn_index.h"
#include "broker/log/unread_time.h"

namespace isthmus::broker {

class Segment {
 public:
  Segment(FileCache& files, const std::string& folder, Offset base);

  // `folder`/<offset in 20 digits><suffix>
  static std::string path_of(const std::string& folder, Offset offset, std::string_view suffix);

  // Makes the empty files of a new segment.
  Result<void> create();
  // Adopts the files. An index that is missing or damaged is corrupt: rebuild it (recovery.h).
  Result<void> open_log();
  Result<void> open_indexes();

  Offset base() const { return base_; }
  uint64_t size() const { return size_; }
  std::string log_path() const { return path(".log"); }
  Result<std::shared_ptr<io::File>> file() const;

  // From now on the files are opened through `files`.
  Result<void> move_to(FileCache& files);
  // Keeps the file open for appends; seal() ends that.
  Result<void> activate();
  void seal() { active_.reset(); }
  // What an append that found no room has left behind the last batch goes, before the segment is
  // sealed: the next start would else find a damaged one. Returns the file if it was cut.
  // REQUIRES: active.
  Result<std::shared_ptr<io::File>> drop_refused();
  // Completes the indexes and returns their files, for whoever makes them durable: of those for
  // which there was room. Until indexes_on_disk() the segment is not safe from a crash.
  Result<std::vector<std::shared_ptr<io::File>>> finish_indexes();
  bool indexes_on_disk() const { return offsets_.flushed() && times_.flushed() && txns_.flushed(); }
  // Writes one run of batches, which are `pieces` when put together; the headers' timestamps are
  // what the indexes go by.
  // REQUIRES: active; accepts() holds for the last batch.
  Result<void> append(std::span<const Bytes> pieces, std::span<const kafka::BatchHeader> batches,
                      size_t index_interval);
  // Whether offsets up to `last` can be written relative to the base.
  bool accepts(Offset last) const { return last - base_ <= INT32_MAX; }
  // The rebuild's half of append(): the batch is at `position` already.
  Result<void> index_batch(const kafka::BatchHeader& batch, uint64_t position,
                           size_t index_interval);

  // The first batch whose last offset is at least `target`.
  Result<std::optional<FoundBatch>> find(Offset target) const;
  // The last batch that begins at `from` or later and ends at `limit` or before. REQUIRES: a batch
  // begins at `from`.
  Result<std::optional<FoundBatch>> last_below(uint64_t from, uint64_t limit) const;
  // A position at or below `limit` where a batch begins, as the index says.
  Result<uint64_t> indexed_at_or_below(uint64_t limit) const;
  // The offset after the last batch; base() if there is none.
  Result<Offset> end_offset() const;

  // Of the records here, as far as their headers are right; -1 without any.
  int64_t max_timestamp() const { return size_ == 0 ? -1 : max_timestamp_; }
  // What retention counts the age from: the largest timestamp; when the file was last written,
  // where that is none or lies more than a day ahead, where it would keep the segment for ever.
  Result<int64_t> last_written_ms(int64_t now_ms) const;
  // What rolling counts the age from: the timestamp of the first batch; where that is none or lies
  // ahead, when it was first asked.
  Result<int64_t> begun_ms(int64_t now_ms) const;
  // Where the batch that holds `from` is to be looked for, or the next one; no file is read here.
  Result<UnreadStretch> unread_stretch(Offset from) const;
  // Where the first record at or after `from` with at least this timestamp may be.
  Result<std::optional<TimeStretch>> stretch_for(int64_t timestamp, Offset from) const;

  // Cuts at `position`, where the batch that begins with `end` starts. Readers keep what they
  // hold: if there may be any, the kept part goes to a new file.
  Result<void> truncate(uint64_t position, Offset end);
  // Removes the files. Readers keep what they hold. After an error nothing has changed.
  Result<void> remove();

  OffsetIndex& offsets() { return offsets_; }
  TimeIndex& times() { return times_; }
  TxnIndex& txns() { return txns_; }
  const TxnIndex& txns() const { return txns_; }

 private:
  std::string path(std::string_view suffix) const { return path_of(folder_, base_, suffix); }
  int32_t relative(Offset offset) const { return static_cast<int32_t>(offset - base_); }
  Result<FileScanner> scanner_at(Offset target) const;
  Result<void> note_time();
  Result<void> copy_prefix(uint64_t size);

  FileCache* files_;
  std::string folder_;
  Offset base_;
  uint64_t size_ = 0;
  bool refused_ = false;  // an append since the last one that was written
  std::shared_ptr<io::File> active_;
  OffsetIndex offsets_;
  TimeIndex times_;
  TxnIndex txns_;
  uint64_t unindexed_bytes_ = 0;
  mutable std::optional<int64_t> first_timestamp_;
  mutable std::optional<int64_t> begun_ms_;
  int64_t max_timestamp_ = -1;
  Offset max_timestamp_offset_ = -1;  // the last offset of its batch
};

}  // namespace isthmus::broker
