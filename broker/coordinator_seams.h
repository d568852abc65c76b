// What the group coordinator needs of the broker, over its real parts: the register of owners and
// the topics are the cluster's metadata, the ends are the logs'; its journal is
// broker/offsets_journal.h. All on the main loop; owned by Broker.
#pragma once

#include "broker/controller/controller.h"
#include "broker/group/seams.h"
#include "broker/replica/partition_table.h"

namespace isthmus::broker {

class GroupRegister final : public Ownership {
 public:
  explicit GroupRegister(Controller& controller) : controller_(controller) {}

  io::Task<Result<void>> put(std::vector<std::string> groups,
                             std::optional<std::string> link) override;
  std::optional<std::string> owner_of(const std::string& group) const override;

 private:
  Controller& controller_;
};

class KnownTopics final : public Topics {
 public:
  explicit KnownTopics(Controller& controller) : controller_(controller) {}

  std::optional<Topic> find(const std::string& name) const override;

 private:
  Controller& controller_;
};

class TopicEnds final : public LogEnds {
 public:
  explicit TopicEnds(PartitionTable& partitions) : partitions_(partitions) {}

  io::Task<std::vector<std::optional<Clamped>>> clamp(std::vector<Position> positions) override;

 private:
  PartitionTable& partitions_;
};

}  // namespace isthmus::broker
