// Brokers that come and go: who holds what in a cluster of several, and who leads.
#include <algorithm>
#include <set>

#include "kafka/gen/alter_partition_reassignments.h"
#include "kafka/gen/create_partitions.h"
#include "kafka/gen/describe_cluster.h"
#include "kafka/gen/describe_configs.h"
#include "kafka/gen/describe_site.h"
#include "kafka/gen/drain_broker.h"
#include "kafka/gen/elect_leaders.h"
#include "kafka/gen/incremental_alter_configs.h"
#include "kafka/gen/list_partition_reassignments.h"
#include "kafka/gen/unregister_broker.h"
#include "tests/broker/handlers/requests.h"
#include "tests/broker/handlers/three_brokers.h"

namespace isthmus::broker {
namespace {

using kafka::ErrorCode;
using std::chrono::seconds;
using Nodes = std::vector<NodeId>;
using Partition = kafka::MetadataResponse::MetadataResponsePartition;

class MovingTest : public ThreeBrokers {
 protected:
  std::vector<Partition> partitions(const Machine& at, const std::string& topic = "orders") {
    for (auto& told : metadata(at).topics) {
      if (told.name == topic) return told.partitions;
    }
    return {};
  }
  // Of "orders": a partition that this broker is preferred to lead. Where a topic begins goes by
  // its id.
  PartitionIndex home_of(NodeId node) {
    const auto all = partitions(machines_[1]);
    for (const Partition& p : all) {
      if (p.replica_nodes.front() == node) return p.partition_index;
    }
    ADD_FAILURE() << node << " is not preferred anywhere";
    return 0;
  }
  // Until each partition has these replicas, in any order, and all are in sync.
  bool settled(const Machine& at, Nodes nodes, const std::string& topic = "orders") {
    for (int i = 0; i < 100; ++i) {
      const auto all = partitions(at, topic);
      const bool are_there = std::ranges::all_of(all, [&](const Partition& p) {
        Nodes have = p.replica_nodes;
        std::ranges::sort(have);
        return have == nodes && p.isr_nodes.size() == nodes.size();
      });
      if (!all.empty() && are_there) return true;
      world_.run_for(std::chrono::milliseconds(200));
    }
    return false;
  }
  ErrorCode drain(const Machine& at, NodeId node, kafka::BrokerDrain drain) {
    kafka::DrainBrokerRequest request;
    request.broker_id = node;
    request.drain = drain;
    return ask(at, request, 9093).error_code;
  }
  kafka::UnregisterBrokerResponse unregister(const Machine& at, NodeId node) {
    kafka::UnregisterBrokerRequest request;
    request.broker_id = node;
    return ask(at, request);
  }
  ErrorCode reassign(const Machine& at, std::optional<Nodes> replicas, PartitionIndex index = 0) {
    kafka::AlterPartitionReassignmentsRequest request;
    auto& topic = request.topics.emplace_back();
    topic.name = "orders";
    topic.partitions.push_back({index, std::move(replicas)});
    return ask(at, request).responses.at(0).partitions.at(0).error_code;
  }
  static bool has_folder(const Machine& machine, const std::string& name) {
    return machine.host->disk().find("/data/" + name + "/partition.metadata") != nullptr;
  }
};

TEST_F(MovingTest, AFourthBrokerGetsEverythingAndAFirstOneLeaves) {
  start_all();
  create(machines_[0], "orders");
  Machine& fourth = add_machine(104);
  ASSERT_TRUE(start(fourth));
  ASSERT_TRUE(settled(machines_[1], {101, 102, 103, 104}));
  EXPECT_TRUE(has_folder(fourth, "orders-0"));

  EXPECT_EQ(unregister(machines_[1], 101).error_code, ErrorCode::invalid_request) << "it lives";
  EXPECT_EQ(unregister(machines_[1], 199).error_code, ErrorCode::broker_id_not_registered);
  EXPECT_EQ(drain(machines_[1], 199, kafka::BrokerDrain::replicas),
            ErrorCode::broker_id_not_registered);
  EXPECT_EQ(drain(machines_[1], 101, kafka::BrokerDrain::replicas), ErrorCode::none);
  ASSERT_TRUE(settled(machines_[1], {102, 103, 104}));
  world_.run_for(seconds(1));
  for (const char* folder : {"orders-0", "orders-1", "orders-2"}) {
    EXPECT_FALSE(has_folder(machines_[0], folder)) << folder;
    EXPECT_TRUE(has_folder(machines_[1], folder)) << folder;
  }
  stop(machines_[0]);
  EXPECT_EQ(unregister(machines_[1], 101).error_code, ErrorCode::none);
  kafka::DescribeSiteRequest request;
  request.include_brokers = true;
  EXPECT_EQ(ask(machines_[1], request, 9093).brokers.size(), 3u);

  // It may come again.
  ASSERT_TRUE(start(machines_[0]));
  EXPECT_TRUE(settled(machines_[1], {101, 102, 103, 104}));
}

TEST_F(MovingTest, WhatIsAddedIsHeldBackUntilItIsAllowedMore) {
  start_all();
  create(machines_[0], "orders");
  ASSERT_TRUE(settled(machines_[0], {101, 102, 103}));
  const PartitionIndex home = home_of(101);
  for (int i = 0; i < 20; ++i) {
    auto batch = make_batch({{1000, std::string(50'000, 'v')}});
    const auto answer = ask(machines_[0], produce_request("orders", std::move(batch), -1, home));
    ASSERT_EQ(answer.responses.at(0).partition_responses.at(0).error_code, ErrorCode::none);
  }
  Machine& fourth = add_machine(104);
  fourth.config.broker.reassignment_bandwidth = 20'000;
  ASSERT_TRUE(start(fourth));
  world_.run_for(seconds(20));
  const auto told = partitions(machines_[1]).at(static_cast<size_t>(home));
  EXPECT_EQ(told.replica_nodes.size(), 4u);
  EXPECT_EQ(told.isr_nodes.size(), 3u) << "of a million bytes it may have half by now";
  const auto status = run_in(world_, *machines_[0].process, machines_[0].broker->status());
  EXPECT_NE(status.json.find("\"bytes_to_go\""), std::string::npos);
  EXPECT_EQ(status.json.find("\"bytes_to_go\":0"), std::string::npos) << status.json;

  kafka::IncrementalAlterConfigsRequest request;
  auto& resource = request.resources.emplace_back();
  resource.resource_type = kafka::ConfigResource::broker;
  resource.resource_name = "104";
  resource.configs.push_back(
      {"follower.replication.throttled.rate", kafka::ConfigOperation::set, "10000000"});
  EXPECT_EQ(ask(machines_[0], request).responses.at(0).error_code, ErrorCode::none);
  world_.run_for(seconds(2));
  EXPECT_EQ(partitions(machines_[1]).at(static_cast<size_t>(home)).isr_nodes.size(), 4u);
}

TEST_F(MovingTest, WhatWasTakenAwayWhileABrokerWasDownIsRemovedAtItsStart) {
  start_all();
  create(machines_[0], "orders");
  ASSERT_TRUE(settled(machines_[0], {101, 102, 103}));
  stop(machines_[2]);
  EXPECT_EQ(reassign(machines_[0], Nodes{101, 102}), ErrorCode::none);
  EXPECT_TRUE(has_folder(machines_[2], "orders-0"));
  ASSERT_TRUE(start(machines_[2]));
  world_.run_for(seconds(1));
  EXPECT_FALSE(has_folder(machines_[2], "orders-0"));
  EXPECT_TRUE(has_folder(machines_[2], "orders-1"));
  EXPECT_EQ(reassign(machines_[0], Nodes{101, 102, 103}), ErrorCode::none);
  EXPECT_TRUE(settled(machines_[0], {101, 102, 103})) << "it comes again, empty";
}

TEST_F(MovingTest, ReassignmentsAreListedAndTakenBack) {
  start_all();
  kafka::CreateTopicsRequest request;
  auto& topic = request.topics.emplace_back();
  topic.name = "orders";
  topic.num_partitions = topic.replication_factor = -1;
  topic.assignments = {{0, {101, 102}}, {1, {102, 103}}};
  const auto made = ask(machines_[0], request).topics.at(0);
  ASSERT_EQ(made.error_code, ErrorCode::none) << made.error_message.value_or("");
  EXPECT_EQ(made.replication_factor, 2);
  EXPECT_EQ(partitions(machines_[0]).at(1).replica_nodes, (Nodes{102, 103}));

  EXPECT_EQ(reassign(machines_[1], std::nullopt), ErrorCode::no_reassignment_in_progress);
  EXPECT_EQ(reassign(machines_[1], Nodes{101, 109}), ErrorCode::invalid_replica_assignment);
  EXPECT_EQ(reassign(machines_[1], Nodes{101}, 9), ErrorCode::unknown_topic_or_partition);
  stop(machines_[2]);
  EXPECT_EQ(reassign(machines_[0], Nodes{103, 102}), ErrorCode::none);
  const auto listed = ask(machines_[0], kafka::ListPartitionReassignmentsRequest{});
  ASSERT_EQ(listed.topics.size(), 1u);
  const auto& move = listed.topics[0].partitions.at(0);
  EXPECT_EQ(move.replicas, (Nodes{103, 102, 101}));
  EXPECT_EQ(move.adding_replicas, Nodes{103});
  EXPECT_EQ(move.removing_replicas, Nodes{101});
  EXPECT_EQ(reassign(machines_[0], std::nullopt), ErrorCode::none);
  EXPECT_TRUE(ask(machines_[0], kafka::ListPartitionReassignmentsRequest{}).topics.empty());
  EXPECT_EQ(reassign(machines_[0], Nodes{103, 102}), ErrorCode::none);
  ASSERT_TRUE(start(machines_[2]));
  ASSERT_TRUE(settled(machines_[1], {102, 103}));
  EXPECT_FALSE(has_folder(machines_[0], "orders-0"));
}

TEST_F(MovingTest, CreatePartitionsTakesAnAssignment) {
  start_all();
  create(machines_[0], "orders");
  kafka::CreatePartitionsRequest request;
  auto& grown = request.topics.emplace_back();
  grown.name = "orders";
  grown.count = 4;
  grown.assignments.emplace().emplace_back().broker_ids = {103, 101};
  request.timeout_ms = 10'000;
  EXPECT_EQ(ask(machines_[0], request).results.at(0).error_code,
            ErrorCode::invalid_replica_assignment)
      << "the others have three replicas";
  request.topics.at(0).assignments->at(0).broker_ids = {103, 101, 102};
  const auto answer = ask(machines_[0], request).results.at(0);
  EXPECT_EQ(answer.error_code, ErrorCode::none) << answer.error_message.value_or("");
  EXPECT_EQ(partitions(machines_[0]).at(3).replica_nodes, (Nodes{103, 101, 102}));
}

TEST_F(MovingTest, LeadersGoHomeByAnElection) {
  start_all();
  create(machines_[0], "orders");
  const auto home = static_cast<size_t>(home_of(101));
  stop(machines_[0]);
  ASSERT_TRUE(start(machines_[0]));
  ASSERT_TRUE(settled(machines_[1], {101, 102, 103}));
  EXPECT_NE(partitions(machines_[1]).at(home).leader_id, 101);
  kafka::ElectLeadersRequest all;
  all.topic_partitions.reset();
  const auto elected = ask(machines_[1], all);
  ASSERT_EQ(elected.replica_election_results.size(), 1u);
  EXPECT_EQ(elected.replica_election_results[0].partition_result.size(), 1u)
      << "of the others there is no news";
  EXPECT_EQ(partitions(machines_[1]).at(home).leader_id, 101);
  auto& named = all.topic_partitions.emplace().emplace_back();
  named.topic = "orders";
  named.partitions = {static_cast<PartitionIndex>(home), 7};
  const auto told = ask(machines_[1], all).replica_election_results.at(0).partition_result;
  EXPECT_EQ(told.at(0).error_code, ErrorCode::election_not_needed);
  EXPECT_EQ(told.at(1).error_code, ErrorCode::unknown_topic_or_partition);
}

TEST_F(MovingTest, LeadersGoHomeByThemselvesAfterAWhile) {
  for (Machine& machine : machines_) machine.config.broker.leader_imbalance_check_interval_s = 10;
  start_all();
  create(machines_[0], "orders");
  const auto home = static_cast<size_t>(home_of(101));
  stop(machines_[0]);
  ASSERT_TRUE(start(machines_[0]));
  ASSERT_TRUE(settled(machines_[1], {101, 102, 103}));
  world_.run_for(seconds(30));
  EXPECT_EQ(partitions(machines_[1]).at(home).leader_id, 101);
}

TEST_F(MovingTest, AllTellOfOneController) {
  start_all();
  stop(machines_[0]);
  ASSERT_TRUE(start(machines_[0]));
  world_.run_for(seconds(6));
  std::set<NodeId> told;
  for (const Machine& machine : machines_) {
    told.insert(metadata(machine).controller_id);
    told.insert(ask(machine, kafka::DescribeClusterRequest{}).controller_id);
    kafka::DescribeSiteRequest request;
    request.include_brokers = true;
    told.insert(ask(machine, request, 9093).controller_id);
  }
  EXPECT_EQ(told.size(), 1u);
  EXPECT_NE(*told.begin(), 101) << "another has taken the seat";
}

TEST_F(MovingTest, WhatIsInForceOfMinInsyncReplicasIsShown) {
  machines_[1].config.broker.min_insync_replicas = 3;
  start_all();
  create(machines_[0], "orders");
  create(machines_[1], "wine");
  const auto shown = [&](kafka::ConfigResource type, const std::string& name) {
    kafka::DescribeConfigsRequest request;
    request.resources.push_back({type, name, std::vector<std::string>{"min.insync.replicas"}});
    return ask(machines_[0], request).results.at(0).configs.at(0).value.value_or("");
  };
  EXPECT_EQ(shown(kafka::ConfigResource::topic, "orders"), "2");
  EXPECT_EQ(shown(kafka::ConfigResource::topic, "wine"), "3");
  EXPECT_EQ(shown(kafka::ConfigResource::broker, "101"), "2");
}

}  // namespace
}  // namespace isthmus::broker
