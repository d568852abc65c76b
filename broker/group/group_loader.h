// GroupLoader: what a partition of __consumer_offsets says of its groups, the last record of each
// key. One attempt to load (broker/coordinator/runtime.h); on the coordinator's loop.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "broker/group/hosted_group.h"

namespace isthmus::broker {

class GroupLoader final : public Loader {
 public:
  // `home` outlives the loader.
  GroupLoader(HostedGroup::Home& home, TermPtr term) : home_(home), term_(std::move(term)) {}

  Result<void> visit(const JournalRecord& record) override;
  std::vector<HostedPtr> make() override;

 private:
  struct Loaded {
    std::optional<kafka::GroupMetadataValue> stored;
    std::optional<MovedGroup> moved;
    std::map<std::pair<TopicPartition, bool>, CommittedOffset> offsets;
  };
  HostedGroupPtr make(const std::string& id, Loaded& from);

  HostedGroup::Home& home_;
  const TermPtr term_;
  std::unordered_map<std::string, Loaded> groups_;
};

}  // namespace isthmus::broker
