#include "router/virtual_cluster.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/crypto.h"

namespace isthmus::router {

namespace {

std::string id_of(const std::string& name) {
  Sha256 hash;
  hash.update(as_bytes("isthmus virtual cluster " + name));
  const auto digest = hash.finish();
  Uuid id;
  std::copy_n(digest.begin(), id.bytes.size(), id.bytes.begin());
  return id.to_string();
}

}  // namespace

VirtualCluster::VirtualCluster(process::VirtualCluster config)
    : config_(std::move(config)), id_(id_of(config_.name)) {}

Result<void> VirtualCluster::learn(const std::string& cluster, const std::vector<RealNode>& nodes) {
  size_t added = 0;
  for (const auto& real : nodes) {
    if (real.id < 0) return fail(fmt::format("cluster {} names a node {}", cluster, real.id));
    const Node* known = node(real.id);
    if (known != nullptr && known->cluster != cluster) {
      return fail(fmt::format(
          "node {} is a broker of both {} and {}; node ids must be unique among the clusters "
          "behind a router, so give one of them another node.id",
          real.id, known->cluster, cluster));
    }
    if (known == nullptr) ++added;
  }
  if (nodes_.size() + added >= config_.ports.size()) {
    return fail(fmt::format(
        "virtual_cluster.ports {} leaves no port for a broker of {}; {} brokers and the bootstrap "
        "need {}",
        config_.ports.to_string(), cluster, nodes_.size() + added, nodes_.size() + added + 1));
  }
  for (auto& [id, known] : nodes_) {
    if (known.cluster == cluster) known.listed = false;
  }
  std::vector<RealNode> sorted = nodes;
  std::ranges::sort(sorted, {}, &RealNode::id);
  for (auto& real : sorted) {
    const auto next_port = static_cast<uint16_t>(config_.ports.first + 1 + nodes_.size());
    auto [place, is_new] = nodes_.try_emplace(real.id);
    Node& known = place->second;
    if (is_new) {
      known.cluster = cluster;
      known.port = next_port;
    }
    known.real = std::move(real);
    known.listed = true;
  }
  return {};
}

const Node* VirtualCluster::node(NodeId id) const {
  const auto found = nodes_.find(id);
  return found == nodes_.end() ? nullptr : &found->second;
}

}  // namespace isthmus::router
