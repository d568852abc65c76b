// Finding a time in a segment's file: by the headers of the batches, and by the records of those
// whose header claims it. That reads files and unpacks what another cluster may have sent, so it
// runs on the workers (io/workers.h), on values that the log has given out (Log::find_time); it
// holds no state of a log.
//
// Bounded: what a lookup may unpack is counted down over all of it. Where that is used up, or where
// records cannot be read, the batch itself is the answer: a consumer that begins there misses
// nothing, while an error would send it here again and again.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <optional>

#include "base/bytes.h"
#include "base/ids.h"
#include "io/mutex.h"
#include "io/workers.h"

namespace isthmus::broker {

struct TimestampOffset {
  int64_t timestamp = -1;
  Offset offset = -1;
  LeaderEpoch leader_epoch = -1;
  friend bool operator==(const TimestampOffset&, const TimestampOffset&) = default;
};

// The batches that could not be read lately, by their base offsets: who asks for one again is told
// at once.
class UnreadableBatches {
 public:
  void add(Offset base);
  bool contains(Offset base) const;
  void clear() { bases_.fill(-1); }

 private:
  std::array<Offset, 16> bases_ = filled();
  size_t next_ = 0;  // the oldest, which is replaced next

  static constexpr std::array<Offset, 16> filled() {
    std::array<Offset, 16> none{};
    none.fill(-1);
    return none;
  }
};

// A part of a segment's file, in which a batch begins at `position`.
struct TimeStretch {
  std::shared_ptr<const ReadableFile> file;
  uint64_t position = 0;
  uint64_t end = 0;
  Offset segment = -1;  // its base
};

struct TimeQuery {
  int64_t timestamp = 0;
  Offset from = 0;        // records before it are not there
  size_t may_unpack = 0;  // bytes
  UnreadableBatches unreadable;
};

struct TimeFound {
  std::optional<TimestampOffset> record;  // the first at or after `from` and `timestamp`
  std::optional<TimestampOffset> latest;  // of the records that were looked at
  Offset unreadable = -1;                 // the batch that `record` stands for, if it was not read
  size_t unpacked = 0;
};

Result<TimeFound> search_time(const TimeStretch& stretch, const TimeQuery& query);

// The lookups of one log, one after the other: what one has found to be unreadable, the next knows.
// Owned by the Log, on its loop.
class TimeLookups {
 public:
  // The part to search behind the segment of that base; nothing if there is none.
  using NextStretch = std::function<Result<std::optional<TimeStretch>>(Offset behind)>;

  explicit TimeLookups(io::Loop& loop) : turns_(loop) {}
  io::Task<Result<TimeFound>> find(TimeQuery query, NextStretch next, io::Workers& workers);
  // Other batches may stand there now.
  void forget() { unreadable_.clear(); }

 private:
  io::Task<Result<TimeFound>> search(TimeQuery query, NextStretch next, io::Workers& workers);

  UnreadableBatches unreadable_;
  io::Mutex turns_;
};

}  // namespace isthmus::broker
