#include "broker/log/epochs.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/check.h"
#include "broker/log/text_checkpoint.h"

namespace isthmus::broker {

namespace {

constexpr const char* entries_name = "/leader-epoch-checkpoint";
constexpr const char* owners_name = "/epoch-owners";
// Of the line among the owners that says in its third place up to where the log is Kafka's.
constexpr LeaderEpoch kafkas_line = -1;

// Where the entry at `index` ends.
Offset end_of(std::span<const EpochEntry> entries, size_t index, Offset log_end) {
  return index + 1 < entries.size() ? entries[index + 1].start_offset : log_end;
}

}  // namespace

EpochCache::EpochCache(std::vector<EpochEntry> entries) {
  for (const EpochEntry& entry : entries) {
    if (!entries_.empty() && (entry.epoch <= entries_.back().epoch ||
                              entry.start_offset < entries_.back().start_offset)) {
      dirty_ = true;
      break;
    }
    entries_.push_back(entry);
  }
}

LeaderEpoch EpochCache::epoch_of(Offset offset) const {
  const auto after = std::upper_bound(
      entries_.begin(), entries_.end(), offset,
      [](Offset wanted, const EpochEntry& entry) { return wanted < entry.start_offset; });
  return after == entries_.begin() ? -1 : std::prev(after)->epoch;
}

std::optional<ClusterNumber> EpochCache::owner_of(LeaderEpoch epoch) const {
  const auto at = std::lower_bound(
      entries_.begin(), entries_.end(), epoch,
      [](const EpochEntry& entry, LeaderEpoch wanted) { return entry.epoch < wanted; });
  if (at == entries_.end() || at->epoch != epoch) return std::nullopt;
  return at->owner;
}

bool EpochCache::assign(LeaderEpoch epoch, Offset start, ClusterNumber owner) {
  CHECK(epoch >= latest(), "a leader epoch went back");
  if (epoch == latest()) return false;
  while (!entries_.empty() && entries_.back().start_offset >= start) entries_.pop_back();
  entries_.push_back({epoch, start, owner});
  dirty_ = true;
  return true;
}

EpochEnd EpochCache::end_offset_for(LeaderEpoch asked, Offset log_end) const {
  if (asked < 0 || entries_.empty() || asked > latest()) return {};
  const auto after = std::upper_bound(
      entries_.begin(), entries_.end(), asked,
      [](LeaderEpoch wanted, const EpochEntry& entry) { return wanted < entry.epoch; });
  if (after == entries_.begin()) {
    // Older than all that is known here: the asker shares nothing above our first entry.
    return {asked, after->start_offset};
  }
  const size_t index = static_cast<size_t>(std::prev(after) - entries_.begin());
  return {entries_[index].epoch, end_of(entries_, index, log_end)};
}

bool EpochCache::truncate_end(Offset end) {
  kafka_end_ = std::min(kafka_end_, end);
  const size_t before = entries_.size();
  while (!entries_.empty() && entries_.back().start_offset >= end) entries_.pop_back();
  if (entries_.size() == before) return false;
  dirty_ = true;
  return true;
}

bool EpochCache::truncate_start(Offset start) {
  size_t below = 0;
  while (below < entries_.size() && entries_[below].start_offset <= start) ++below;
  if (below == 0 || (below == 1 && entries_[0].start_offset == start)) return false;
  entries_.erase(entries_.begin(), entries_.begin() + static_cast<ptrdiff_t>(below) - 1);
  entries_[0].start_offset = start;
  return true;
}

CommonPrefix common_prefix(std::span<const EpochEntry> ours, Offset our_end,
                           std::span<const EpochEntry> theirs, Offset their_end) {
  // One epoch of one owner has one writer, so within a shared entry the shorter log is a prefix of
  // the longer. The newest shared entry therefore decides.
  std::map<std::pair<ClusterNumber, LeaderEpoch>, size_t> known;
  for (size_t i = 0; i < theirs.size(); ++i) known[{theirs[i].owner, theirs[i].epoch}] = i;
  for (size_t i = ours.size(); i-- > 0;) {
    const auto shared = known.find({ours[i].owner, ours[i].epoch});
    if (shared == known.end()) continue;
    const Offset end =
        std::min(end_of(ours, i, our_end), end_of(theirs, shared->second, their_end));
    return {end, ours[i].epoch};
  }
  const Offset our_start = ours.empty() ? our_end : ours.front().start_offset;
  const Offset their_start = theirs.empty() ? their_end : theirs.front().start_offset;
  return {std::min(our_start, their_start), -1};
}

bool is_as_kafka_left_it(io::Disk& disk, const std::string& folder) {
  return !disk.exists(folder + owners_name);
}

Result<EpochCache> load_epochs(io::Disk& disk, const std::string& folder,
                               ClusterNumber own_cluster) {
  const std::string owners_path = folder + owners_name;
  auto owner_lines = read_checkpoint(disk, owners_path, 3);
  if (!owner_lines) return fail(owner_lines.error());
  std::map<LeaderEpoch, std::pair<ClusterNumber, Offset>> known;  // owner, end of an old gap
  for (const CheckpointLine& line : *owner_lines) {
    auto epoch = parse_number<LeaderEpoch>(line[0], owners_path);
    if (!epoch) return fail(epoch.error());
    auto owner = parse_number<ClusterNumber>(line[1], owners_path);
    if (!owner) return fail(owner.error());
    auto gap_end = parse_number<Offset>(line[2], owners_path);
    if (!gap_end) return fail(gap_end.error());
    known[*epoch] = {*owner, *gap_end};
  }
  const std::string entries_path = folder + entries_name;
  auto lines = read_checkpoint(disk, entries_path, 2);
  if (!lines) return fail(lines.error());
  std::vector<EpochEntry> entries;
  EpochCache::OldGaps old_gaps;
  for (const CheckpointLine& line : *lines) {
    auto epoch = parse_number<LeaderEpoch>(line[0], entries_path);
    if (!epoch) return fail(epoch.error());
    auto start = parse_number<Offset>(line[1], entries_path);
    if (!start) return fail(start.error());
    const auto at = known.find(*epoch);
    const auto [owner, gap_end] =
        at == known.end() ? std::pair(own_cluster, Offset{-1}) : at->second;
    entries.push_back({*epoch, *start, owner});
    if (gap_end >= 0) old_gaps[*epoch] = gap_end;
  }
  EpochCache epochs(std::move(entries));
  epochs.set_old_gaps(std::move(old_gaps));
  if (is_as_kafka_left_it(disk, folder)) {
    epochs.set_kafka_end(EpochCache::all_of_it);
  } else {
    const auto at = known.find(kafkas_line);
    epochs.set_kafka_end(at == known.end() ? EpochCache::not_known : at->second.second);
  }
  return epochs;
}

Result<void> save_epochs(io::Disk& disk, const std::string& folder, EpochCache& epochs) {
  std::vector<std::string> owners{fmt::format("{} 0 {}", kafkas_line, epochs.kafka_end())};
  std::vector<std::string> lines;
  for (const EpochEntry& entry : epochs.entries()) {
    const auto gap = epochs.old_gaps().find(entry.epoch);
    const Offset gap_end = gap == epochs.old_gaps().end() ? -1 : gap->second;
    owners.push_back(fmt::format("{} {} {}", entry.epoch, entry.owner, gap_end));
    lines.push_back(std::to_string(entry.epoch) + " " + std::to_string(entry.start_offset));
  }
  if (auto done = write_checkpoint(disk, folder + owners_name, owners); !done) return done;
  if (auto done = write_checkpoint(disk, folder + entries_name, lines); !done) return done;
  epochs.saved();
  return {};
}

}  // namespace isthmus::broker
