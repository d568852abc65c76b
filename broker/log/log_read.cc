// How a Log is read: by offset and by time.
#include <fmt/format.h>

#include <algorithm>

#include "broker/log/log.h"
#include "kafka/errors.h"

namespace isthmus::broker {

// The last segment whose base is at or below `offset`.
size_t Log::segment_index(Offset offset) const {
  const auto above =
      std::upper_bound(segments_.begin(), segments_.end(), offset,
                       [](Offset wanted, const auto& segment) { return wanted < segment->base(); });
  return above == segments_.begin() ? 0 : static_cast<size_t>(above - segments_.begin()) - 1;
}

void Log::remember(Offset offset, Offset segment, uint64_t position) {
  boundaries_[next_boundary_] = {offset, segment, position};
  next_boundary_ = (next_boundary_ + 1) % boundaries_.size();
}

void Log::forget_places() {
  boundaries_.fill({});
  lookups_.forget();
}

// The Boundary position of `offset`; the segment's end if all its batches lie below.
Result<uint64_t> Log::locate(const Segment& segment, Offset offset) {
  if (offset <= segment.base()) return 0;
  for (const Boundary& known : boundaries_) {
    if (known.offset == offset && known.segment == segment.base()) return known.position;
  }
  auto found = segment.find(offset);
  if (!found) return fail(found.error());
  const uint64_t position = *found ? (*found)->position : segment.size();
  remember(offset, segment.base(), position);
  return position;
}

Result<Rope> Log::read(Offset from, uint64_t max_bytes, Offset upper_bound, bool at_least_one) {
  if (auto open = refuse_if_closed(); !open) return fail(open.error());
  if (from < start_ || from > end_) {
    return kafka::refuse(
        kafka::ErrorCode::offset_out_of_range,
        fmt::format("{}: offset {} is outside {} to {}", tp_.to_string(), from, start_, end_));
  }
  // What a failed sync has put in doubt is not shown, whatever mode it was acknowledged in.
  const Offset bound = std::min({upper_bound, end_, readable_end()});
  if (from >= bound && from < std::min(upper_bound, end_)) return fail(*offline());
  Rope rope;
  for (size_t i = segment_index(from); i < segments_.size() && from < bound; ++i) {
    const Segment& segment = *segments_[i];
    const bool last = i + 1 == segments_.size();
    const Offset next_base = last ? end_ : segments_[i + 1]->base();
    auto begin = locate(segment, from);
    if (!begin) return fail(begin.error());
    Result<uint64_t> stop = segment.size();
    if (bound < next_base) stop = locate(segment, bound);
    if (!stop) return fail(stop.error());
    const uint64_t left = max_bytes - std::min(max_bytes, rope.size());
    bool full = false;
    if (*begin < *stop && *stop - *begin > left) {
      full = true;
      auto fitting = segment.last_below(*begin, *begin + left);
      if (!fitting) return fail(fitting.error());
      if (!*fitting && rope.empty() && at_least_one) fitting = segment.find(from);
      if (!fitting) return fail(fitting.error());
      *stop = *fitting ? (*fitting)->end_position() : *begin;
      if (*fitting) remember((*fitting)->header.next_offset(), segment.base(), *stop);
    }
    if (*begin < *stop) {
      auto file = segment.file();
      if (!file) return fail(file.error());
      rope.append(FileRange{*file, *begin, *stop - *begin});
    }
    if (full) break;
    from = next_base;
  }
  return rope;
}

Result<std::vector<AbortedTxn>> Log::aborted_in(Offset from, Offset upper) const {
  std::vector<AbortedTxn> aborted;
  // An abort is listed where its marker lies: at or after the records that it concerns.
  for (size_t i = segment_index(from); i < segments_.size(); ++i) {
    auto complete = segments_[i]->txns().collect(from, upper, aborted);
    if (!complete) return fail(complete.error());
    if (*complete) break;
  }
  return aborted;
}

// In the first segment behind the one of base `behind` that may hold it.
Result<std::optional<TimeStretch>> Log::next_stretch(int64_t timestamp, Offset behind) const {
  for (size_t i = segment_index(start_); i < segments_.size(); ++i) {
    if (segments_[i]->base() <= behind) continue;
    auto stretch = segments_[i]->stretch_for(timestamp, start_);
    if (!stretch || *stretch) return stretch;
  }
  return std::nullopt;
}

io::Task<Result<TimeFound>> Log::look_up(int64_t timestamp, io::Workers& on) {
  const auto max_bytes = static_cast<size_t>(config_.max_message_bytes);
  TimeQuery query{.timestamp = timestamp,
                  .from = start_,
                  .may_unpack = kafka::max_decompressed_size_of(max_bytes)};
  return lookups_.find(
      query, [this, timestamp](Offset behind) { return next_stretch(timestamp, behind); }, on);
}

io::Task<Result<std::optional<TimestampOffset>>> Log::find_time(int64_t timestamp,
                                                                io::Workers& on) {
  auto found = co_await look_up(timestamp, on);
  if (!found) co_return fail(found.error());
  co_return found->record;
}

io::Task<Result<std::optional<int64_t>>> Log::unread_time(Offset from, Offset bound,
                                                          io::Workers& on) {
  constexpr size_t most_headers = 1000;
  size_t left = most_headers;
  from = std::max(from, start_);
  while (true) {
    if (auto open = refuse_if_closed(); !open) co_return fail(open.error());
    if (from >= std::min(bound, end_)) co_return std::nullopt;
    const size_t i = segment_index(from);
    const Offset next_base = i + 1 < segments_.size() ? segments_[i + 1]->base() : bound;
    auto stretch = segments_[i]->unread_stretch(from);
    if (!stretch) co_return fail(stretch.error());
    auto walked = co_await io::run_on(on, [stretch = std::move(*stretch), from, bound, left] {
      return walk_unread(stretch, from, bound, left);
    });
    if (!walked) co_return fail(walked.error());
    if (walked->time_ms) co_return walked->time_ms;
    left -= std::min(left - 1, walked->headers);
    from = next_base;
  }
}

io::Task<Result<std::optional<TimestampOffset>>> Log::find_latest(io::Workers& on) {
  int64_t newest = -1;
  for (const auto& segment : segments_) newest = std::max(newest, segment->max_timestamp());
  if (newest < 0) co_return std::nullopt;
  auto found = co_await look_up(newest, on);
  if (!found) co_return fail(found.error());
  // A header may claim a later time than its records have.
  co_return found->record ? found->record : found->latest;
}

}  // namespace isthmus::broker
