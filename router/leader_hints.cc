#include "router/leader_hints.h"

#include <algorithm>

namespace isthmus::router {

namespace {

using kafka::ErrorCode;
using NodeEndpoint = kafka::ProduceResponse::NodeEndpoint;

NodeEndpoint endpoint_of(const Picture& picture, const Node& node) {
  const io::Address here = picture.virtual_cluster.advertised(node);
  return {node.real.id, here.host, here.port, node.real.rack};
}

// Clients believe a leader only under an epoch above the one that they know, and so do we: what the
// new home said before its promotion is that of a mirror.
std::optional<client::LeaderInfo> leader_now(const Picture& picture, const std::string& refused_by,
                                             const TopicPartition& partition) {
  const std::string& home = picture.routes.home_of_topic(partition.topic);
  const Site* site = picture.site(home);
  const Site* before = picture.site(refused_by);
  if (home == refused_by || site == nullptr || before == nullptr) return std::nullopt;
  const auto leader = site->cluster().metadata().leader_of(partition);
  const auto old = before->cluster().metadata().leader_of(partition);
  if (!leader || !old || leader->node < 0 || leader->epoch <= old->epoch) return std::nullopt;
  return leader;
}

}  // namespace

void lead_hints_here(const Picture& picture, kafka::ProduceResponse& response) {
  std::vector<NodeEndpoint> known;
  for (const auto& endpoint : response.node_endpoints) {
    const Node* node = picture.virtual_cluster.node(endpoint.node_id);
    if (node == nullptr) continue;
    known.push_back(endpoint_of(picture, *node));
    known.back().rack = endpoint.rack;
  }
  response.node_endpoints = std::move(known);
}

void add_hints(const Picture& picture, const std::string& cluster,
               kafka::ProduceResponse& response) {
  for (auto& topic : response.responses) {
    for (auto& partition : topic.partition_responses) {
      const bool is_told = partition.current_leader.leader_id >= 0;
      if (partition.error_code != ErrorCode::not_leader_or_follower || is_told) continue;
      const auto leader = leader_now(picture, cluster, {topic.name, partition.index});
      const Node* node = leader ? picture.virtual_cluster.node(leader->node) : nullptr;
      if (node == nullptr) continue;
      partition.current_leader = {leader->node, leader->epoch};
      const auto& all = response.node_endpoints;
      const auto known = std::ranges::find(all, leader->node, &NodeEndpoint::node_id);
      if (known == all.end()) response.node_endpoints.push_back(endpoint_of(picture, *node));
    }
  }
}

}  // namespace isthmus::router
