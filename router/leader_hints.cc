#include "router/leader_hints.h"

#include <algorithm>

#include "client/connection.h"
#include "router/refusals.h"
#include "server/reply.h"

namespace isthmus::router {

namespace {

using kafka::ErrorCode;

// What the answers of the two APIs call by different names.
auto& partitions_of(auto& topic) {
  if constexpr (requires { topic.partition_responses; }) {
    return topic.partition_responses;
  } else {
    return topic.partitions;
  }
}
int32_t index_of(const kafka::ProduceResponse::PartitionProduceResponse& p) { return p.index; }
int32_t index_of(const kafka::FetchResponse::PartitionData& p) { return p.partition_index; }

// A fetch names topics by id from version 13 on. nullptr if nobody has told us of it.
const std::string* named_in(const Picture&, const kafka::ProduceResponse::TopicProduceResponse& t) {
  return &t.name;
}
const std::string* named_in(const Picture& picture,
                            const kafka::FetchResponse::FetchableTopicResponse& t) {
  return t.topic_id.is_zero() ? &t.topic : picture.topic_name(t.topic_id);
}

bool is_refusal(ErrorCode error) { return error == ErrorCode::not_leader_or_follower; }

template <typename Response>
bool has_refusal_or_address(const Response& response) {
  if (!response.node_endpoints.empty()) return true;
  return std::ranges::any_of(response.responses, [](const auto& topic) {
    return std::ranges::any_of(partitions_of(topic),
                               [](const auto& p) { return is_refusal(p.error_code); });
  });
}

// Clients believe a leader only under an epoch above the one that they know, and so do we: what the
// new home said before its promotion is that of a mirror. Where it has not moved, an election may
// have made another node of its home the leader.
std::optional<client::LeaderInfo> leader_now(const Picture& picture, const Node& refused_by,
                                             const TopicPartition& partition) {
  const std::string& home = picture.routes.home_of_topic(partition.topic);
  const Site* site = picture.site(home);
  const Site* before = picture.site(refused_by.cluster);
  if (site == nullptr || before == nullptr) return std::nullopt;
  const auto leader = site->cluster().metadata().leader_of(partition);
  if (site == before) {
    const bool is_another = leader && leader->node >= 0 && leader->node != refused_by.real.id;
    return is_another ? leader : std::nullopt;
  }
  const auto old = before->cluster().metadata().leader_of(partition);
  if (!leader || !old || leader->node < 0 || leader->epoch <= old->epoch) return std::nullopt;
  return leader;
}

template <typename Endpoint>
Endpoint endpoint_of(const Picture& picture, const Node& node) {
  const io::Address here = picture.virtual_cluster.advertised(node);
  return {node.real.id, here.host, here.port, node.real.rack};
}

template <typename Endpoint>
void lead_here(const Picture& picture, std::vector<Endpoint>& endpoints) {
  std::vector<Endpoint> known;
  for (const Endpoint& endpoint : endpoints) {
    const Node* node = picture.virtual_cluster.node(endpoint.node_id);
    if (node == nullptr) continue;
    known.push_back(endpoint_of<Endpoint>(picture, *node));
    known.back().rack = endpoint.rack;
  }
  endpoints = std::move(known);
}

template <typename Response>
void lead(const Picture& picture, const Node& refused_by, Response& response) {
  using Endpoint = typename decltype(response.node_endpoints)::value_type;
  lead_here(picture, response.node_endpoints);
  for (auto& topic : response.responses) {
    const std::string* name = named_in(picture, topic);
    if (name == nullptr) continue;
    for (auto& partition : partitions_of(topic)) {
      const bool is_told = partition.current_leader.leader_id >= 0;
      if (!is_refusal(partition.error_code) || is_told) continue;
      const auto leader = leader_now(picture, refused_by, {*name, index_of(partition)});
      const Node* node = leader ? picture.virtual_cluster.node(leader->node) : nullptr;
      if (node == nullptr) continue;
      partition.current_leader = {leader->node, leader->epoch};
      auto& all = response.node_endpoints;
      const auto known = std::ranges::find(all, leader->node, &Endpoint::node_id);
      if (known == all.end()) all.push_back(endpoint_of<Endpoint>(picture, *node));
    }
  }
}

template <typename Response>
Result<Rope> hinted(const Picture& picture, NodeId node, const server::Request& request,
                    Rope refusal) {
  auto bytes = refusal.flatten();
  if (!bytes) return fail(bytes.error());
  const size_t id = sizeof request.header.correlation_id;
  auto response = client::decode_response<Response>(bytes->sub(id, bytes->size() - id),
                                                    request.header.api_version);
  if (!response) return fail(response.error());
  lead_hints(picture, node, *response);
  return server::encode_response(request.header, *response);
}

}  // namespace

bool wants_hints(const kafka::ProduceResponse& response) {
  return has_refusal_or_address(response);
}
bool wants_hints(const kafka::FetchResponse& response) { return has_refusal_or_address(response); }

void lead_hints(const Picture& picture, NodeId node, kafka::ProduceResponse& response) {
  lead(picture, *picture.virtual_cluster.node(node), response);
}
void lead_hints(const Picture& picture, NodeId node, kafka::FetchResponse& response) {
  lead(picture, *picture.virtual_cluster.node(node), response);
}

Result<Rope> refuse_with_hints(const Picture& picture, NodeId node,
                               const server::Request& request) {
  auto refusal = refuse(request);
  if (!refusal) return refusal;
  const int16_t version = request.header.api_version;
  const auto key = static_cast<kafka::ApiKey>(request.header.api_key);
  if (key == kafka::ApiKey::produce && version >= first_produce_with_hints) {
    return hinted<kafka::ProduceResponse>(picture, node, request, std::move(*refusal));
  }
  if (key == kafka::ApiKey::fetch && version >= first_fetch_with_hints) {
    return hinted<kafka::FetchResponse>(picture, node, request, std::move(*refusal));
  }
  return refusal;
}

}  // namespace isthmus::router
