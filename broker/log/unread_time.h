// How old what a reader has before it is, by the headers of batches alone: it reads no records and
// unpacks nothing. What it reads, of the index too, may be on the disk only: so it runs on the
// workers (io/workers.h), on values that the log has given out (Log::unread_time); it holds no
// state of a log. A log that is cut meanwhile may make it fail.
//
// A batch that only tells the end of a transaction, one without records (compaction, a gap) and a
// hole are nothing to be read: what counts is the first batch behind them. Its time is that of its
// first record, even where the reader is in the middle of it: at most what the batch spans too old.
// What was compacted keeps the first time of its batch.
//
// Bounded: so many headers, over all segments; then the last one counts, whatever it is of.
#pragma once

#include <memory>
#include <optional>

#include "base/bytes.h"
#include "broker/log/index.h"

namespace isthmus::broker {

// A segment's file, and where in it a batch begins at or before the one that is looked for: there,
// or further on where the index says so.
struct UnreadStretch {
  std::shared_ptr<const ReadableFile> file;
  uint64_t position = 0;
  uint64_t end = 0;
  Offset segment = -1;           // its base
  IndexFile<OffsetEntry> index;  // empty: it says nothing
};

struct UnreadWalk {
  std::optional<int64_t> time_ms;  // of the first batch that counts; -1 = it does not say
  size_t headers = 0;              // that were looked at
};

// Of batches that end at or above `from` and begin below `bound`.
Result<UnreadWalk> walk_unread(const UnreadStretch& stretch, Offset from, Offset bound,
                               size_t most_headers);

}  // namespace isthmus::broker
