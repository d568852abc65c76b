// Three brokers of one cluster: what they tell of each other, and what one that comes back may do.
#include <set>

#include "broker/coordinator/key_partition.h"
#include "kafka/gen/describe_cluster.h"
#include "kafka/gen/find_coordinator.h"
#include "tests/broker/handlers/three_brokers.h"

namespace isthmus::broker {
namespace {

using kafka::ErrorCode;
using std::chrono::seconds;
using ClusterTest = ThreeBrokers;

TEST_F(ClusterTest, EachTellsOfAllAtTheListenerThatItIsAskedOn) {
  start_all();
  for (const Machine& machine : machines_) {
    const auto told = metadata(machine);
    EXPECT_EQ(brokers_in(told), "101=k1:9092 102=k2:9092 103=k3:9092");
    EXPECT_EQ(told.controller_id, 101);
    EXPECT_EQ(brokers_in(metadata(machine, 9093)), "101=k1:9093 102=k2:9093 103=k3:9093");
    const auto described = ask(machine, kafka::DescribeClusterRequest{});
    EXPECT_EQ(described.brokers.size(), 3u);
    EXPECT_EQ(described.controller_id, 101);
    EXPECT_EQ(described.cluster_id, told.cluster_id);
  }
}

TEST_F(ClusterTest, ATopicThatIsCreatedAtOneIsKnownAtAll) {
  start_all();
  create(machines_[2], "orders", 3);
  world_.run_for(seconds(1));
  std::set<NodeId> leaders;
  for (const Machine& machine : machines_) {
    const auto told = metadata(machine);
    ASSERT_EQ(told.topics.size(), 1u);
    EXPECT_EQ(told.topics[0].name, "orders");
    for (const auto& partition : told.topics[0].partitions) {
      EXPECT_EQ(partition.replica_nodes.size(), 3u);
      leaders.insert(partition.leader_id);
    }
  }
  EXPECT_EQ(leaders, (std::set<NodeId>{101, 102, 103}));
}

TEST_F(ClusterTest, AGroupsCoordinatorIsWhoLeadsItsPartition) {
  start_all();
  std::set<NodeId> coordinators;
  for (int i = 0; i < 12; ++i) {
    kafka::FindCoordinatorRequest request;
    request.coordinator_keys = {"group-" + std::to_string(i)};
    std::set<NodeId> told;
    for (const Machine& machine : machines_) {
      const auto answer = ask(machine, request).coordinators.at(0);
      ASSERT_EQ(answer.error_code, ErrorCode::none);
      EXPECT_EQ(answer.host, machines_[static_cast<size_t>(answer.node_id - first_node)].name);
      told.insert(answer.node_id);
    }
    ASSERT_EQ(told.size(), 1u) << "all say the same";
    const auto topics = metadata(machines_[0]).topics;
    const auto index = static_cast<size_t>(partition_of_key(request.coordinator_keys[0], 6));
    EXPECT_EQ(*told.begin(), topics.at(0).partitions.at(index).leader_id);
    coordinators.insert(*told.begin());
  }
  EXPECT_GT(coordinators.size(), 1u);
}

TEST_F(ClusterTest, WhoStopsIsNotToldOfUntilItServesAgain) {
  start_all();
  stop(machines_[0]);
  const auto told = metadata(machines_[1]);
  EXPECT_EQ(brokers_in(told), "102=k2:9092 103=k3:9092");
  EXPECT_TRUE(told.controller_id == 102 || told.controller_id == 103) << told.controller_id;
  ASSERT_TRUE(start(machines_[0]));
  world_.run_for(seconds(1));
  EXPECT_EQ(brokers_in(metadata(machines_[1])), "101=k1:9092 102=k2:9092 103=k3:9092");
}

TEST_F(ClusterTest, ARestartAfterAKillDoesNotWaitForTheSession) {
  start_all();
  machines_[1].host->kill();
  auto started = start(machines_[1]);
  EXPECT_TRUE(started) << started.error().text;
}

TEST_F(ClusterTest, ADirectoryTooManyForANodeIdIsRefusedBeforeAnythingIsWritten) {
  start_all();
  const auto commits = ensemble_.children("/isthmus/commits").size();
  Machine& fourth = add_machine(102);
  const auto refused = start(fourth);
  ASSERT_FALSE(refused);
  EXPECT_TRUE(refused.error().text.starts_with("node.id 102 is in use by the broker at k2:9092"))
      << refused.error().text;
  EXPECT_EQ(ensemble_.children("/isthmus/commits").size(), commits);
  EXPECT_EQ(ensemble_.children("/isthmus/live").size(), 3u);
}

TEST_F(ClusterTest, WhoHasLostItsSessionEndsAndStartsAnew) {
  start_all();
  Machine& second = machines_[1];
  second.connector->session->expire();
  world_.run_for(seconds(1));
  ASSERT_TRUE(second.failure);
  EXPECT_NE(second.failure->text.find("session with ZooKeeper is lost"), std::string::npos);
  stop(second);
  EXPECT_EQ(brokers_in(metadata(machines_[0])), "101=k1:9092 103=k3:9092");
  auto started = start(second);
  EXPECT_TRUE(started) << started.error().text;
}

// Else a client goes by it for as long as it does not ask again.
TEST_F(ClusterTest, WhoHasJustDiedIsToldOfAsALeaderToNobody) {
  start_all();
  create(machines_[0], "orders", 3);
  world_.run_for(seconds(2));
  const auto leaders = [&] {
    std::multiset<NodeId> found;
    const auto told = metadata(machines_[0]);
    for (const auto& partition : told.topics.at(0).partitions) found.insert(partition.leader_id);
    return found;
  };
  ASSERT_EQ(leaders().count(103), 1u);
  machines_[2].host->kill();
  world_.run_for(std::chrono::milliseconds(10));
  EXPECT_EQ(leaders().count(103), 0u);
  world_.run_for(seconds(5));
  EXPECT_EQ(leaders().count(-1), 0u) << "others lead by then";
}

TEST_F(ClusterTest, WithoutZookeeperWhatIsThereIsServedAndNothingIsChanged) {
  start_all();
  create(machines_[0], "orders");
  machines_[0].connector->session->cut_line();
  EXPECT_EQ(metadata(machines_[0]).topics.size(), 1u);
  kafka::CreateTopicsRequest request;
  request.topics.emplace_back().name = "wine";
  request.topics[0].num_partitions = 1;
  request.topics[0].replication_factor = -1;
  request.timeout_ms = 60'000;
  const auto refused = ask(machines_[0], std::move(request)).topics.at(0);
  EXPECT_EQ(refused.error_code, ErrorCode::request_timed_out);
  EXPECT_EQ(refused.error_message,
            "zookeeper: no server answers; whether it was written is not known");
  auto status = run_in(world_, *machines_[0].process, machines_[0].broker->status());
  EXPECT_TRUE(status.ready);
  EXPECT_NE(status.degraded.find("ZooKeeper does not answer"), std::string::npos);
  machines_[0].connector->session->mend_line();
  world_.run_for(seconds(1));
  create(machines_[0], "beer");
}

}  // namespace
}  // namespace isthmus::broker
