// A cluster whose ZooKeeper was restored from an older copy, in which a broker has not yet what it
// has.
#include "kafka/gen/alter_partition_reassignments.h"
#include "tests/broker/handlers/requests.h"
#include "tests/broker/handlers/three_brokers.h"

namespace isthmus::broker {
namespace {

using kafka::ErrorCode;
using std::chrono::seconds;

class RestoredTest : public ThreeBrokers {
 protected:
  void create_on(std::vector<NodeId> nodes) {
    kafka::CreateTopicsRequest request;
    auto& topic = request.topics.emplace_back();
    topic.name = "orders";
    topic.num_partitions = topic.replication_factor = -1;
    topic.assignments.push_back({0, std::move(nodes)});
    ASSERT_EQ(ask(machines_[0], std::move(request)).topics.at(0).error_code, ErrorCode::none);
    world_.run_for(seconds(1));
  }
  void move_to(std::vector<NodeId> nodes) {
    kafka::AlterPartitionReassignmentsRequest request;
    auto& topic = request.topics.emplace_back();
    topic.name = "orders";
    topic.partitions.push_back({0, std::move(nodes)});
    const auto answer = ask(machines_[0], std::move(request));
    ASSERT_EQ(answer.responses.at(0).partitions.at(0).error_code, ErrorCode::none);
    world_.run_for(seconds(10));
  }
  std::vector<std::string> strays(Machine& machine) {
    std::vector<std::string> found;
    for (const std::string& name : machine.process->env().disk.list("/data").value()) {
      if (name.ends_with("-stray")) found.push_back(name);
    }
    return found;
  }
};

TEST_F(RestoredTest, WhatABrokerGotSinceIsSetAside) {
  start_all();
  create_on({101, 102});
  const auto older = ensemble_.nodes;
  move_to({101, 103});
  const auto told = metadata(machines_[0]).topics.at(0).partitions.at(0);
  ASSERT_EQ(told.replica_nodes, (std::vector<NodeId>{101, 103}));
  ASSERT_TRUE(machines_[2].process->env().disk.exists("/data/orders-0"));
  for (Machine& machine : machines_) machine.host->kill();
  ensemble_.nodes = older;
  for (Machine& machine : machines_) {
    auto started = start(machine);
    ASSERT_TRUE(started) << started.error().text;
  }
  world_.run_for(seconds(10));
  EXPECT_FALSE(machines_[2].process->env().disk.exists("/data/orders-0"));
  EXPECT_EQ(strays(machines_[2]).size(), 1u) << "its records may be the only ones";
}

}  // namespace
}  // namespace isthmus::broker
