// VirtualCluster: the one cluster that clients believe to talk to.
//
// Its id is derived from its name, so that it is the same after every switchover, restart and at
// every router of that name. Topic ids and node ids are those of the clusters behind it, which are
// unique among linked clusters; so nothing that carries them needs rewriting, and a client that
// compares them sees a partition change its leader, nothing else. Each node has a port here, or a
// name by which clients ask for it in TLS (SNI): a correct client sends Produce and Fetch to the
// leader only, which makes port or name say where a request goes, without looking into it.
//
// A name is that of one node for ever. A port that was given to a node stays its own while the
// router runs. After a restart another node may have it, if a cluster does not answer then; that is
// safe, because whatever arrives at a node that is not responsible is refused and makes the client
// ask for metadata.
//
// No I/O; of the router (router/picture.h), on its loop.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "io/stream.h"
#include "process/router_config.h"

namespace isthmus::router {

// A broker of a cluster as that cluster's metadata name it.
struct RealNode {
  NodeId id = -1;
  io::Address address;
  std::optional<std::string> rack;
};

struct Node {
  RealNode real;
  std::string cluster;
  uint16_t port = 0;    // here
  bool listed = false;  // its cluster's latest metadata name it
};

class VirtualCluster {
 public:
  explicit VirtualCluster(process::VirtualCluster config);

  const std::string& name() const { return config_.name; }
  const std::string& id() const { return id_; }  // 22 characters, as Kafka writes cluster ids
  io::Address bootstrap() const { return {config_.bind, config_.ports.first}; }

  // What a cluster says about its nodes. Those that are new get a port, as long as one is left. On
  // error (a node id that another cluster has as well) nothing of it is taken over.
  Result<void> learn(const std::string& cluster, const std::vector<RealNode>& nodes);
  // Why clients are not shown some of the nodes: no port was left. Empty where all are.
  std::string left_out() const;

  const Node* node(NodeId id) const;
  const std::map<NodeId, Node>& nodes() const { return nodes_; }
  // Where clients reach a node.
  io::Address advertised(const Node& node) const;
  // Whether nodes share the bootstrap's port, and are told apart by name.
  bool has_names() const { return config_.sni; }
  // The known node that such a name stands for, in any case of letters. nullopt: the bootstrap.
  std::optional<NodeId> node_named(std::string_view host) const;

  static constexpr size_t most_named = 1000;
  io::Address bind(const Node& node) const { return {config_.bind, node.port}; }

 private:
  bool has_room() const;
  void note_left_out(const std::string& cluster, size_t left_out);

  const process::VirtualCluster config_;
  const std::string id_;
  std::map<NodeId, Node> nodes_;
  std::map<std::string, std::string> left_out_;  // by cluster
};

}  // namespace isthmus::router
