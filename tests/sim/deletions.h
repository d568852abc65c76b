// Deletions: DeleteRecords at the site that writes, now and then, and what must hold of them at the
// site that mirrors: nothing is deleted there before delete_delay has passed, and in the end all.
#pragma once

#include <map>
#include <vector>

#include "tests/sim/pair.h"

namespace isthmus::sim {

class Deletions {
 public:
  Deletions(Stage& stage, Pair& pair) : stage_(stage), pair_(pair) {}

  // Deletes at the writer a part of what its consumers have read and the follower has: what a
  // deletion takes from a mirror that is behind, the mirror calls by its name, and stops.
  void delete_some();
  void check_none_too_early();
  // When nothing disturbs the mirror any more.
  void check_followed();

 private:
  struct Deletion {
    Offset before;
    io::Instant at;
  };
  struct Range {
    Offset start;
    Offset high_watermark;
  };
  // What a site has of the partitions of "orders".
  std::map<TopicPartition, Range> ranges(Site& site);
  io::Instant now() { return stage_.world().now(); }

  Stage& stage_;
  Pair& pair_;
  std::map<TopicPartition, std::vector<Deletion>> done_;
};

}  // namespace isthmus::sim
