// SourceView: what a mirror process says of its source beside the batches: where that ends, and
// when the source itself said so last. For display, for what a failover would lose, and for how
// far its gap must reach. Pure; kept by the Partition.
//
// A SourceMark is what of it is kept for the next start, in `source-ends` beside the checkpoints
// (log/checkpoints.h) and as often as those: what a start reads there may be some seconds old, and
// says so. A mirror process that has lost its source goes on reporting; so the time is that of the
// source's own word, not of the report.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "base/error.h"
#include "base/ids.h"
#include "io/disk.h"
#include "io/loop.h"

namespace isthmus::broker {

struct SourceMark {
  Offset end_offset = -1;
  int64_t heard_ms = 0;  // since 1970
  int64_t records_per_second = 0;
  friend bool operator==(const SourceMark&, const SourceMark&) = default;
};

struct SourceView {
  Offset end_offset = -1;               // -1 = never heard
  int64_t lag_ms = -1;                  // -1 = unknown
  std::optional<io::Instant> heard_at;  // when the source said so last
  double records_per_second = 0;

  // `heard`: when the source said that it ends at `end`; nothing while it has said nothing.
  void note(Offset end, int64_t lag, std::optional<io::Instant> heard);
  std::optional<io::Duration> age(io::Instant now) const;

  std::optional<SourceMark> mark(io::Instant now, int64_t wall_ms) const;
  static SourceView of(const SourceMark& mark, io::Instant now, int64_t wall_ms);
};

using SourceMarks = std::map<TopicPartition, SourceMark>;
// Lines `topic partition end heard-ms records-per-second` in Kafka's text form; none if there is no
// file.
Result<SourceMarks> read_source_marks(io::Disk& disk, const std::string& log_dir);
Result<void> write_source_marks(io::Disk& disk, const std::string& log_dir,
                                const SourceMarks& marks);

}  // namespace isthmus::broker
