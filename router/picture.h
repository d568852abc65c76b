// Picture: all that the router knows, for those who answer clients.
//
// Sites change it by what they hear, one loop reads it: what one reader sees between two awaits is
// of one piece, so a flip of the routes reaches all requests at once. Owned by the Router; outlives
// sessions and answers.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "io/event.h"
#include "router/refused_batches.h"
#include "router/routes.h"
#include "router/site.h"
#include "router/traffic.h"
#include "router/virtual_cluster.h"
#include "server/budget.h"

namespace isthmus::router {

struct Picture {
  // What all slow readers together may keep waiting here.
  static constexpr size_t max_waiting_bytes = size_t{256} << 20;
  // Of all clients' requests, at all ports, until a node has taken them.
  static constexpr size_t max_request_bytes = size_t{128} << 20;

  Picture(io::Loop& loop, const process::RouterConfig& config)
      : virtual_cluster(config.virtual_cluster),
        routes(config.routes),
        waiting(loop, max_waiting_bytes),
        requests(loop, max_request_bytes),
        news(loop) {}

  // REQUIRES: routes name clusters of the configuration only; Routes may name others when a record
  // does, for which this is nullptr.
  Site* site(const std::string& name) const {
    const auto found = sites.find(name);
    return found == sites.end() ? nullptr : found->second.get();
  }
  // nullptr if no cluster has told us of such a topic.
  const std::string* topic_name(const Uuid& id) const {
    for (const auto& [name, site] : sites) {
      if (const std::string* topic = site->cluster().metadata().name_of(id)) return topic;
    }
    return nullptr;
  }

  // How long a node may owe an answer while its site is away, or says that the node is; nullopt
  // where neither is away. A site that has lost its routes to another is not waited for: nothing
  // that it may still say helps the client, which should rather go where its topics live now.
  std::optional<io::Duration> patience_with(NodeId id) const {
    constexpr auto longer_than_a_flap_of_a_line = std::chrono::seconds(10);
    const Node* node = virtual_cluster.node(id);
    if (node == nullptr) return std::nullopt;
    const Site* its = site(node->cluster);
    if (its != nullptr && its->reachable() && node->listed) return std::nullopt;
    if (!routes.is_home_of_something(node->cluster)) return io::Duration::zero();
    return longer_than_a_flap_of_a_line;
  }

  VirtualCluster virtual_cluster;
  Routes routes;
  std::map<std::string, std::unique_ptr<Site>> sites;
  RefusedBatches refused_batches;
  CompressedTraffic compressed;
  server::Budget waiting;   // bytes fetched for clients that have not taken them yet
  server::Budget requests;  // of the connections of all ports
  io::Event news;           // of routes, or of who leads what
};

}  // namespace isthmus::router
