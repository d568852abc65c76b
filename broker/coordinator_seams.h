// What the group coordinator needs of the broker, over its real parts: the register of owners and
// the topics are the cluster's metadata, the ends are the logs'; its journal is
// broker/coordinator/topic_journal.h. All on the main loop; owned by Broker.
#pragma once

#include "broker/controller/controller.h"
#include "broker/group/seams.h"
#include "broker/link/site_views.h"
#include "broker/replica/partition_table.h"

namespace isthmus::broker {

class GroupRegister final : public Ownership {
 public:
  explicit GroupRegister(Controller& controller) : controller_(controller) {}

  io::Task<Result<void>> put(std::vector<std::string> groups,
                             std::optional<std::string> link) override;
  std::optional<std::string> owner_of(const std::string& group) const override;
  bool has_parted(const std::string& group) const override;

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
  // Without it the logs here are all that there are.
  void ask_leaders(SiteViews& views) { views_ = &views; }

  io::Task<std::vector<std::optional<Clamped>>> clamp(std::vector<Position> positions) override;

 private:
  // A follower's log may end below its leader's.
  io::Task<void> clamp_by_leaders(std::vector<Position> beyond,
                                  std::vector<std::optional<Clamped>*> into);

  PartitionTable& partitions_;
  SiteViews* views_ = nullptr;
};

}  // namespace isthmus::broker
