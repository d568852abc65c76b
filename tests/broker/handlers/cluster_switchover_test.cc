// A switchover at a site of three brokers, each of which leads a part of what is moved: any of them
// is asked, and all of them hold.
#include <algorithm>

#include "broker/link/holds.h"
#include "kafka/gen/describe_site.h"
#include "kafka/gen/fence.h"
#include "kafka/gen/find_coordinator.h"
#include "kafka/gen/finish_switchover.h"
#include "kafka/gen/hand_over.h"
#include "kafka/gen/offset_commit.h"
#include "kafka/gen/read_members.h"
#include "tests/broker/handlers/requests.h"
#include "tests/broker/handlers/three_brokers.h"

namespace isthmus::broker {
namespace {

using kafka::ErrorCode;
using std::chrono::seconds;

constexpr const char* busan_id = "the id of busan";

class ClusterSwitchover : public ThreeBrokers {
 protected:
  void SetUp() override {
    start_all();
    make_topics();
  }
  void make_topics() {
    create(machines_[0], "orders", 3);
    kafka::FindCoordinatorRequest group;
    group.coordinator_keys = {"group-1"};
    ask(machines_[0], group);  // and so each of them coordinates some
    world_.run_for(seconds(2));
  }
  static Uuid id(uint8_t number) {
    Uuid id;
    id.bytes.fill(number);
    return id;
  }
  size_t leader_of(PartitionIndex index) {
    for (const Machine& machine : machines_) {
      if (!machine.process->running()) continue;
      for (const auto& topic : metadata(machine).topics) {
        if (topic.name != "orders") continue;
        const NodeId leader = topic.partitions.at(static_cast<size_t>(index)).leader_id;
        EXPECT_GE(leader, first_node) << "nobody leads it";
        return static_cast<size_t>(std::max(leader - first_node, 0));
      }
    }
    ADD_FAILURE() << "nobody tells";
    return 0;
  }
  kafka::FenceResponse fence(size_t asked, uint8_t number, int32_t for_ms = 5'000) {
    kafka::FenceRequest request;
    request.switchover_id = id(number);
    request.link = "seoul-busan";
    request.topics = {"orders"};
    request.deadline_ms = for_ms;
    return ask(machines_[asked], request, 9093);
  }
  // As the driver names what the fence has told.
  static kafka::HandOverRequest named(uint8_t number, const kafka::FenceResponse& fenced) {
    kafka::HandOverRequest request;
    request.switchover_id = id(number);
    request.link = "seoul-busan";
    request.target_id = busan_id;
    request.target_number = 3;
    for (const auto& topic : fenced.topics) {
      auto& t = request.topics.emplace_back();
      t.topic_id = topic.topic_id;
      for (const auto& p : topic.partitions) {
        t.partitions.push_back({p.index, p.end_offset, p.leader_epoch, p.number});
      }
    }
    for (const auto& broker : fenced.brokers) {
      auto& b = request.brokers.emplace_back();
      b.node_id = broker.node_id;
      b.number = broker.number;
      for (const auto& c : broker.coordinated) {
        b.coordinated.push_back({c.index, c.leader_epoch});
      }
    }
    return request;
  }
  kafka::HandOverResponse hand_over(size_t asked, kafka::HandOverRequest request) {
    return ask(machines_[asked], std::move(request), 9093);
  }
  // What a client is told that does not wait for a fence to end.
  ErrorCode write(PartitionIndex index) {
    auto request = produce_request("orders", make_batch({{}}), -1, index);
    request.timeout_ms = 1'000;
    const auto answer = ask(machines_[leader_of(index)], std::move(request));
    return answer.responses.at(0).partition_responses.at(0).error_code;
  }
  bool all_are_written() {
    for (PartitionIndex i = 0; i < 3; ++i) {
      if (write(i) != ErrorCode::none) return false;
    }
    return true;
  }
  bool none_is_written() {
    for (PartitionIndex i = 0; i < 3; ++i) {
      if (write(i) == ErrorCode::none) return false;
    }
    return true;
  }
  void dies(size_t index) {
    machines_[index].connector->session->expire();
    machines_[index].host->kill();
    world_.run_for(seconds(3));
  }
  static kafka::FinishSwitchoverRequest finished(uint8_t number) {
    kafka::FinishSwitchoverRequest request;
    request.switchover_id = id(number);
    request.link = "seoul-busan";
    request.target_id = busan_id;
    request.target_number = 3;
    request.promoted = true;
    request.reverse_link = "busan-seoul";
    request.new_origin = 3;
    return request;
  }
};

TEST_F(ClusterSwitchover, AFenceHoldsWhatEachOfThemLeads) {
  ASSERT_TRUE(all_are_written());
  const auto fenced = fence(1, 1);
  ASSERT_EQ(fenced.error_code, ErrorCode::none) << fenced.error_message.value_or("");
  ASSERT_EQ(fenced.topics.at(0).partitions.size(), 3u);
  for (const auto& p : fenced.topics[0].partitions) {
    EXPECT_EQ(p.end_offset, 1);
    EXPECT_NE(p.number, 0);
  }
  EXPECT_EQ(fenced.brokers.size(), 3u) << "each has groups, and takes changes of topics";
  EXPECT_TRUE(none_is_written());
  world_.run_for(seconds(5));
  EXPECT_TRUE(all_are_written()) << "the fence has ended by itself";
}

TEST_F(ClusterSwitchover, AnyOfThemIsAskedForAnyStep) {
  const auto fenced = fence(0, 1);
  ASSERT_EQ(fenced.error_code, ErrorCode::none) << fenced.error_message.value_or("");
  const auto handed = hand_over(1, named(1, fenced));
  ASSERT_EQ(handed.error_code, ErrorCode::none) << handed.error_message.value_or("");
  world_.run_for(seconds(20));
  EXPECT_TRUE(none_is_written()) << "no clock opens what is handed over";
  const auto done = ask(machines_[2], finished(1), 9093);
  ASSERT_EQ(done.error_code, ErrorCode::none) << done.error_message.value_or("");
  world_.run_for(seconds(1));
  const auto site = ask(machines_[0], kafka::DescribeSiteRequest{}, 9093);
  ASSERT_EQ(site.switchovers.size(), 1u);
  EXPECT_EQ(site.switchovers[0].phase, kafka::SwitchoverPhase::done);
  EXPECT_TRUE(none_is_written()) << "a mirror, at each of them";
}

TEST_F(ClusterSwitchover, WhatIsHandedOverIsToldToADriverThatHasNotFencedIt) {
  ASSERT_TRUE(all_are_written());
  ASSERT_EQ(hand_over(1, named(1, fence(0, 1))).error_code, ErrorCode::none);
  world_.run_for(seconds(1));
  kafka::HandOverRequest request;
  request.switchover_id = id(1);
  request.link = "seoul-busan";
  request.as_recorded = true;
  const auto recorded = hand_over(2, request);
  ASSERT_EQ(recorded.error_code, ErrorCode::none) << recorded.error_message.value_or("");
  ASSERT_EQ(recorded.topics.size(), 1u);
  EXPECT_EQ(recorded.topics[0].end_offsets, (std::vector<Offset>{1, 1, 1}));
}

// What the next one leads nobody holds.
TEST_F(ClusterSwitchover, ALeaderThatWasReplacedHandsNothingOver) {
  const auto fenced = fence(0, 1, 30'000);
  ASSERT_EQ(fenced.error_code, ErrorCode::none) << fenced.error_message.value_or("");
  dies(2);
  const auto handed = hand_over(0, named(1, fenced));
  EXPECT_NE(handed.error_code, ErrorCode::none);
  EXPECT_TRUE(all_are_written()) << "it falls back as a whole";
}

TEST_F(ClusterSwitchover, ABrokerThatHasComeSinceTheFenceHoldsNothing) {
  stop(machines_[2]);
  world_.run_for(seconds(3));
  const auto fenced = fence(0, 1, 30'000);
  ASSERT_EQ(fenced.error_code, ErrorCode::none) << fenced.error_message.value_or("");
  EXPECT_EQ(fenced.brokers.size(), 2u);
  ASSERT_TRUE(start(machines_[2]));
  world_.run_for(seconds(2));
  const auto handed = hand_over(0, named(1, fenced));
  EXPECT_NE(handed.error_code, ErrorCode::none);
  EXPECT_TRUE(all_are_written());
}

TEST_F(ClusterSwitchover, AHandOverThatIsLateNamesAFenceThatHasEnded) {
  const auto first = fence(0, 1, 1'000);
  ASSERT_EQ(first.error_code, ErrorCode::none);
  world_.run_for(seconds(2));
  const auto second = fence(1, 1);
  ASSERT_EQ(second.error_code, ErrorCode::none);
  const auto late = hand_over(0, named(1, first));
  EXPECT_NE(late.error_code, ErrorCode::none);
}

// Whoever asked to hold may have written its record down, or not: who holds finds out by asking for
// a new epoch of its own.
TEST_F(ClusterSwitchover, WhatIsHeldWithoutAWordOpensUnderANewEpoch) {
  const auto fenced = fence(0, 1, 2000);
  const auto order = named(1, fenced);
  const size_t holder = leader_of(0);
  kafka::HoldPartitionsRequest hold;
  hold.verb = kafka::HoldVerb::hold;
  hold.switchover_id = id(1);
  hold.link = "seoul-busan";
  hold.attempt = id(7);
  hold.whole_site = true;
  const auto& p = order.topics[0].partitions[0];
  hold.topics.push_back({order.topics[0].topic_id, {{p.index, p.number, p.end_offset}}});
  const auto held = ask(machines_[holder], hold, 9093);
  ASSERT_EQ(held.error_code, ErrorCode::none) << held.error_message.value_or("");
  kafka::HoldPartitionsRequest lift;
  lift.verb = kafka::HoldVerb::lift;
  lift.switchover_id = id(1);
  lift.attempt = id(8);
  ask(machines_[holder], lift, 9093);
  world_.run_for(seconds(3));
  EXPECT_NE(write(0), ErrorCode::none) << "neither the clock nor another attempt's end opens it";
  world_.run_for(Holds::patience);
  EXPECT_TRUE(all_are_written());
  const auto late = hand_over(holder, order);
  EXPECT_NE(late.error_code, ErrorCode::none);
}

TEST_F(ClusterSwitchover, ALeaderThatHoldsClosesByTheRecordThatItReads) {
  const auto fenced = fence(0, 1);
  ASSERT_EQ(hand_over(0, named(1, fenced)).error_code, ErrorCode::none);
  // As soon as it is recorded, whoever leads by then.
  dies(2);
  EXPECT_TRUE(none_is_written());
  world_.run_for(seconds(30));
  EXPECT_TRUE(none_is_written());
}

TEST_F(ClusterSwitchover, ABrokerThatStartsWhileItIsHandedOverHoldsTheGroups) {
  const auto fenced = fence(0, 1);
  ASSERT_EQ(hand_over(0, named(1, fenced)).error_code, ErrorCode::none);
  stop(machines_[2]);
  ASSERT_TRUE(start(machines_[2]));
  world_.run_for(seconds(2));
  EXPECT_TRUE(none_is_written());
  kafka::ReadMembersRequest members;
  members.switchover_id = id(1);
  for (int i = 0; i < 12; ++i) members.groups.push_back("group-" + std::to_string(i));
  const auto read = ask(machines_[1], members, 9093);
  ASSERT_EQ(read.groups.size(), 12u);
  for (const auto& group : read.groups) {
    EXPECT_EQ(group.error_code, ErrorCode::none) << group.group_id;
  }
}

// Each coordinates groups that nobody else has.
class LoneCoordinators : public ClusterSwitchover {
 protected:
  void SetUp() override {
    start_all();
    kafka::CreateTopicsRequest request;
    auto& topic = request.topics.emplace_back();
    topic.name = "__consumer_offsets";
    topic.num_partitions = 6;
    topic.replication_factor = 1;
    const auto made = ask(machines_[0], std::move(request));
    ASSERT_EQ(made.topics.at(0).error_code, ErrorCode::none);
    make_topics();
  }
  std::string group_at(NodeId node) {
    kafka::FindCoordinatorRequest request;
    for (int i = 0; i < 30; ++i) request.coordinator_keys.push_back("group-" + std::to_string(i));
    for (const auto& found : ask(machines_[0], request).coordinators) {
      if (found.node_id == node) return found.key;
    }
    ADD_FAILURE() << "no group is coordinated by " << node;
    return "";
  }
  void commit(const Machine& machine, const std::string& group) {
    kafka::OffsetCommitRequest request;
    request.group_id = group;
    auto& topic = request.topics.emplace_back();
    topic.name = "orders";
    topic.partitions.push_back({.committed_offset = 1});
    const auto answer = ask(machine, std::move(request));
    ASSERT_EQ(answer.topics.at(0).partitions.at(0).error_code, ErrorCode::none);
  }
  std::string owner_of(const std::string& group) {
    kafka::DescribeSiteRequest request;
    request.include_groups = true;
    for (const auto& known : ask(machines_[0], request, 9093).groups) {
      if (known.name == group) return known.link;
    }
    return "nobody tells of it";
  }
};

// Left out, it would go on here as anybody's, beside the one at the target.
TEST_F(LoneCoordinators, NoGroupIsLeftOutWhoseCoordinatorIsAway) {
  ASSERT_TRUE(all_are_written());
  const std::string group = group_at(first_node + 2);
  commit(machines_[2], group);
  const auto handed = hand_over(1, named(1, fence(0, 1)));
  ASSERT_EQ(handed.error_code, ErrorCode::none) << handed.error_message.value_or("");
  dies(2);
  kafka::HandOverRequest recorded;
  recorded.switchover_id = id(1);
  recorded.link = "seoul-busan";
  recorded.as_recorded = true;
  EXPECT_NE(hand_over(0, recorded).error_code, ErrorCode::none)
      << "another driver would promote without it";
  const auto early = ask(machines_[0], finished(1), 9093);
  EXPECT_NE(early.error_code, ErrorCode::none);
  EXPECT_NE(early.error_message.value_or("").find("__consumer_offsets-"), std::string::npos)
      << early.error_message.value_or("");
  ASSERT_TRUE(start(machines_[2]));
  world_.run_for(seconds(3));
  const auto done = ask(machines_[0], finished(1), 9093);
  ASSERT_EQ(done.error_code, ErrorCode::none) << done.error_message.value_or("");
  world_.run_for(seconds(1));
  EXPECT_EQ(owner_of(group), "busan-seoul");
}

}  // namespace
}  // namespace isthmus::broker
