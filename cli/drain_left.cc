#include "cli/drain_left.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "cli/table.h"

namespace isthmus::cli {

namespace {

bool is_among(const std::vector<NodeId>& nodes, NodeId node) {
  return std::ranges::find(nodes, node) != nodes.end();
}

}  // namespace

DrainLeft drain_left(NodeId broker, const kafka::MetadataResponse& metadata,
                     const kafka::ListPartitionReassignmentsResponse& moves) {
  constexpr size_t most_named = 3;
  std::set<std::pair<std::string, PartitionIndex>> leaving;
  for (const auto& topic : moves.topics) {
    for (const auto& p : topic.partitions) {
      if (is_among(p.removing_replicas, broker)) leaving.emplace(topic.name, p.partition_index);
    }
  }
  DrainLeft left;
  for (const auto& listed : metadata.brokers) left.known = left.known || listed.node_id == broker;
  for (const auto& topic : metadata.topics) {
    for (const auto& p : topic.partitions) {
      const bool leads = p.leader_id == broker;
      if (!leads && !is_among(p.replica_nodes, broker)) continue;
      const std::string name = topic.name.value_or("?");
      left.known = true;
      left.leads += leads;
      left.alone += leads && p.isr_nodes.size() < 2;
      left.replicas += 1;
      left.moving += leaving.contains({name, p.partition_index});
      if (left.named.size() < most_named) {
        left.named.push_back(fmt::format("{}-{}", name, p.partition_index));
      }
    }
  }
  return left;
}

std::string text_of(const DrainLeft& left) {
  std::string text = fmt::format("leads {}, has replicas of {}", count_of(left.leads, "partition"),
                                 count_of(left.replicas, "partition"));
  if (left.moving > 0) text += fmt::format(", {} on the way to others", left.moving);
  return text;
}

std::string next_of(const DrainLeft& left, bool with_replicas) {
  const std::string named = fmt::format("{}", fmt::join(left.named, ", "));
  if (left.alone > 0) {
    return fmt::format(
        "it leads {} with nobody else in sync ({}): bring back their other replicas, and repeat "
        "this",
        count_of(left.alone, "partition"), named);
  }
  if (with_replicas && left.moving == 0 && left.leads == 0) {
    return fmt::format(
        "no other broker can have what it has left ({}): add a broker, or lower the replication "
        "factor of these topics with kafka-reassign-partitions",
        named);
  }
  return "it goes on by itself: repeat this to watch it";
}

}  // namespace isthmus::cli
