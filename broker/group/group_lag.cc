#include "broker/group/group_lag.h"

#include <algorithm>

#include "base/saturating.h"

namespace isthmus::broker {

namespace {

// Of a time that may be anything.
int64_t age_of(int64_t time_ms, int64_t now_ms) { return now_ms <= time_ms ? 0 : now_ms - time_ms; }

}  // namespace

// REQUIRES of all of these: its log is known.
Offset GroupLag::unread_from(const Entry& entry) {
  return std::max(entry.committed, entry.log->start);
}

Offset GroupLag::unread_records(const Entry& entry) {
  return std::max<Offset>(0, entry.log->high_watermark - unread_from(entry));
}

// What was found is still what is asked. Where nothing was found, records may have come since.
bool GroupLag::is_current(const Entry& entry) {
  const auto& found = entry.last_found;
  if (!found || found->from != unread_from(entry)) return false;
  return found->time_ms || found->high_watermark >= entry.log->high_watermark;
}

GroupLag::Lag GroupLag::lag_of(const Entry& entry, int64_t now_ms) {
  if (!entry.log) return {};
  const Offset records = unread_records(entry);
  if (records == 0) return {0, 0};
  if (!is_current(entry)) return {records, entry.held_ms};
  const auto& time_ms = entry.last_found->time_ms;
  if (!time_ms) return {records, 0};
  return {records, *time_ms < 0 ? -1 : age_of(*time_ms, now_ms)};
}

void GroupLag::note(const std::string& group, std::vector<Position> positions, int64_t now_ms) {
  Partitions& known = groups_[group];
  Partitions now;
  for (Position& position : positions) {
    Entry entry;
    const auto before = known.find(position.partition);
    if (before != known.end() && before->second.topic_id == position.topic_id) {
      entry = std::move(before->second);
      entry.held_ms = lag_of(entry, entry.noted_ms).ms;
    }
    entry.topic_id = position.topic_id;
    entry.committed = position.committed;
    entry.log = position.log;
    entry.noted_ms = now_ms;
    // What comes there next may be another record: a log can be cut.
    if (entry.log && unread_records(entry) == 0) entry.last_found.reset();
    now.insert_or_assign(std::move(position.partition), std::move(entry));
  }
  known = std::move(now);
}

void GroupLag::keep_only(const std::vector<std::string>& groups) {
  std::erase_if(
      groups_, [&](const auto& group) { return !std::ranges::binary_search(groups, group.first); });
}

std::vector<GroupLag::Lookup> GroupLag::due(size_t at_most) const {
  struct Waiting {
    size_t place;  // among all
    const std::string* group;
    const Partitions::value_type* partition;
  };
  std::vector<Waiting> waiting;
  for (const auto& [group, partitions] : groups_) {
    for (const auto& each : partitions) {
      const Entry& entry = each.second;
      if (!entry.log || unread_records(entry) == 0 || is_current(entry)) continue;
      waiting.push_back({waiting.size(), &group, &each});
    }
  }
  const auto order = [](const Waiting& each) {
    return std::pair(each.partition->second.turn, each.place);
  };
  const size_t count = std::min(waiting.size(), at_most);
  std::ranges::partial_sort(waiting, waiting.begin() + static_cast<ptrdiff_t>(count), {}, order);
  waiting.resize(count);
  std::vector<Lookup> lookups;
  lookups.reserve(waiting.size());
  for (const auto& [place, group, partition] : waiting) {
    const Entry& entry = partition->second;
    lookups.push_back(
        {*group, partition->first, entry.topic_id, unread_from(entry), entry.log->high_watermark});
  }
  return lookups;
}

GroupLag::Entry* GroupLag::find(const Lookup& lookup) {
  const auto group = groups_.find(lookup.group);
  if (group == groups_.end()) return nullptr;
  const auto partition = group->second.find(lookup.partition);
  if (partition == group->second.end()) return nullptr;
  return partition->second.topic_id == lookup.topic_id ? &partition->second : nullptr;
}

void GroupLag::found(const Lookup& lookup, std::optional<int64_t> time_ms, int64_t now_ms) {
  Entry* entry = find(lookup);
  if (entry == nullptr) return;
  entry->turn = ++turns_;
  entry->last_found = Found{lookup.from, lookup.high_watermark, time_ms};
  entry->noted_ms = now_ms;
}

void GroupLag::failed(const Lookup& lookup) {
  if (Entry* entry = find(lookup)) entry->turn = ++turns_;
}

std::vector<GroupLag::PartitionLag> GroupLag::of(const std::string& group, int64_t now_ms) const {
  std::vector<PartitionLag> lags;
  const auto known = groups_.find(group);
  if (known == groups_.end()) return lags;
  for (const auto& [partition, entry] : known->second) {
    lags.push_back({partition, entry.committed, lag_of(entry, now_ms)});
  }
  return lags;
}

GroupLag::Total GroupLag::total_of(const std::string& group, int64_t now_ms) const {
  Total total;
  const auto known = groups_.find(group);
  if (known == groups_.end()) return total;
  total.knows_records = total.knows_ms = !known->second.empty();
  for (const auto& [partition, entry] : known->second) {
    const Lag lag = lag_of(entry, now_ms);
    total.knows_records = total.knows_records && lag.records >= 0;
    total.knows_ms = total.knows_ms && lag.ms >= 0;
    if (lag.records >= 0) {
      total.lag.records = add_saturating(std::max<Offset>(0, total.lag.records), lag.records);
    }
    total.lag.ms = std::max(total.lag.ms, lag.ms);
  }
  return total;
}

}  // namespace isthmus::broker
