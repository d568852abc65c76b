#include "broker/controller/placement.h"

#include <algorithm>
#include <map>
#include <set>

#include "broker/controller/elections.h"
#include "broker/controller/reassignment.h"
#include "kafka/errors.h"

namespace isthmus::broker {

using kafka::ErrorCode;

namespace {

using Nodes = std::vector<NodeId>;

bool may_hold(const BrokerImage& broker) { return broker.drain != BrokerDrain::replicas; }

Nodes holders(const Image& image) {
  Nodes nodes;
  for (const auto& [node, broker] : image.brokers) {
    if (may_hold(broker)) nodes.push_back(node);
  }
  return nodes;
}

// One of each rack, then the next of each: neighbours are in different racks.
Nodes racks_in_turn(const Image& image, const Nodes& nodes) {
  std::map<std::string, Nodes> racks;
  for (NodeId node : nodes) racks[image.brokers.at(node).rack].push_back(node);
  Nodes ordered;
  for (size_t i = 0; ordered.size() < nodes.size(); ++i) {
    for (const auto& [rack, members] : racks) {
      if (i < members.size()) ordered.push_back(members[i]);
    }
  }
  return ordered;
}

void turn_to(Nodes& nodes, size_t first) {
  if (nodes.empty()) return;
  std::ranges::rotate(nodes, nodes.begin() + static_cast<ptrdiff_t>(first % nodes.size()));
}

size_t turn_of(const Uuid& topic, int32_t index) {
  return topic.bytes.front() + static_cast<size_t>(index);
}

std::string name_of(NodeId node) { return "broker " + std::to_string(node); }

}  // namespace

std::vector<NodeId> everywhere(const Image& image, const Uuid& topic, int32_t index) {
  Nodes nodes = holders(image);
  turn_to(nodes, turn_of(topic, index));
  return nodes;
}

Result<std::vector<NodeId>> spread(const Image& image, int factor, const Uuid& topic,
                                   int32_t index) {
  Nodes nodes = racks_in_turn(image, holders(image));
  if (factor < 1 || factor > std::ssize(nodes)) {
    return kafka::refuse(ErrorCode::invalid_replication_factor,
                         "the replication factor is 1 to " + std::to_string(nodes.size()) +
                             ", the brokers of this cluster, or -1 for all of them");
  }
  turn_to(nodes, turn_of(topic, index));
  Nodes chosen;
  for (NodeId node : nodes) {
    if (serves(image, node)) chosen.push_back(node);
  }
  // Who does not serve is asked last.
  for (NodeId node : nodes) {
    if (!serves(image, node)) chosen.push_back(node);
  }
  chosen.resize(static_cast<size_t>(factor));
  return chosen;
}

std::vector<NodeId> like_others(const Image& image, const TopicImage& topic, int32_t index) {
  const auto most = static_cast<int>(holders(image).size());
  if (topic.replication_factor == 0 || most == 0) return everywhere(image, topic.id, index);
  const int factor = std::min<int>(topic.replication_factor, most);
  return spread(image, factor, topic.id, index).value();
}

Result<void> check_assignment(const Image& image, const std::vector<NodeId>& replicas) {
  if (replicas.empty()) {
    return kafka::refuse(ErrorCode::invalid_replica_assignment, "it names no broker");
  }
  std::set<NodeId> named;
  for (NodeId node : replicas) {
    if (!image.brokers.contains(node)) {
      return kafka::refuse(ErrorCode::invalid_replica_assignment,
                           name_of(node) + " is not of this cluster");
    }
    if (!named.insert(node).second) {
      return kafka::refuse(ErrorCode::invalid_replica_assignment,
                           name_of(node) + " is named more than once");
    }
  }
  return {};
}

PartitionImage place(Plan& plan, const Image& image, std::vector<NodeId> replicas,
                     LeaderEpoch epoch) {
  PartitionImage partition;
  partition.replicas = std::move(replicas);
  for (const NodeId node : partition.replicas) {
    if (image.brokers.at(node).fenced) continue;
    partition.isr.push_back(node);
    plan.rely_on(node, image);
  }
  if (partition.isr.empty()) {
    // Whoever serves first leads: none of them has anything yet.
    partition.elr = partition.replicas;
  } else {
    partition.leader = first_serving(image, partition.replicas, partition.isr);
  }
  put_epoch(partition, epoch, image);
  return partition;
}

namespace {

using Loads = std::map<NodeId, size_t>;

Loads loads_of(const Image& image) {
  Loads loads;
  for (const auto& [name, topic] : image.topics) {
    for (const PartitionImage& partition : topic->partitions) {
      for (NodeId node : partition.replicas) ++loads[node];
    }
  }
  return loads;
}

// Nobody begins to come who does not serve.
Nodes wanted_everywhere(const Image& image, const Uuid& topic, const PartitionImage& partition,
                        int32_t index) {
  Nodes wanted = everywhere(image, topic, index);
  std::erase_if(wanted, [&](NodeId node) {
    return !serves(image, node) && !contains(partition.replicas, node);
  });
  return wanted;
}

// Each that is drained is replaced by the broker that has least, in its place.
Nodes wanted_instead(const Image& image, const PartitionImage& partition, Loads& loads) {
  Nodes wanted = partition.replicas;
  for (NodeId& node : wanted) {
    const auto known = image.brokers.find(node);
    if (known != image.brokers.end() && may_hold(known->second)) continue;
    NodeId best = -1;
    for (const auto& [other, broker] : image.brokers) {
      const bool may = !broker.fenced && may_hold(broker) && !contains(wanted, other);
      if (may && (best < 0 || loads[other] < loads[best])) best = other;
    }
    if (best < 0) continue;
    ++loads[best];
    node = best;
  }
  return wanted;
}

bool any_lost(const Image& image, const Nodes& nodes) {
  return std::ranges::any_of(nodes, [&](NodeId node) {
    const auto known = image.brokers.find(node);
    return known == image.brokers.end() || !may_hold(known->second);
  });
}

// What is under way to a broker that was drained, or is gone, goes elsewhere; where there is nobody
// it is taken back, or it would never end.
Nodes wanted_without_lost(const Image& image, const TopicImage& topic,
                          const PartitionImage& partition, int32_t index, Loads& loads) {
  if (topic.replication_factor == 0) return wanted_everywhere(image, topic.id, partition, index);
  PartitionImage target = partition;
  std::erase_if(target.replicas, [&](NodeId node) { return contains(partition.removing, node); });
  Nodes wanted = wanted_instead(image, target, loads);
  if (any_lost(image, wanted)) {
    wanted = partition.replicas;
    std::erase_if(wanted, [&](NodeId node) { return contains(partition.adding, node); });
  }
  return wanted;
}

bool are_same(Nodes a, Nodes b) {
  std::ranges::sort(a);
  std::ranges::sort(b);
  return a == b;
}

}  // namespace

Result<Plan> plan_placement(const Image& image, int at_once) {
  const auto any_drained =
      std::ranges::any_of(image.brokers, [](const auto& entry) { return !may_hold(entry.second); });
  const size_t all = holders(image).size();
  int under_way = 0;
  bool is_due = any_drained;
  for (const auto& [name, topic] : image.topics) {
    const bool is_everywhere = topic->replication_factor == 0;
    for (const PartitionImage& partition : topic->partitions) {
      under_way += partition.is_reassigned();
      is_due = is_due || (is_everywhere && partition.replicas.size() != all);
    }
  }
  Plan plan;
  if (!is_due && under_way == 0) return plan;
  std::optional<Loads> loads;
  int completed = 0;
  change_partitions(
      plan, image, [&](const TopicImage& topic, PartitionImage& partition, PartitionIndex index) {
        if (partition.is_reassigned()) {
          if (completed >= at_once) return;
          if (any_lost(image, partition.adding)) {
            if (!loads) loads = loads_of(image);
            const Nodes wanted = wanted_without_lost(image, topic, partition, index, *loads);
            // Where it is refused it is tried again when another is in sync.
            (void)begin_reassignment(plan, topic, partition, wanted, image);
          } else {
            complete_reassignment(plan, topic, partition, image);
          }
          completed += !partition.is_reassigned();
          return;
        }
        if (under_way >= at_once) return;
        const bool is_everywhere = topic.replication_factor == 0;
        if (!is_everywhere && !any_drained) return;
        if (!is_everywhere && !loads) loads = loads_of(image);
        const Nodes wanted = is_everywhere ? wanted_everywhere(image, topic.id, partition, index)
                                           : wanted_instead(image, partition, *loads);
        if (wanted.empty() || are_same(wanted, partition.replicas)) return;
        // There is nothing to be taken back, and so nothing that refuses.
        (void)begin_reassignment(plan, topic, partition, wanted, image);
        ++under_way;
      });
  return plan;
}

namespace {

std::unexpected<Error> not_registered(NodeId node) {
  return kafka::refuse(ErrorCode::broker_id_not_registered,
                       "no " + name_of(node) + " is registered here");
}

}  // namespace

Result<Plan> plan_drain(const Image& image, NodeId node, BrokerDrain drain) {
  const auto known = image.brokers.find(node);
  if (known == image.brokers.end()) return not_registered(node);
  const bool is_last = std::ranges::none_of(image.brokers, [&](const auto& entry) {
    return entry.first != node && entry.second.drain == BrokerDrain::none && !entry.second.fenced;
  });
  if (drain != BrokerDrain::none && is_last) {
    return kafka::refuse(ErrorCode::invalid_request,
                         "no other broker serves that is not drained: bring one back first");
  }
  Plan plan;
  if (known->second.drain == drain) return plan;
  BrokerImage next = known->second;
  next.drain = drain;
  plan.put_broker(node, next);
  return plan;
}

Result<Plan> plan_unregister(const Image& image, NodeId node, bool running) {
  const auto known = image.brokers.find(node);
  if (known == image.brokers.end()) return not_registered(node);
  if (!known->second.fenced || running) {
    return kafka::refuse(ErrorCode::invalid_request,
                         name_of(node) + " is alive: stop it before it is removed");
  }
  size_t held = 0;
  std::string first;
  for (const auto& [name, topic] : image.topics) {
    for (size_t i = 0; i < topic->partitions.size(); ++i) {
      if (!contains(topic->partitions[i].replicas, node)) continue;
      if (held++ == 0) first = name + "-" + std::to_string(i);
    }
  }
  if (held > 0) {
    return kafka::refuse(ErrorCode::invalid_request,
                         name_of(node) + " has replicas of " + std::to_string(held) +
                             (held == 1 ? " partition" : " partitions") + ", " + first +
                             " among them: drain it of its replicas first");
  }
  Plan plan;
  plan.remove_broker(node, known->second);
  return plan;
}

}  // namespace isthmus::broker
