// Reassignment of a partition (KIP-455): replicas that come, and others that go when those are in
// sync. Pure; the rules are 20 to 23 of docs/model/replication.py.
//
//                 begin: replicas = target and those that go
//   settled ────────────────────────────────────────────────► under way
//      ▲                                                        │   │
//      └── completed: all that come are in the ISR ─────────────┘   │
//      └── taken back ──────────────────────────────────────────────┘
//
// Who goes leaves ISR and ELR in the commit that ends it, and never so that fewer than
// min.insync.replicas stay in sync: until then it is one of the replicas. That commit raises the
// epoch, also where the leader stays: who comes again has nothing any more, and what a leader knew
// of him is forgotten. What he had he deletes when he hears of it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "broker/image/image.h"
#include "broker/image/records.h"

namespace isthmus::broker {

// Towards `target`, whatever was under way; nothing of that is taken back that `target` has. Ends
// it at once where nobody is to come. INVALID_REPLICA_ASSIGNMENT: too few in sync would stay of
// those that an earlier one had added.
Result<void> begin_reassignment(Plan& plan, const TopicImage& topic, PartitionImage& partition,
                                const std::vector<NodeId>& target, const Image& image);
// If it can be: after each change of the ISR.
void complete_reassignment(Plan& plan, const TopicImage& topic, PartitionImage& partition,
                           const Image& image);

// One partition of an AlterPartitionReassignments, and what became of it.
struct Reassignment {
  std::string topic;
  PartitionIndex index = -1;
  std::optional<std::vector<NodeId>> replicas;  // nothing: take back what is under way
  Result<void> outcome = {};
};
// Those that are refused are left out. A topic that is not all brokers' from here on has a
// replication factor of its own.
Result<Plan> plan_reassignments(const Image& image, std::vector<Reassignment>& reassignments,
                                bool may_change_factor);

}  // namespace isthmus::broker
