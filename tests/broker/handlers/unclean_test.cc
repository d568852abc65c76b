// The last that was in sync has lost its disk, and others go on: by an operator's word, or because
// the topic says so.
#include <cerrno>

#include "kafka/gen/elect_leaders.h"
#include "tests/broker/handlers/requests.h"
#include "tests/broker/handlers/three_brokers.h"

namespace isthmus::broker {
namespace {

using kafka::ErrorCode;
using std::chrono::seconds;

class UncleanTest : public ThreeBrokers {
 protected:
  // 101 alone has all of orders; its disk fails, and the others are back.
  void lose_the_last(const std::string& may_lose) {
    start_all();
    kafka::CreateTopicsRequest request;
    auto& topic = request.topics.emplace_back();
    topic.name = "orders";
    topic.num_partitions = 1;
    topic.replication_factor = -1;
    topic.configs.push_back({"min.insync.replicas", "1"});
    topic.configs.push_back({"unclean.leader.election.enable", may_lose});
    ASSERT_EQ(ask(machines_[0], std::move(request)).topics.at(0).error_code, ErrorCode::none);
    world_.run_for(seconds(1));
    ASSERT_EQ(produce(leader()), ErrorCode::none);
    stop(machines_[1]);
    stop(machines_[2]);
    world_.run_for(seconds(2));
    ASSERT_EQ(leader(), 101);
    ASSERT_EQ(produce(101), ErrorCode::none) << "what the others lack";
    machines_[0].host->disk().fail_next_append("orders-0", EIO);
    EXPECT_EQ(produce(101), ErrorCode::kafka_storage_error);
    ASSERT_TRUE(start(machines_[1]));
    ASSERT_TRUE(start(machines_[2]));
    world_.run_for(seconds(20));
  }
  NodeId leader() { return metadata(machines_[0]).topics.at(0).partitions.at(0).leader_id; }
  ErrorCode produce(NodeId node) {
    const auto& machine = machines_[static_cast<size_t>(node - first_node)];
    const auto answer = ask(machine, produce_request("orders", make_batch({{}})));
    return answer.responses.at(0).partition_responses.at(0).error_code;
  }
  ErrorCode elect() {
    kafka::ElectLeadersRequest request;
    request.election_type = 1;
    request.topic_partitions.emplace().push_back({"orders", {0}});
    request.timeout_ms = 10'000;
    const auto answer = ask(machines_[1], std::move(request));
    return answer.replica_election_results.at(0).partition_result.at(0).error_code;
  }
};

TEST_F(UncleanTest, AnOperatorsWordReplacesALeaderWhoseDiskHasFailed) {
  lose_the_last("false");
  ASSERT_EQ(leader(), 101) << "nothing but an operator's word loses what it alone has";
  EXPECT_EQ(elect(), ErrorCode::none);
  world_.run_for(seconds(1));
  const NodeId heir = leader();
  EXPECT_NE(heir, 101);
  EXPECT_EQ(produce(heir), ErrorCode::none);
  EXPECT_EQ(elect(), ErrorCode::election_not_needed);
}

TEST_F(UncleanTest, ATopicThatRatherLosesIsLedOnByItself) {
  lose_the_last("true");
  const NodeId heir = leader();
  EXPECT_NE(heir, 101);
  EXPECT_EQ(produce(heir), ErrorCode::none);
}

}  // namespace
}  // namespace isthmus::broker
