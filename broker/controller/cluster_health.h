// ClusterHealth: which brokers are dead, as far as anybody can tell. Pure.
//
// Two things say so. The broker's node in ZooKeeper is gone: its session has ended, and with it the
// right to commit anything. Or its process is: a connection to it broke and the next was refused,
// which is known long before the session ends. A line that is cut, or a process that stands still,
// is neither: who is behind it may be well, and serving others.
//
// A refusal is one broker's observation, so it never fences so many that fewer than a majority is
// left: the one who observes may be the one who is alone. (correctness.md, rule 7.)
#pragma once

#include <set>
#include <vector>

#include "broker/image/image.h"

namespace isthmus::broker {

class ClusterHealth {
 public:
  explicit ClusterHealth(NodeId self) : self_(self) {}

  // What ZooKeeper says of the broker's node.
  void on_node(NodeId broker, bool is_there);
  // A connection to it broke, and it refuses the next; `starts`: which of its lives that was.
  void on_refused(NodeId broker, int32_t starts);

  // Its refusal has been acted on: who is fenced by mistake, behind a line that refuses for others,
  // is not fenced for it again.
  void forget_refusal(NodeId broker) {
    std::erase_if(refused_, [broker](const auto& seen) { return seen.first == broker; });
  }

  // Whom a controller fences now.
  std::vector<NodeId> dead(const Image& image) const;
  // Whether its process is gone, whatever ZooKeeper has yet to find out.
  bool is_refused(NodeId broker, const Image& image) const;

 private:
  NodeId self_;
  std::set<NodeId> gone_;
  std::set<std::pair<NodeId, int32_t>> refused_;
};

}  // namespace isthmus::broker
