#include "tests/sim/allowed_start.h"

#include <algorithm>

namespace isthmus::sim {

namespace {
// What the producers of one partition may have under way, and a crash takes back after retention
// has counted it: four of them, five batches each of four records at most.
constexpr int64_t uncertain_bytes = 28 << 10;
}  // namespace

void AllowedStart::retains(Retention retention, std::function<int64_t()> clock) {
  retention_ = retention;
  clock_ = std::move(clock);
}

void AllowedStart::calendar_ahead(int64_t ms) { ahead_ms_ = std::max(ahead_ms_, ms); }

void AllowedStart::deletion_asked(const TopicPartition& partition, Offset before) {
  Offset& to = known_[partition].deleted_to;
  to = std::max(to, before);
}

void AllowedStart::promised(const TopicPartition& partition, Offset offset, int64_t made_ms) {
  known_[partition].made_ms[offset] = made_ms;
}

// Retention by size leaves as much as it is told to.
bool AllowedStart::is_too_much(std::optional<size_t> bytes) const {
  if (retention_.bytes < 0) return false;
  return !bytes || static_cast<int64_t>(*bytes) + uncertain_bytes >= retention_.bytes;
}

bool AllowedStart::is_old(const Known& known, Offset start) const {
  if (retention_.ms < 0) return false;
  const int64_t oldest_kept_ms = clock_() + ahead_ms_ - retention_.ms;
  return std::ranges::all_of(known.made_ms.begin(), known.made_ms.lower_bound(start),
                             [&](const auto& record) { return record.second < oldest_kept_ms; });
}

void AllowedStart::check(const std::string& where, const TopicPartition& partition, Offset start,
                         std::optional<size_t> bytes) {
  const Known& known = known_[partition];
  if (start <= known.deleted_to || is_too_much(bytes) || is_old(known, start)) return;
  judge_.broken("a log begins where it may", where + " " + partition.to_string() + " begins at " +
                                                 std::to_string(start) + "; asked for was " +
                                                 std::to_string(known.deleted_to));
}

}  // namespace isthmus::sim
