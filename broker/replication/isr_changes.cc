#include "broker/replication/isr_changes.h"

#include <algorithm>

namespace isthmus::broker {

namespace {

bool lacks_any(const std::vector<NodeId>& isr, const std::vector<NodeId>& of) {
  return std::ranges::any_of(
      of, [&](NodeId node) { return std::ranges::find(isr, node) == isr.end(); });
}

}  // namespace

IsrChanges isr_changes(const Image& before, const Image& now, NodeId leader) {
  IsrChanges changes;
  for (const auto& [id, topic] : now.topics_by_id) {
    const auto known = before.topics_by_id.find(id);
    if (known == before.topics_by_id.end() || known->second == topic) continue;
    const auto& old = known->second->partitions;
    for (size_t i = 0; i < std::min(old.size(), topic->partitions.size()); ++i) {
      const PartitionImage& partition = topic->partitions[i];
      if (partition.leader != leader) continue;
      changes.shrinks += lacks_any(partition.isr, old[i].isr);
      changes.expands += lacks_any(old[i].isr, partition.isr);
    }
  }
  return changes;
}

}  // namespace isthmus::broker
