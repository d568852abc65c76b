#include "router/virtual_cluster.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>

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

constexpr char before_id = 'b';  // of a node's name: b101.kafka.corp

std::string node_name(NodeId id, const std::string& under) {
  return fmt::format("{}{}.{}", before_id, id, under);
}

std::string lower(std::string_view text) {
  std::string made(text);
  std::ranges::transform(made, made.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? char(c - 'A' + 'a') : c; });
  return made;
}

}  // namespace

VirtualCluster::VirtualCluster(process::VirtualCluster config)
    : config_(std::move(config)), id_(id_of(config_.name)) {}

bool VirtualCluster::has_room() const {
  return nodes_.size() < (has_names() ? most_named : size_t{config_.ports.size()} - 1);
}

Result<void> VirtualCluster::learn(const std::string& cluster, const std::vector<RealNode>& nodes) {
  for (const auto& real : nodes) {
    if (real.id < 0) return fail(fmt::format("cluster {} names a node {}", cluster, real.id));
    const Node* known = node(real.id);
    if (known != nullptr && known->cluster != cluster) {
      return fail(fmt::format(
          "node {} is a broker of both {} and {}; node ids must be unique among the clusters "
          "behind a router, so give one of them another node.id",
          real.id, known->cluster, cluster));
    }
  }
  for (auto& [id, known] : nodes_) {
    if (known.cluster == cluster) known.listed = false;
  }
  std::vector<RealNode> sorted = nodes;
  std::ranges::sort(sorted, {}, &RealNode::id);
  size_t left_out = 0;
  for (auto& real : sorted) {
    const bool is_new = node(real.id) == nullptr;
    if (is_new && !has_room()) {
      ++left_out;
      continue;
    }
    const size_t next = has_names() ? 0 : 1 + nodes_.size();
    Node& known = nodes_[real.id];
    if (is_new) {
      known.cluster = cluster;
      known.port = static_cast<uint16_t>(config_.ports.first + next);
    }
    known.real = std::move(real);
    known.listed = true;
  }
  note_left_out(cluster, left_out);
  return {};
}

void VirtualCluster::note_left_out(const std::string& cluster, size_t left_out) {
  if (left_out == 0) {
    left_out_.erase(cluster);
  } else if (has_names()) {
    left_out_[cluster] = fmt::format("there are {} brokers with those of {}; at most {}",
                                     nodes_.size() + left_out, cluster, most_named);
  } else {
    left_out_[cluster] = fmt::format(
        "virtual_cluster.ports {} leaves no port for a broker of {}; {} brokers and the bootstrap "
        "need {}",
        config_.ports.to_string(), cluster, nodes_.size() + left_out, nodes_.size() + left_out + 1);
  }
}

std::string VirtualCluster::left_out() const {
  return left_out_.empty() ? "" : left_out_.begin()->second;
}

io::Address VirtualCluster::advertised(const Node& node) const {
  if (!has_names()) return {config_.advertise, node.port};
  return {node_name(node.real.id, config_.advertise), node.port};
}

std::optional<NodeId> VirtualCluster::node_named(std::string_view host) const {
  if (!has_names() || host.empty()) return std::nullopt;
  NodeId id = -1;
  const auto [rest, error] = std::from_chars(host.data() + 1, host.data() + host.size(), id);
  if (error != std::errc{} || node(id) == nullptr) return std::nullopt;
  // One spelling of a number is its own.
  if (lower(host) != lower(node_name(id, config_.advertise))) return std::nullopt;
  return id;
}

const Node* VirtualCluster::node(NodeId id) const {
  const auto found = nodes_.find(id);
  return found == nodes_.end() ? nullptr : &found->second;
}

}  // namespace isthmus::router
