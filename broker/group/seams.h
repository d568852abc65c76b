// What the group coordinator needs of the rest of the broker, beside its journal
// (broker/coordinator/journal.h): a register of owners, the topics that there are, and the ends of
// their logs. Implemented above this folder; tests implement them in memory.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/ids.h"
#include "io/task.h"

namespace isthmus::broker {

// Which groups belong to a link. Kept in the cluster's metadata, so that it survives restarts.
class Ownership {
 public:
  virtual ~Ownership() = default;
  // All of them or none; nullopt = nobody's. Durable, and visible to owner_of(), when done.
  virtual io::Task<Result<void>> put(std::vector<std::string> groups,
                                     std::optional<std::string> link) = 0;
  virtual std::optional<std::string> owner_of(const std::string& group) const = 0;
  // Whether its owner has not got it from here, by a switchover: generations that were given out
  // here and there are then of different members, also where the numbers are the same.
  virtual bool has_parted(const std::string& group) const = 0;
};

// The cluster's topics, as its metadata have them now.
class Topics {
 public:
  virtual ~Topics() = default;

  struct Topic {
    Uuid id;
    int32_t partitions = 0;
  };
  virtual std::optional<Topic> find(const std::string& name) const = 0;

  // Whether an offset in topic `name`, whose id was `id` (zero = not known), is of a topic that is
  // gone, whatever bears the name now.
  bool has_lost(const std::string& name, const Uuid& id) const {
    if (id.is_zero()) return false;
    const auto topic = find(name);
    return !topic || topic->id != id;
  }
};

// The logs of this cluster's topics, wherever they are led.
class LogEnds {
 public:
  virtual ~LogEnds() = default;

  struct Position {
    TopicPartition partition;
    Offset offset = -1;
  };
  struct Clamped {
    Offset offset = -1;             // -1: there is no such partition here
    LeaderEpoch leader_epoch = -1;  // of the record before it; -1 = unknown
  };
  // For each position: itself, or the log's end if it lies above that. nullopt where the log
  // cannot be asked at present.
  virtual io::Task<std::vector<std::optional<Clamped>>> clamp(std::vector<Position> positions) = 0;
};

}  // namespace isthmus::broker
