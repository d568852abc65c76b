// A leader that others have replaced, and that has not heard of it, ends no client.
#include "broker/replica/verdicts.h"
#include "kafka/gen/find_coordinator.h"
#include "kafka/gen/heartbeat.h"
#include "kafka/gen/join_group.h"
#include "tests/broker/handlers/requests.h"
#include "tests/broker/handlers/three_brokers.h"

namespace isthmus::broker {
namespace {

using kafka::ErrorCode;
using std::chrono::seconds;

class VerdictsTest : public ThreeBrokers {
 protected:
  // Its line to ZooKeeper is cut, its session ends there, and others are told.
  void replace_unheard(size_t i) {
    witness_ = (i + 1) % machines_.size();
    machines_[i].connector->session->expire_unheard();
    world_.run_for(seconds(3));
  }
  // By the word of one that has not been replaced.
  NodeId leader_of(PartitionIndex index) {
    const auto told = metadata(machines_[witness_]);
    return told.topics.at(0).partitions.at(static_cast<size_t>(index)).leader_id;
  }
  Machine& machine_of(NodeId node) { return machines_[static_cast<size_t>(node - first_node)]; }
  ErrorCode produce(NodeId node, PartitionIndex index, int32_t sequence) {
    auto request = produce_request(
        "orders", make_batch({{}}, {.id = 77, .epoch = 0, .sequence = sequence}), -1, index);
    const auto answer = ask(machine_of(node), std::move(request));
    return answer.responses.at(0).partition_responses.at(0).error_code;
  }
  ErrorCode fetch(NodeId node, PartitionIndex index, Offset offset) {
    auto request = fetch_request("orders", {.offset = offset});
    request.topics[0].partitions[0].partition = index;
    request.topics[0].topic_id = metadata(machines_[0]).topics.at(0).topic_id;
    const auto answer = ask(machine_of(node), std::move(request));
    return answer.responses.at(0).partitions.at(0).error_code;
  }

  size_t witness_ = 0;
};

TEST_F(VerdictsTest, WhoWasReplacedUnheardJudgesNoSequenceAndNoOffset) {
  start_all();
  create(machines_[0], "orders");
  world_.run_for(seconds(1));
  PartitionIndex index = 0;
  while (leader_of(index) != 103) ++index;
  ASSERT_EQ(produce(103, index, 0), ErrorCode::none);
  EXPECT_EQ(produce(103, index, 7), ErrorCode::out_of_order_sequence_number) << "it leads";
  EXPECT_EQ(fetch(103, index, 9), ErrorCode::offset_out_of_range) << "it leads";
  replace_unheard(2);
  const NodeId heir = leader_of(index);
  ASSERT_NE(heir, 103);
  ASSERT_EQ(produce(heir, index, 1), ErrorCode::none);
  EXPECT_EQ(produce(103, index, 2), ErrorCode::not_leader_or_follower)
      << "its log lacks what others have acknowledged";
  EXPECT_EQ(fetch(103, index, 2), ErrorCode::not_leader_or_follower);
  EXPECT_EQ(produce(heir, index, 2), ErrorCode::none);
  EXPECT_EQ(produce(heir, index, 9), ErrorCode::out_of_order_sequence_number);
}

class MemberVerdicts : public VerdictsTest {
 protected:
  kafka::JoinGroupResponse join(NodeId node, const std::string& member) {
    kafka::JoinGroupRequest request;
    request.group_id = "team";
    request.session_timeout_ms = 30'000;
    request.rebalance_timeout_ms = 30'000;
    request.member_id = member;
    request.group_instance_id = "till";
    request.protocol_type = "consumer";
    request.protocols.push_back({"range", Slice::copy_of("m")});
    return ask(machine_of(node), std::move(request));
  }
  ErrorCode heartbeat(NodeId node, const kafka::JoinGroupResponse& as) {
    kafka::HeartbeatRequest request;
    request.group_id = "team";
    request.generation_id = as.generation_id;
    request.member_id = as.member_id;
    request.group_instance_id = "till";
    return ask(machine_of(node), std::move(request)).error_code;
  }
};

TEST_F(MemberVerdicts, WhoWasReplacedUnheardFencesNoMember) {
  for (Machine& machine : machines_) machine.config.broker.offsets_topic_num_partitions = 1;
  start_all();
  kafka::FindCoordinatorRequest find;  // makes the topic
  find.coordinator_keys = {"team"};
  ASSERT_EQ(ask(machines_[0], find).coordinators.at(0).error_code, ErrorCode::none);
  world_.run_for(seconds(1));
  const NodeId coordinator = leader_of(0);
  const auto first = join(coordinator, "");
  ASSERT_EQ(first.error_code, ErrorCode::none);
  replace_unheard(static_cast<size_t>(coordinator - first_node));
  const NodeId heir = leader_of(0);
  ASSERT_NE(heir, coordinator);
  const auto second = join(heir, "");
  ASSERT_EQ(second.error_code, ErrorCode::none);
  EXPECT_EQ(heartbeat(heir, first), ErrorCode::fenced_instance_id);
  EXPECT_EQ(heartbeat(coordinator, second), ErrorCode::not_coordinator);
}

}  // namespace
}  // namespace isthmus::broker
