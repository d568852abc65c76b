// ReplicaFiles: what the logs of one machine hold, read from its disk past the program that keeps
// them. Changes nothing there, and asks nothing of it that a planned fault could meet.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "tests/sim/world/volume.h"

namespace isthmus::sim {

struct FiledBatch {
  Offset base = -1;
  Offset next = -1;      // behind its last offset
  uint64_t hash = 0;     // of all its bytes
  bool durable = false;  // a power loss now would leave it
};

class ReplicaFiles {
 public:
  explicit ReplicaFiles(const Volume& disk) : disk_(&disk) {}

  // Those that have any offset from `from` on and below `to`, in the order of the files; none
  // where the log is not here.
  std::vector<FiledBatch> batches(const TopicPartition& partition, Offset from, Offset to);

 private:
  struct Segment {
    Offset base = 0;
    std::string path;
  };
  // Where a batch began that was asked for before: the next question mostly goes on there.
  struct Place {
    Segment segment;
    uint64_t position = 0;
    Offset base = -1;
  };
  std::string folder_of(const TopicPartition& partition) const;
  // The segment there, or the first one behind.
  std::optional<Segment> segment_at(std::string path) const;
  // Whether that batch is there still, and what lies from `from` on begins with it or behind it.
  bool goes_on(const Place& known, Offset from) const;
  // Adds those of one segment, from a position on where a batch begins. True: up to `to`.
  bool walk(const Segment& segment, uint64_t begin, Offset from, Offset to, Place& place,
            std::vector<FiledBatch>& found) const;

  const Volume* disk_;
  std::map<TopicPartition, Place> places_;
};

}  // namespace isthmus::sim
