// How far groups are behind in a cluster of three brokers, whichever of them is asked.
#include "kafka/gen/describe_site.h"
#include "kafka/gen/find_coordinator.h"
#include "kafka/gen/offset_commit.h"
#include "tests/broker/handlers/requests.h"
#include "tests/broker/handlers/three_brokers.h"

namespace isthmus::broker {
namespace {

using kafka::ErrorCode;
using std::chrono::seconds;

class ClusterGroupLag : public ThreeBrokers {
 protected:
  Machine& leader_of(PartitionIndex index) {
    for (const auto& topic : metadata(machines_[0]).topics) {
      if (topic.name != "orders") continue;
      for (const auto& p : topic.partitions) {
        if (p.partition_index == index) return machine_of(p.leader_id);
      }
    }
    ADD_FAILURE() << "nobody leads orders-" << index;
    return machines_[0];
  }
  Machine& machine_of(NodeId node) { return machines_.at(static_cast<size_t>(node - first_node)); }
  NodeId coordinator(const Machine& asked) {
    kafka::FindCoordinatorRequest request;
    request.coordinator_keys = {"billing"};
    return ask(asked, std::move(request)).coordinators.at(0).node_id;
  }
  int64_t site_ms() { return machines_[1].process->env().main_loop().wall_ms(); }
  void produce(PartitionIndex index, int64_t time_ms) {
    auto request = produce_request("orders", make_batch({{time_ms}}), -1, index);
    const auto answer = ask(leader_of(index), std::move(request));
    ASSERT_EQ(answer.responses.at(0).partition_responses.at(0).error_code, ErrorCode::none);
  }
  void commit(const Machine& machine, std::vector<Offset> offsets) {
    kafka::OffsetCommitRequest request;
    request.group_id = "billing";
    auto& topic = request.topics.emplace_back();
    topic.name = "orders";
    for (size_t i = 0; i < offsets.size(); ++i) {
      topic.partitions.push_back(
          {.partition_index = static_cast<PartitionIndex>(i), .committed_offset = offsets[i]});
    }
    const auto answer = ask(machine, std::move(request));
    ASSERT_EQ(answer.topics.at(0).partitions.at(0).error_code, ErrorCode::none);
  }
  kafka::DescribeSiteResponse::SiteGroup billing(const Machine& asked) {
    kafka::DescribeSiteRequest request;
    request.include_groups = request.include_lags = true;
    request.partitions_of = {"billing"};
    for (auto& group : ask(asked, request, 9093).groups) {
      if (group.name == "billing") return group;
    }
    return {};
  }
};

TEST_F(ClusterGroupLag, IsToldByAllAndGoesOnWithTheCoordinator) {
  start_all();
  create(machines_[0], "orders");
  world_.run_for(seconds(1));
  const NodeId first = coordinator(machines_[0]);
  world_.run_for(seconds(1));
  const int64_t then = site_ms();
  for (PartitionIndex p = 0; p < 3; ++p) {
    produce(p, then - 60'000);
    produce(p, then - 1000 * p);
  }
  commit(machine_of(first), {0, 1, 2});
  world_.run_for(seconds(2));
  for (const Machine& asked : machines_) {
    const auto group = billing(asked);
    const int64_t passed = site_ms() - then;
    EXPECT_EQ(group.lag_records, 3) << asked.name;
    EXPECT_NEAR(static_cast<double>(group.lag_ms), static_cast<double>(60'000 + passed), 1'000);
    ASSERT_EQ(group.partitions.size(), 3u);
    EXPECT_EQ(group.partitions[1].lag_records, 1);
    EXPECT_NEAR(static_cast<double>(group.partitions[1].lag_ms),
                static_cast<double>(1'000 + passed), 1'000);
    EXPECT_EQ(group.partitions[2].lag_ms, 0);
  }

  stop(machine_of(first));
  Machine& asked = machine_of(first == first_node ? first_node + 1 : first_node);
  world_.run_for(seconds(10));
  const NodeId next = coordinator(asked);
  ASSERT_NE(next, first);
  auto group = billing(asked);
  EXPECT_EQ(group.lag_records, 3);
  EXPECT_GT(group.lag_ms, 60'000);
  commit(machine_of(next), {2, 2, 2});
  world_.run_for(seconds(1));
  group = billing(asked);
  EXPECT_EQ(group.lag_records, 0);
  EXPECT_EQ(group.lag_ms, 0);
}

}  // namespace
}  // namespace isthmus::broker
