// What the group coordinator needs of the rest of the broker: a journal, a register of owners, the
// topics that there are, and the ends of their logs. Implemented above this folder; tests implement
// them in memory.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/ids.h"
#include "broker/group/records.h"
#include "io/task.h"

namespace isthmus::broker {

// The partitions of __consumer_offsets that this broker leads.
class Journal {
 public:
  virtual ~Journal() = default;

  // Appends the records as one batch, all or none, in the order of the calls; done when they are
  // as durable as acks=all promises. Fails with kafka::not_leader_or_follower once another broker
  // leads the partition, also if it has become leader and lost it again in between: an old
  // coordinator must never write behind a new one.
  virtual io::Task<Result<void>> append(PartitionIndex partition,
                                        std::vector<GroupRecord> records) = 0;

  // Shows all records that the log holds now, the oldest first. An error of `visit` ends it.
  using Visit = std::function<Result<void>(const GroupRecord&)>;
  virtual io::Task<Result<void>> replay(PartitionIndex partition, Visit visit) = 0;

  // Whether an append could succeed now: a leader, and enough in-sync replicas.
  virtual bool writable(PartitionIndex partition) const = 0;
};

// Which groups belong to a link. Kept in the cluster's metadata, so that it survives restarts.
class Ownership {
 public:
  virtual ~Ownership() = default;
  // All of them or none; nullopt = nobody's. Durable, and visible to owner_of(), when done.
  virtual io::Task<Result<void>> put(std::vector<std::string> groups,
                                     std::optional<std::string> link) = 0;
  virtual std::optional<std::string> owner_of(const std::string& group) const = 0;
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
