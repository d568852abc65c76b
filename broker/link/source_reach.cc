#include "broker/link/source_reach.h"

#include <fmt/format.h>

#include <algorithm>

namespace isthmus::broker {

namespace {

constexpr double most_records_per_second = 1e6;
// How much faster than measured it may have been since.
constexpr double rate_margin = 4;
// For what was on its way to the mirror, and for the mirror's word to come here. Offsets are 63
// bits wide and a gap takes no space: a larger one costs nothing.
constexpr Offset least_gap = 1'000'000;
// Twelve days at that rate.
constexpr Offset widest_gap = Offset{1} << 40;

// A mirror process reports every two seconds at least, and hears an idle partition once a second.
constexpr auto just_now = std::chrono::seconds(5);

}  // namespace

Offset offset_after_gap(Offset end, const SourceView& source, io::Instant now) {
  const Offset reached = std::max(end, source.end_offset);
  const auto silent = source.age(now);
  if (!silent) return reached + widest_gap;
  const double rate = std::max(most_records_per_second, source.records_per_second * rate_margin);
  const double expected = rate * std::chrono::duration<double>(*silent).count();
  const double most = static_cast<double>(widest_gap);
  return reached + least_gap + static_cast<Offset>(std::min(expected, most));
}

Offset offset_after_take_back(Offset end) { return end + 4 * widest_gap; }

std::optional<std::string> why_not_drained(Offset end, const SourceView& source, io::Instant now) {
  const auto age = source.age(now);
  if (!age) return "nothing was heard of its source";
  if (*age > just_now) {
    return fmt::format("its source was last heard {} s ago",
                       std::chrono::duration_cast<std::chrono::seconds>(*age).count());
  }
  if (source.end_offset > end) {
    return fmt::format("it ends at {}, its source at {}", end, source.end_offset);
  }
  return std::nullopt;
}

}  // namespace isthmus::broker
