// What is left of a broker that is drained, as Metadata and ListPartitionReassignments tell it, and
// what follows. Pure.
#pragma once

#include <string>
#include <vector>

#include "base/ids.h"
#include "kafka/gen/list_partition_reassignments.h"
#include "kafka/gen/metadata.h"

namespace isthmus::cli {

struct DrainLeft {
  bool known = false;              // the broker has replicas, or is told of
  size_t leads = 0, replicas = 0;  // partitions
  size_t moving = 0;               // of these replicas: another is on its way
  size_t alone = 0;                // leads, with nobody else in sync
  std::vector<std::string> named;  // some that it leads or has still

  bool is_done(bool with_replicas) const { return leads == 0 && (!with_replicas || replicas == 0); }
  bool operator==(const DrainLeft&) const = default;
};

DrainLeft drain_left(NodeId broker, const kafka::MetadataResponse& metadata,
                     const kafka::ListPartitionReassignmentsResponse& moves);
// One line: what is left.
std::string text_of(const DrainLeft& left);
// What an operator does where it does not go on.
std::string next_of(const DrainLeft& left, bool with_replicas);

}  // namespace isthmus::cli
