#include "broker/log/unread_time.h"

#include <algorithm>

#include "broker/log/scanner.h"

namespace isthmus::broker {

namespace {

int64_t first_time_of(const kafka::BatchHeader& header) {
  const bool has_base = header.timestamp_type() == kafka::TimestampType::create_time &&
                        !header.delete_horizon().has_value();
  return has_base ? header.base_timestamp : header.max_timestamp;
}

}  // namespace

Result<UnreadWalk> walk_unread(const UnreadStretch& stretch, Offset from, Offset bound,
                               size_t most_headers) {
  UnreadWalk walk;
  const auto near = stretch.index.floor(
      [&](const OffsetEntry& entry) { return stretch.segment + entry.relative_offset <= from; });
  if (!near) return fail(near.error());
  const uint64_t begin = *near ? static_cast<uint64_t>((*near)->position) : stretch.position;
  FileScanner scanner(stretch.file, begin, stretch.end, FileScanner::lookup_window);
  while (true) {
    auto batch = scanner.next_header();
    if (!batch) return fail(batch.error());
    if (!*batch || (*batch)->header.base_offset >= bound) return walk;
    const kafka::BatchHeader& header = (*batch)->header;
    const bool is_last = ++walk.headers >= most_headers;
    if (header.last_offset() < from && !is_last) continue;
    const bool is_read = !header.is_control() && header.record_count > 0;
    if (!is_read && !is_last) continue;
    walk.time_ms = std::max<int64_t>(-1, first_time_of(header));
    return walk;
  }
}

}  // namespace isthmus::broker
