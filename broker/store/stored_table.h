// StoredTable: the keys of a metadata store as its commits have left them, each with the version of
// the commit that put it. A plain value of the store that owns it.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "broker/store/commit_frame.h"

namespace isthmus::broker {

class StoredTable {
 public:
  struct Entry {
    Slice value;
    int64_t version = 0;
    bool operator==(const Entry& other) const { return version == other.version; }
  };

  bool holds(const std::vector<MetadataStore::Check>& checks) const;
  // The version is then the commit's. What a watcher is told.
  std::vector<MetadataStore::Change> apply(StoredCommit commit);
  // All of it, as changes.
  std::vector<MetadataStore::Change> all() const;
  // What turns this one into `next`.
  std::vector<MetadataStore::Change> changes_to(const StoredTable& next) const;

  // Commits that make this table out of nothing: one for each entry, in the order of their
  // versions, and an empty one with the table's, so that it is not given out again.
  std::vector<StoredCommit> compacted() const;

  int64_t version() const { return version_; }
  uint64_t bytes() const;  // of its keys and values, about

 private:
  std::map<std::string, Entry> entries_;
  int64_t version_ = 0;
};

}  // namespace isthmus::broker
