// Placement: which brokers get a partition. Pure.
//
// Without a replication factor of its own every broker has all of a topic: what a site holds
// survives as long as one of its disks. Whose turn it is to be preferred as leader goes round with
// the partitions, and begins for each topic elsewhere, by its id: else one broker would lead all
// topics of one partition. With a factor, its replicas go round the brokers, racks in turn.
//
// The controller keeps it so (plan_placement): a broker that joins is added to what all have, one
// that is drained is replaced, where there is another, and what is under way is completed.
#pragma once

#include <vector>

#include "broker/image/records.h"
#include "kafka/gen/broker_drain.h"

namespace isthmus::broker {

// Where partition `index` of a topic that has no factor of its own belongs.
std::vector<NodeId> everywhere(const Image& image, const Uuid& topic, int32_t index);
// So many brokers for partition `index`. INVALID_REPLICATION_FACTOR: there are not so many.
Result<std::vector<NodeId>> spread(const Image& image, int factor, const Uuid& topic,
                                   int32_t index);
// A new partition of a topic that is there, as the others of it are placed; where there are not so
// many brokers any more, on all of them.
std::vector<NodeId> like_others(const Image& image, const TopicImage& topic, int32_t index);
// INVALID_REPLICA_ASSIGNMENT: none, one that is not known, or one named twice.
Result<void> check_assignment(const Image& image, const std::vector<NodeId>& replicas);

// A new partition, at epoch `epoch`: empty, so that all replicas that serve are in sync. `plan`
// relies on them.
PartitionImage place(Plan& plan, const Image& image, std::vector<NodeId> replicas,
                     LeaderEpoch epoch);

// What the controller begins, with at most `at_once` partitions under way, and completes.
Result<Plan> plan_placement(const Image& image, int at_once);

// `node` is to lead nothing, or to have nothing, or to be as the others again. Refused where it is
// the last that is not drained.
Result<Plan> plan_drain(const Image& image, NodeId node, BrokerDrain drain);
// `node` is gone for good. Refused while it serves, or has replicas. `running`: its process is
// seen.
Result<Plan> plan_unregister(const Image& image, NodeId node, bool running);

}  // namespace isthmus::broker
