// Standstill: under what the groups of a source stand still while the last round of a switchover
// reads them, as the source has told. What a coordinator answers counts only if it was read under
// it: one that was replaced, or whose fence has ended and begun again, tells of another time
// (docs/model/switchover_cluster.py, rules 4 and 10). A plain value.
#pragma once

#include <map>
#include <set>
#include <string>

#include "base/ids.h"

namespace isthmus::mirror {

struct Standstill {
  struct Fence {
    LeaderEpoch leader_epoch = -1;
    int64_t number = 0;
    friend bool operator==(const Fence&, const Fence&) = default;
  };
  Uuid switchover;
  // An older source has not told: it is read as in any other round.
  bool is_told = false;
  std::set<std::string> groups;  // all that it has
  // They are handed over: nothing moves them any more. Else the coordinators' fences, by partition
  // of the groups' topic.
  bool handed_over = false;
  std::map<PartitionIndex, Fence> fences;

  // Whether what was read there and then is of it.
  bool holds(PartitionIndex index, const Fence& fence) const {
    if (handed_over) return fence.number == 0;
    const auto told = fences.find(index);
    return told != fences.end() && told->second == fence;
  }
};

}  // namespace isthmus::mirror
