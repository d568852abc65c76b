// A burial: whatever the directories have of deleted topics is renamed to what nobody looks for
// (log/doomed.h), and that is made durable. Beside the loop, while nobody opens partitions.
//
// Each directory is listed once: to ask for every partition's folder is slower, and a disk that
// cannot answer that looks like one that has nothing (io::Disk::exists).
#pragma once

#include <set>
#include <string>
#include <vector>

#include "base/error.h"
#include "broker/image/image.h"
#include "io/disk.h"

namespace isthmus::broker {

struct Burial {
  bool sets_aside = false;           // what there is, as who says so is not believed
  std::vector<DeletedTopic> done;    // nothing here has their name and id, durably
  std::set<std::string> doomed;      // what there is under its new name, of these or others
  std::set<std::string> not_synced;  // directories where that may not be durable
};

// `before` was doomed earlier, or was to be. An error is the last of all; the rest is done.
Result<void> bury(io::Disk& disk, const std::vector<std::string>& dirs,
                  const std::vector<DeletedTopic>& topics, const std::vector<std::string>& before,
                  Burial& how);

}  // namespace isthmus::broker
