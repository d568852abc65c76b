#include "broker/store/stored_table.h"

#include <algorithm>

namespace isthmus::broker {

using Change = MetadataStore::Change;

bool StoredTable::holds(const std::vector<MetadataStore::Check>& checks) const {
  return std::ranges::all_of(checks, [this](const MetadataStore::Check& check) {
    const auto found = entries_.find(check.key);
    return check.version ==
           (found == entries_.end() ? MetadataStore::absent : found->second.version);
  });
}

std::vector<Change> StoredTable::apply(StoredCommit commit) {
  version_ = commit.version;
  std::vector<Change> changes;
  for (auto& put : commit.puts) {
    if (put.value) {
      entries_[put.key] = {*put.value, version_};
    } else {
      entries_.erase(put.key);
    }
    const int64_t version = put.value ? version_ : MetadataStore::absent;
    changes.push_back({std::move(put.key), std::move(put.value), version});
  }
  return changes;
}

std::vector<Change> StoredTable::all() const { return StoredTable{}.changes_to(*this); }

std::vector<Change> StoredTable::changes_to(const StoredTable& next) const {
  std::vector<Change> changes;
  for (const auto& [key, entry] : entries_) {
    if (!next.entries_.contains(key)) changes.push_back({key, std::nullopt, MetadataStore::absent});
  }
  for (const auto& [key, entry] : next.entries_) {
    const auto found = entries_.find(key);
    if (found != entries_.end() && found->second == entry) continue;
    changes.push_back({key, entry.value, entry.version});
  }
  return changes;
}

std::vector<StoredCommit> StoredTable::compacted() const {
  std::vector<StoredCommit> commits;
  for (const auto& [key, entry] : entries_)
    commits.push_back({entry.version, {{key, entry.value}}});
  std::ranges::sort(commits, {}, &StoredCommit::version);
  commits.push_back({version_, {}});
  return commits;
}

uint64_t StoredTable::bytes() const {
  constexpr uint64_t around = 32;
  uint64_t bytes = 0;
  for (const auto& [key, entry] : entries_) bytes += key.size() + entry.value.size() + around;
  return bytes;
}

}  // namespace isthmus::broker
