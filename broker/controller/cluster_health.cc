#include "broker/controller/cluster_health.h"

#include <algorithm>

namespace isthmus::broker {

void ClusterHealth::on_node(NodeId broker, bool is_there) {
  if (is_there) {
    gone_.erase(broker);
  } else {
    gone_.insert(broker);
  }
}

void ClusterHealth::on_refused(NodeId broker, int32_t starts) {
  // Of one broker the latest life that was seen to end.
  std::erase_if(refused_,
                [&](const auto& seen) { return seen.first == broker && seen.second < starts; });
  refused_.emplace(broker, starts);
}

bool ClusterHealth::is_refused(NodeId broker, const Image& image) const {
  return broker != self_ && refused_.contains({broker, image.starts_of(broker)});
}

std::vector<NodeId> ClusterHealth::dead(const Image& image) const {
  std::vector<NodeId> dead, refused;
  size_t serving = 0;
  for (const auto& [node, broker] : image.brokers) {
    if (broker.fenced) continue;
    ++serving;
    if (node == self_) continue;
    if (gone_.contains(node)) {
      dead.push_back(node);
    } else if (is_refused(node, image)) {
      refused.push_back(node);
    }
  }
  const size_t left = serving - dead.size() - refused.size();
  if (left > image.brokers.size() / 2) std::ranges::copy(refused, std::back_inserter(dead));
  return dead;
}

}  // namespace isthmus::broker
