// LiveNode: says in ZooKeeper that a broker runs, for as long as its process has its session. Two
// ephemeral nodes, which come and go together:
//
//   <root>/live/<node id>     which process is this broker (LiveNodeRecord)
//   <root>/tokens/<process>   what each commit of the process demands. It is no other's, ever: who
//                             was taken for dead, and has a successor, commits nothing any more
//
// A broker that starts again in the same data directory takes its predecessor's place at once: the
// lock of the directory says that it is gone. Any other that has the same node id is refused. Pure.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/ids.h"
#include "broker/store/zookeeper_layout.h"
#include "zookeeper/client.h"

namespace isthmus::broker {

struct LiveNode {
  Uuid process;
  Uuid directory;
  std::string address;
  int32_t replication_factor = -1;
  // Options by which any broker decides for all of them, by their keys.
  std::map<std::string, std::string> settings = {};
};

// What `theirs` has otherwise: one line for each option, which names it.
std::vector<std::string> differences(const LiveNode& mine, NodeId node, const LiveNode& theirs);

Slice encode_live_node(const LiveNode& node);
// Error::corrupt. `where` names the node.
Result<LiveNode> decode_live_node(const Slice& data, const std::string& where);

// What makes `mine` the broker `id`, where `there` was found; nothing, if it is that already. An
// error says who is.
Result<std::vector<zookeeper::Op>> plan_to_live(const ZookeeperLayout& layout, NodeId id,
                                                const LiveNode& mine,
                                                const std::optional<zookeeper::Node>& there);

// Of each commit of the process.
std::vector<zookeeper::Op> demands_of(const ZookeeperLayout& layout, const Uuid& process);

}  // namespace isthmus::broker
