// What recovery cuts off a log is kept beside it, for whoever wants to look: `<offset>.cut`, or
// `<offset>.2.cut` where one of that name is there already. Nobody was promised those records.
//
// Bounded: of one cut the first 64 MiB, without the many zeros at its end; the eight newest cuts of
// a partition; none older than the topic's retention, or a week where that is without limit.
#pragma once

#include <cstdint>
#include <string>

#include "base/ids.h"
#include "broker/log/file_cache.h"

namespace isthmus::broker {

class CutBytes {
 public:
  static constexpr uint64_t max_bytes = 64 << 20;
  static constexpr size_t max_files = 8;

  // What is cut lies behind `offset` in the log.
  CutBytes(FileCache& files, std::string folder, Offset offset)
      : files_(files), folder_(std::move(folder)), offset_(offset) {}

  // The bytes of the segment file at `path` from `position` on, behind those added before.
  Result<void> add(const std::string& path, uint64_t position);
  // Makes the file durable and removes the oldest above the limit. Its path; empty if there was
  // nothing but zeros to keep.
  Result<std::string> keep();

 private:
  FileCache& files_;
  std::string folder_;
  Offset offset_;
  std::vector<uint8_t> bytes_;
};

// Whether a file of this name is one.
bool is_cut(std::string_view name);
// Removes those last written before `before_ms`.
Result<void> remove_old_cuts(io::Disk& disk, const std::string& folder, int64_t before_ms);

}  // namespace isthmus::broker
