// The sparse indexes of a segment, in Kafka's formats:
//
//   .index      8 bytes: last offset of a batch (minus the segment's base), position of the batch
//   .timeindex 12 bytes: the largest timestamp so far, last offset (minus base) of its batch
//
// Index<Entry> keeps the entries that are not in the file yet (a bounded tail) and reads the rest
// on demand, so that an open partition costs little. An index can always be rebuilt from its
// segment: its file is not synced before the segment is sealed, and recovery writes it anew. So
// where there is no room for entries (io::lacks_room) they stay in the tail, and the index works
// on; whoever seals or closes the segment sees to it that they reach the file before the segment
// counts as safe.
// Lives with its Segment on one loop.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "broker/log/file_cache.h"

namespace isthmus::broker {

struct OffsetEntry {
  static constexpr size_t size = 8;
  int32_t relative_offset = 0;
  int32_t position = 0;

  static OffsetEntry decode(const uint8_t* p) {
    return {load_be<int32_t>(p), load_be<int32_t>(p + 4)};
  }
  void encode(uint8_t* p) const {
    store_be(p, relative_offset);
    store_be(p + 4, position);
  }
  // Kafka's index files may end in zeros where it has preallocated them.
  bool unused() const { return relative_offset == 0 && position == 0; }
  friend bool operator==(const OffsetEntry&, const OffsetEntry&) = default;
};

struct TimeEntry {
  static constexpr size_t size = 12;
  int64_t timestamp = 0;
  int32_t relative_offset = 0;

  static TimeEntry decode(const uint8_t* p) {
    return {load_be<int64_t>(p), load_be<int32_t>(p + 8)};
  }
  void encode(uint8_t* p) const {
    store_be(p, timestamp);
    store_be(p + 8, relative_offset);
  }
  bool unused() const { return timestamp == 0 && relative_offset == 0; }
  friend bool operator==(const TimeEntry&, const TimeEntry&) = default;
};

// The last of `count` entries for which `below_or_at(entry)` holds, where that holds for a prefix
// of them. `read` gives the entry of a number.
template <typename Entry, typename Read, typename Predicate>
Result<std::optional<Entry>> last_entry(uint64_t count, Read read, Predicate below_or_at) {
  uint64_t low = 0;
  uint64_t high = count;
  std::optional<Entry> best;
  while (low < high) {
    const uint64_t middle = low + (high - low) / 2;
    Result<Entry> entry = read(middle);
    if (!entry) return fail(entry.error());
    if (below_or_at(*entry)) {
      best = *entry;
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return best;
}

// What of an index is in its file: a value, to be searched on another thread while the index goes
// on. Where that is cut meanwhile, entries are missing, or are other ones.
template <typename Entry>
struct IndexFile {
  std::shared_ptr<const ReadableFile> file;
  uint64_t entries = 0;

  Result<Entry> read(uint64_t index) const;
  template <typename Predicate>
  Result<std::optional<Entry>> floor(Predicate below_or_at) const {
    const auto entry = [this](uint64_t index) { return read(index); };
    return last_entry<Entry>(entries, entry, below_or_at);
  }
};

template <typename Entry>
class Index {
 public:
  Index(FileCache& files, std::string path) : files_(&files), path_(std::move(path)) {}
  void move_to(FileCache& files) { files_ = &files; }

  // Adopts the file as it is; a missing one, or one that is not whole entries, is an error, after
  // which the owner rebuilds: reset(), then append().
  Result<void> load();
  // Forgets all entries; the file is emptied or created.
  Result<void> reset();

  // REQUIRES: entries are appended in ascending order.
  Result<void> append(Entry entry);
  // Writes the tail to the file, if there is room.
  Result<void> flush();
  bool flushed() const { return tail_.empty(); }
  // The file with all entries in it, for whoever makes it durable; nullptr while there is no room.
  Result<std::shared_ptr<io::File>> flushed_file();

  uint64_t count() const { return in_file_ + tail_.size(); }
  Result<std::optional<Entry>> last() const;
  // The last entry for which `below_or_at(entry)` holds, where that holds for a prefix of them.
  template <typename Predicate>
  Result<std::optional<Entry>> floor(Predicate below_or_at) const {
    if (auto entry = floor_in_tail(below_or_at)) return entry;
    const auto entry = [this](uint64_t index) { return read(index); };
    return last_entry<Entry>(in_file_, entry, below_or_at);
  }
  // The same where it needs no file; else it is one of in_file(), if there is any.
  template <typename Predicate>
  std::optional<Entry> floor_in_tail(Predicate below_or_at) const {
    if (tail_.empty() || !below_or_at(tail_.front())) return std::nullopt;
    size_t i = tail_.size() - 1;
    while (!below_or_at(tail_[i])) --i;
    return tail_[i];
  }
  Result<IndexFile<Entry>> in_file() const;
  // Keeps the entries for which `keep` holds, a prefix.
  template <typename Predicate>
  Result<void> truncate(Predicate keep) {
    while (!tail_.empty() && !keep(tail_.back())) tail_.pop_back();
    uint64_t kept = in_file_;
    while (tail_.empty() && kept > 0) {
      auto entry = read(kept - 1);
      if (!entry) return fail(entry.error());
      if (keep(*entry)) break;
      --kept;
    }
    return kept == in_file_ ? Result<void>{} : cut_file(kept);
  }

  const std::string& path() const { return path_; }

 private:
  // 4 KiB and 6 KiB of tail; 2 MiB of log at the default index interval. More only without room, at
  // most what a segment has.
  static constexpr size_t max_tail = 512;

  Result<Entry> read(uint64_t index) const;
  Result<void> cut_file(uint64_t entries);

  FileCache* files_;
  std::string path_;
  uint64_t in_file_ = 0;
  std::vector<Entry> tail_;
};

using OffsetIndex = Index<OffsetEntry>;
using TimeIndex = Index<TimeEntry>;

}  // namespace isthmus::broker
