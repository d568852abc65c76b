// What a switchover decides about a site of several brokers: whom it asks, what their answers come
// to, and what the records say of what each of them holds. Pure functions from the image.
#pragma once

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "broker/coordinator/fences.h"
#include "broker/image/image.h"
#include "broker/image/records.h"
#include "kafka/gen/hold_partitions.h"

namespace isthmus::broker {

using HoldsByBroker = std::map<NodeId, kafka::HoldPartitionsRequest>;

// Those that serve, `self` among them.
std::set<NodeId> serving_brokers(const Image& image, NodeId self);

// All partitions of that topic, to be asked for; `ends`: where each must end, empty = anywhere.
kafka::HoldPartitionsRequest::HoldTopic all_partitions_of(const TopicImage& topic,
                                                          const std::vector<Offset>& ends = {});

// `request` in parts: to each leader, and where it is about the whole site to every broker that
// serves. NOT_LEADER_OR_FOLLOWER: a partition has no leader, which passes; with `without_leaders`
// it is left out.
Result<HoldsByBroker> ask_leaders(const Image& image, NodeId self,
                                  const kafka::HoldPartitionsRequest& request,
                                  bool without_leaders);

// What was answered, by topic and partition, in their order; what nobody was asked is offline.
using HeldPartition = kafka::HoldPartitionsResponse::HeldPartition;
using HeldTopics = std::map<Uuid, std::vector<HeldPartition>>;
HeldTopics held_in(const std::map<NodeId, kafka::HoldPartitionsResponse>& answers,
                   const kafka::HoldPartitionsRequest& request);

// For which partitions of __consumer_offsets brokers have told their groups, each under which
// leader epoch.
using Coordinated = std::vector<std::pair<PartitionIndex, LeaderEpoch>>;
Coordinated coordinated_in(const std::map<NodeId, kafka::HoldPartitionsResponse>& answers);
// The groups' coordinators as they see themselves must be those of the image, each once: else what
// they told is not all, and NOT_LEADER_OR_FOLLOWER.
Result<void> check_coordinators(const Image& image, const Coordinated& told);

// Of which switchovers the records hold all groups, and what their clients do meanwhile.
std::map<Uuid, CoordinatorFences::Clients> groups_held(const Image& image);
bool was_taken_back(const Image& image, const Uuid& id);

// A broker that has held for a switchover, and has not heard a word since, opens under new epochs
// of what it leads. Empty where the record was written before it.
struct Reopening {
  NodeId self = -1;
  std::string link;
  Uuid id;
  std::set<std::pair<Uuid, PartitionIndex>> partitions;
  bool groups = false;  // it leads partitions of __consumer_offsets, too
};
Result<Plan> plan_open_anew(const Image& image, const Reopening& order);

}  // namespace isthmus::broker
