#include "broker/log/gap.h"

#include <algorithm>
#include <optional>

#include "base/check.h"
#include "broker/log/segment.h"
#include "kafka/batch.h"

namespace isthmus::broker {

namespace {

struct Stretch {
  Offset first;
  Offset last;
};

std::vector<Stretch> stretches(Offset from, Offset to) {
  CHECK(from < to, "a gap has offsets");
  const Offset last = to - 1;
  if (last - from <= INT32_MAX) return {{from, last}};
  return {{from, from + INT32_MAX}, {last, last}};
}

Slice batch_of(Stretch stretch, LeaderEpoch epoch) {
  return kafka::build_gap({.base_offset = stretch.first, .leader_epoch = epoch}, stretch.last);
}

// Whole or not at all: what a crash leaves of it must not look like a torn batch.
Result<void> place(FileCache& files, const std::string& folder, Stretch stretch,
                   LeaderEpoch epoch) {
  Segment segment(files, folder, stretch.first);
  if (auto done = segment.create(); !done) return done;
  files.forget(segment.log_path());
  return io::replace_file(files.disk(), segment.log_path(), batch_of(stretch, epoch));
}

Result<uint64_t> size_of(FileCache& files, const std::string& folder, Offset base) {
  auto file = files.open(Segment::path_of(folder, base, ".log"));
  if (!file) return fail(file.error());
  return (*file)->size();
}

// Where the gap that ends at `end` begins; nothing where all is there, or none of it.
Result<std::optional<Offset>> open_from(FileCache& files, const std::string& folder,
                                        const EpochEntry& entry, Offset end,
                                        const std::vector<Offset>& bases,
                                        const std::vector<Offset>& snapshots) {
  const auto behind = std::ranges::lower_bound(bases, end);
  // Cut away since, or deleted with what came behind it.
  if (behind == bases.end() || *behind != end) return std::nullopt;
  if (behind == bases.begin()) {
    // What lay before it is deleted. What is known of the producers is from before the gap.
    const auto known = std::ranges::lower_bound(snapshots, end);
    if (known != snapshots.begin()) return *std::prev(known);
    return entry.start_offset < end ? std::optional(entry.start_offset) : std::nullopt;
  }
  auto before = std::prev(behind);
  const Offset start = entry.start_offset;
  // The far half of a wide one, which a crash has left alone.
  const bool half = *before == end - 1 && start < *before - INT32_MAX;
  if (half && before != bases.begin()) --before;
  if (start >= end || *before > start) return std::nullopt;
  if (*before < start) return start;
  auto size = size_of(files, folder, *before);
  if (!size) return fail(size.error());
  return *size == 0 ? std::optional(start) : std::nullopt;
}

}  // namespace

Slice make_gap(Offset from, Offset to, LeaderEpoch epoch) {
  std::vector<uint8_t> bytes;
  for (const Stretch& stretch : stretches(from, to)) {
    const Slice batch = batch_of(stretch, epoch);
    bytes.insert(bytes.end(), batch.view().begin(), batch.view().end());
  }
  return Slice::take(std::move(bytes));
}

Result<void> fill_old_gaps(FileCache& files, const std::string& folder, EpochCache& epochs,
                           std::vector<Offset>& bases, const std::vector<Offset>& snapshots) {
  if (epochs.old_gaps().empty()) return {};
  for (const EpochEntry& entry : epochs.entries()) {
    const auto end = epochs.old_gaps().find(entry.epoch);
    if (end == epochs.old_gaps().end()) continue;
    auto from = open_from(files, folder, entry, end->second, bases, snapshots);
    if (!from) return fail(from.error());
    if (!*from) continue;
    // The far one first: while the near one is missing, the next start does it again.
    const auto parts = stretches(**from, end->second);
    for (auto part = parts.rbegin(); part != parts.rend(); ++part) {
      if (auto done = place(files, folder, *part, entry.epoch); !done) return done;
    }
    for (const Stretch& part : parts) {
      const auto at = std::ranges::lower_bound(bases, part.first);
      if (at == bases.end() || *at != part.first) bases.insert(at, part.first);
    }
  }
  epochs.forget_old_gaps();
  return save_epochs(files.disk(), folder, epochs);
}

}  // namespace isthmus::broker
