#include "tests/sim/reassigning.h"

#include "kafka/gen/alter_partition_reassignments.h"
#include "kafka/gen/drain_broker.h"
#include "kafka/gen/elect_leaders.h"
#include "kafka/gen/unregister_broker.h"

namespace isthmus::sim {

using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

constexpr size_t most_brokers = 5;

Site& anybody(Stage& stage, Cluster& cluster) {
  return cluster[stage.random().below(cluster.size())];
}

// Clients may be sent there.
void join(Stage& stage, Cluster& cluster) {
  cluster.add_broker().start();
  stage.destination().sites = cluster.clients();
}

// Some of the brokers, in any order.
std::vector<NodeId> some_brokers(Stage& stage, Cluster& cluster) {
  std::vector<NodeId> nodes;
  for (size_t i = 0; i < cluster.size(); ++i) {
    const auto place = static_cast<ptrdiff_t>(stage.random().below(nodes.size() + 1));
    nodes.insert(nodes.begin() + place, cluster.node(i));
  }
  nodes.resize(stage.one_in(8) ? 1 : stage.random().between(2, nodes.size()));
  return nodes;
}

void move(Stage& stage, Cluster& cluster, const std::string& topic, int32_t partitions,
          bool takes_back) {
  kafka::AlterPartitionReassignmentsRequest request;
  auto& moved = request.topics.emplace_back();
  moved.name = topic;
  for (PartitionIndex i = 0; i < partitions; ++i) {
    if (stage.one_in(2)) continue;
    auto& partition = moved.partitions.emplace_back();
    partition.partition_index = i;
    if (!takes_back) partition.replicas = some_brokers(stage, cluster);
  }
  (void)stage.asker().ask(anybody(stage, cluster).peers(), std::move(request));
}

void drain(Stage& stage, Cluster& cluster, size_t victim, kafka::BrokerDrain drain) {
  kafka::DrainBrokerRequest request;
  request.broker_id = cluster.node(victim);
  request.drain = drain;
  (void)stage.asker().ask(anybody(stage, cluster).peers(), std::move(request));
}

// Drained, gone, and taken out, if that came so far; it joins again as a new one.
void leave(Stage& stage, Cluster& cluster) {
  const size_t victim = stage.random().below(cluster.size());
  drain(stage, cluster, victim, kafka::BrokerDrain::replicas);
  stage.run_between(milliseconds(100), seconds(8));
  cluster[victim].kill();
  stage.run_between(seconds(1), seconds(9));
  kafka::UnregisterBrokerRequest request;
  request.broker_id = cluster.node(victim);
  for (size_t i = 0; i < cluster.size(); ++i) {
    if (i != victim) (void)stage.asker().ask(cluster[i].peers(), request);
  }
}

}  // namespace

void reassign(Stage& stage, Cluster& cluster, const std::string& topic, int32_t partitions) {
  using Drain = kafka::BrokerDrain;
  switch (stage.random().below(8)) {
    case 0:
      if (cluster.size() < most_brokers) return join(stage, cluster);
      [[fallthrough]];
    case 1:
    case 2:
    case 3: {
      move(stage, cluster, topic, partitions, false);
      if (!stage.one_in(3)) return;
      stage.run_between(milliseconds(0), seconds(1));
      return move(stage, cluster, topic, partitions, stage.one_in(2));
    }
    case 4: return move(stage, cluster, topic, partitions, true);
    case 5: {
      const size_t victim = stage.random().below(cluster.size());
      constexpr Drain drains[] = {Drain::none, Drain::leadership, Drain::replicas};
      return drain(stage, cluster, victim, drains[stage.random().below(3)]);
    }
    case 6: {
      kafka::ElectLeadersRequest request;
      request.topic_partitions.reset();
      (void)stage.asker().ask(anybody(stage, cluster).peers(), std::move(request));
      return;
    }
    default: return leave(stage, cluster);
  }
}

void undo_drains(Stage& stage, Cluster& cluster) {
  for (size_t i = 0; i < cluster.size(); ++i) {
    drain(stage, cluster, i, kafka::BrokerDrain::none);
  }
}

}  // namespace isthmus::sim
