#include "router/answers.h"

#include <fmt/core.h>

#include <algorithm>
#include <iterator>

#include "kafka/gen/describe_cluster.h"
#include "kafka/gen/find_coordinator.h"
#include "kafka/gen/init_producer_id.h"
#include "kafka/gen/list_groups.h"
#include "router/fan_out.h"
#include "router/leader_hints.h"
#include "server/api_versions.h"
#include "server/reply.h"

namespace isthmus::router {

namespace {

using kafka::ApiKey;
using kafka::ErrorCode;

constexpr auto answer_timeout = std::chrono::seconds(5);
// Of FindCoordinator (KIP-699). Before it a request has one key, and its answer no list.
constexpr int16_t first_with_many_keys = 4;

// Fetch from version 16 on may name leaders with their addresses behind the records (KIP-951). Our
// brokers do not; of another cluster's every answer would have to be read to its end.
bool names_addresses(const Picture& picture) {
  return std::ranges::any_of(picture.sites,
                             [](const auto& entry) { return !entry.second->is_isthmus(); });
}

// What the cluster leaves of a range; nullopt if nothing. A cluster that has told us nothing yet
// takes nothing away. The lower end stays ours where it is lower than what we decode: Produce is
// announced from 0 for clients that look for that (KAFKA-18659).
std::optional<server::VersionRange> shared(const kafka::ApiInfo& api, server::VersionRange range,
                                           const Site& site) {
  if (api.key == ApiKey::api_versions || site.versions().empty()) return range;
  const auto theirs = site.versions().find(static_cast<int16_t>(api.key));
  if (theirs == site.versions().end()) return std::nullopt;
  const auto [least, most] = theirs->second;
  if (least > api.min_version) range.min = std::max(range.min, least);
  range.max = std::min(range.max, most);
  if (range.min > range.max) return std::nullopt;
  return range;
}

// Users, what they may do, and which broker has what, are set at their cluster: passed on, such a
// request would change one cluster and leave the others.
bool is_of_one_cluster(ApiKey key) {
  switch (key) {
    case ApiKey::describe_acls:
    case ApiKey::create_acls:
    case ApiKey::delete_acls:
    case ApiKey::describe_client_quotas:
    case ApiKey::alter_client_quotas:
    case ApiKey::describe_user_scram_credentials:
    case ApiKey::elect_leaders:
    case ApiKey::alter_partition_reassignments:
    case ApiKey::list_partition_reassignments:
    case ApiKey::unregister_broker:
    case ApiKey::alter_user_scram_credentials: return true;
    default: return false;
  }
}

std::optional<server::VersionRange> offered(const kafka::ApiInfo& api) {
  return is_of_one_cluster(api.key) ? std::nullopt : server::public_apis(api);
}

}  // namespace

bool Answers::is_spoken(int16_t api_key, int16_t version) {
  const auto* api = kafka::find_api(api_key);
  if (api == nullptr || !api->supports(version)) return false;
  const auto range = offered(*api);
  return range && version <= range->max;
}

std::vector<const Node*> listed_nodes(const Picture& picture) {
  std::vector<const Node*> listed, known;
  for (const auto& [id, node] : picture.virtual_cluster.nodes()) {
    known.push_back(&node);
    const Site* site = picture.site(node.cluster);
    if (node.listed && site != nullptr && site->reachable()) listed.push_back(&node);
  }
  return listed.empty() ? known : listed;
}

NodeId controller_to_tell(const Picture& picture) {
  const Site* home = picture.site(picture.routes.default_home());
  if (home == nullptr) return -1;
  const NodeId controller = home->cluster().metadata().controller();
  return picture.virtual_cluster.node(controller) == nullptr ? -1 : controller;
}

std::optional<Rope> end_of(const server::Request& request, const Error& why) {
  return server::lost(request, why.text);
}

Rope Answers::api_versions(const server::Request& request) const {
  const auto filter = [this](const kafka::ApiInfo& api) {
    auto range = offered(api);
    if (range && api.key == ApiKey::fetch && names_addresses(picture_)) {
      range->max = std::min<int16_t>(range->max, first_fetch_with_hints - 1);
    }
    for (const auto& [name, site] : picture_.sites) {
      if (range && site->reachable()) range = shared(api, *range, *site);
    }
    return range;
  };
  return server::answer_api_versions(request, server::describe_apis(filter));
}

namespace {

using Coordinator = kafka::FindCoordinatorResponse::Coordinator;

// What one cluster is home to of the keys of a request, and what it says.
struct Keys {
  std::vector<std::string> keys;
  std::vector<Coordinator> found;
  std::string trouble = "its cluster does not say";
};
using KeysByHome = std::map<std::string, Keys>;

// A transaction's coordinator is at the default home, like the producer ids that go with it.
KeysByHome divide(const Routes& routes, const kafka::FindCoordinatorRequest& request) {
  KeysByHome homes;
  for (const auto& key : request.coordinator_keys) {
    const bool is_group = request.key_type == kafka::CoordinatorType::group;
    homes[is_group ? routes.home_of_group(key) : routes.default_home()].keys.push_back(key);
  }
  return homes;
}

bool takes_many_keys(const Site* site) {
  if (site == nullptr) return false;
  const auto range = site->versions().find(static_cast<int16_t>(ApiKey::find_coordinator));
  return range != site->versions().end() && range->second.second >= first_with_many_keys;
}

// All keys at once, or one after the other where the cluster takes one in a request.
io::Task<void> find_at(Picture& picture, const server::ConnectionContext& client,
                       std::string cluster, kafka::CoordinatorType key_type, Keys& home,
                       io::Instant deadline) {
  const size_t at_once = takes_many_keys(picture.site(cluster)) ? home.keys.size() : 1;
  for (auto from = home.keys.begin(); from != home.keys.end();) {
    const auto to = from + static_cast<std::ptrdiff_t>(at_once);
    Part<kafka::FindCoordinatorRequest> part{{cluster}, {*from, key_type, {from, to}}};
    co_await ask(picture, client, part, deadline);
    if (!part.answer) {
      home.trouble = part.answer.error().text;
      co_return;
    }
    auto& told = *part.answer;
    if (told.coordinators.empty()) {
      home.found.push_back(
          {*from, told.node_id, told.host, told.port, told.error_code, told.error_message});
    }
    std::ranges::move(told.coordinators, std::back_inserter(home.found));
    from = to;
  }
}

Coordinator no_coordinator(const std::string& key, std::string why) {
  Coordinator none{key, -1, "", -1, ErrorCode::coordinator_not_available, std::move(why)};
  return none;
}

Coordinator as_seen_here(const Picture& picture, Coordinator found) {
  if (found.error_code != ErrorCode::none) return found;
  const Node* node = picture.virtual_cluster.node(found.node_id);
  if (node == nullptr) {
    return no_coordinator(found.key, fmt::format("node {} is not known here yet", found.node_id));
  }
  const io::Address here = picture.virtual_cluster.advertised(*node);
  found.host = here.host;
  found.port = here.port;
  return found;
}

}  // namespace

server::Reply Answers::find_coordinator(server::Request request) {
  auto wire = server::decode_request<kafka::FindCoordinatorRequest>(request);
  if (!wire) co_return end_of(request, wire.error());
  const bool many = request.header.api_version >= first_with_many_keys;
  if (!many) wire->coordinator_keys = {wire->key};
  KeysByHome homes = divide(picture_.routes, *wire);
  const io::Instant deadline = loop_.now() + answer_timeout;
  io::Gate gate(loop_);
  for (auto& [cluster, home] : homes) {
    gate.spawn("coordinators",
               find_at(picture_, *request.connection, cluster, wire->key_type, home, deadline));
  }
  co_await gate.close();
  std::map<std::string, Coordinator> by_key;
  for (auto& [cluster, home] : homes) {
    for (const auto& found : home.found) by_key[found.key] = as_seen_here(picture_, found);
    for (const auto& key : home.keys) by_key.try_emplace(key, no_coordinator(key, home.trouble));
  }
  kafka::FindCoordinatorResponse response;
  for (const auto& key : wire->coordinator_keys) response.coordinators.push_back(by_key[key]);
  if (!many) {
    const Coordinator& only = response.coordinators[0];
    response.error_code = only.error_code;
    response.error_message = only.error_message;
    response.node_id = only.node_id;
    response.host = only.host;
    response.port = only.port;
  }
  co_return server::encode_response(request.header, response);
}

server::Reply Answers::describe_cluster(server::Request request) {
  auto wire = server::decode_request<kafka::DescribeClusterRequest>(request);
  if (!wire) co_return end_of(request, wire.error());
  constexpr int8_t brokers = 1;
  kafka::DescribeClusterResponse response;
  response.endpoint_type = wire->endpoint_type;
  response.cluster_id = picture_.virtual_cluster.id();
  response.controller_id = controller_to_tell(picture_);
  if (wire->endpoint_type != brokers) {
    response.error_code = ErrorCode::unsupported_endpoint_type;
    response.error_message = "only brokers are behind this router";
    co_return server::encode_response(request.header, response);
  }
  for (const Node* node : listed_nodes(picture_)) {
    const io::Address here = picture_.virtual_cluster.advertised(*node);
    response.brokers.push_back({node->real.id, here.host, here.port, node->real.rack});
  }
  co_return server::encode_response(request.header, response);
}

server::Reply Answers::init_producer_id(server::Request request) {
  auto wire = server::decode_request<kafka::InitProducerIdRequest>(request);
  if (!wire) co_return end_of(request, wire.error());
  std::vector<Part<kafka::InitProducerIdRequest>> parts{
      {{picture_.routes.default_home()}, std::move(*wire)}};
  co_await ask_all(loop_, picture_, *request.connection, parts, loop_.now() + answer_timeout);
  kafka::InitProducerIdResponse response;
  if (parts[0].answer) {
    response = std::move(*parts[0].answer);
  } else {
    response.error_code = ErrorCode::coordinator_not_available;
  }
  co_return server::encode_response(request.header, response);
}

server::Reply Answers::list_groups(server::Request request, std::optional<NodeId> node) {
  auto wire = server::decode_request<kafka::ListGroupsRequest>(request);
  if (!wire) co_return end_of(request, wire.error());
  std::vector<Part<kafka::ListGroupsRequest>> parts;
  for (const auto& [id, known] : picture_.virtual_cluster.nodes()) {
    const bool asked = node ? id == *node : known.listed;
    if (asked) parts.push_back({{known.cluster, Asked::node, id}, *wire});
  }
  co_await ask_all(loop_, picture_, *request.connection, parts, loop_.now() + answer_timeout);
  kafka::ListGroupsResponse response;
  for (auto& part : parts) {
    // An answer without some groups would look as though they were gone.
    const auto error = part.answer ? part.answer->error_code : ErrorCode::coordinator_not_available;
    if (error != ErrorCode::none) response.error_code = error;
    if (!part.answer) continue;
    for (auto& group : part.answer->groups) {
      const auto& home = picture_.routes.home_of_group(group.group_id);
      if (home == part.place.cluster) response.groups.push_back(std::move(group));
    }
  }
  co_return server::encode_response(request.header, response);
}

}  // namespace isthmus::router
