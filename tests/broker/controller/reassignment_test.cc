#include "broker/controller/reassignment.h"

#include <algorithm>

#include "broker/controller/broker_config_plans.h"
#include "broker/controller/cluster_plans.h"
#include "broker/controller/elections.h"
#include "broker/controller/placement.h"
#include "tests/broker/plans.h"

namespace isthmus::broker {
namespace {

using kafka::ErrorCode;
using Nodes = std::vector<NodeId>;

// Brokers 101, 102 and 103 serve, 104 is new; each of the first three has all of orders.
class ReassignmentTest : public testing::Test {
 protected:
  ReassignmentTest() {
    auto image = std::make_shared<Image>();
    for (NodeId node : {101, 102, 103}) image->brokers[node] = {.starts = 1, .version = 1};
    image_ = after(*image, plan_create_topic(*image, topic_wish("orders", 9, 3)));
  }

  void commit(const Result<Plan>& plan) { image_ = after(*image_, plan, ++version_); }
  void commit(const Plan& plan) { image_ = after(*image_, plan, ++version_); }
  void add_broker(NodeId node) {
    commit(plan_start(*image_, node, {}));
    commit(plan_unfence(*image_, node, image_->starts_of(node)));
  }
  const TopicImage& topic(const char* name = "orders") const { return *image_->find(name); }
  const PartitionImage& partition(size_t index = 0) const { return topic().partitions[index]; }
  LeaderEpoch epoch(size_t index = 0) const { return epoch_in_force(partition(index), *image_); }

  ErrorCode reassign(std::optional<Nodes> replicas, bool may_change_factor = true,
                     PartitionIndex index = 0, const char* name = "orders") {
    std::vector<Reassignment> wish = {{name, index, std::move(replicas)}};
    commit(plan_reassignments(*image_, wish, may_change_factor));
    return code_of(wish.front().outcome);
  }
  void in_sync(const Nodes& nodes, size_t index = 0) {
    IsrChange change{
        topic().id, static_cast<PartitionIndex>(index), epoch(index), partition(index).version, {}};
    for (NodeId node : nodes) change.isr.push_back({node, image_->starts_of(node)});
    commit(plan_isr(*image_, partition(index).leader, {change}));
  }

  std::shared_ptr<const Image> image_;
  int64_t version_ = 1;
};

TEST_F(ReassignmentTest, WhoIsAddedCountsForNothingBeforeItIsInSync) {
  add_broker(104);
  const LeaderEpoch before = epoch();
  EXPECT_EQ(reassign(Nodes{101, 102, 104}), ErrorCode::none);
  EXPECT_EQ(partition().replicas, (Nodes{101, 102, 104, 103}));
  EXPECT_EQ(partition().adding, Nodes{104});
  EXPECT_EQ(partition().removing, Nodes{103});
  EXPECT_EQ(partition().isr, (Nodes{101, 102, 103}));
  EXPECT_EQ(min_insync_replicas(topic(), partition()), 2) << "a majority of those who were there";
  EXPECT_EQ(epoch(), before) << "nobody has gone";
  in_sync({101, 102, 103, 104});
  EXPECT_EQ(partition().replicas, (Nodes{101, 102, 104}));
  EXPECT_EQ(partition().isr, (Nodes{101, 102, 104}));
  EXPECT_FALSE(partition().is_reassigned());
  EXPECT_EQ(epoch(), before + 1) << "what the leader knows of 103 is forgotten";
  EXPECT_EQ(topic().replication_factor, 3) << "not all brokers' any more";
}

TEST_F(ReassignmentTest, TheMajorityIsThatOfTheBrokersThatHaveIt) {
  add_broker(104);
  EXPECT_EQ(reassign(Nodes{101, 102, 103, 104}), ErrorCode::none);
  EXPECT_EQ(min_insync_replicas(topic(), partition()), 2);
  in_sync({101, 102, 103, 104});
  EXPECT_EQ(min_insync_replicas(topic(), partition()), 3);
  EXPECT_EQ(topic().replication_factor, 3 + 1) << "103 has no orders-1, so it is no default";
}

TEST_F(ReassignmentTest, NobodyLeavesWhileTooFewWouldStayInSync) {
  add_broker(104);
  commit(plan_fence(*image_, 102));
  EXPECT_EQ(reassign(Nodes{101, 102, 104}), ErrorCode::none);
  in_sync({101, 103});
  // 103 and 101 have what is acknowledged; 104 has not come.
  EXPECT_EQ(reassign(Nodes{101, 102}), ErrorCode::none);
  EXPECT_EQ(partition().removing, Nodes{103}) << "101 alone would have it";
  EXPECT_TRUE(partition().adding.empty());
  commit(plan_unfence(*image_, 102, 1));
  in_sync({101, 102, 103});
  EXPECT_EQ(partition().replicas, (Nodes{101, 102}));
  EXPECT_EQ(partition().isr, (Nodes{101, 102}));
}

TEST_F(ReassignmentTest, TheLeaderThatGoesIsFollowedByOneThatIsInSync) {
  add_broker(104);
  EXPECT_EQ(reassign(Nodes{104, 102, 103}), ErrorCode::none);
  EXPECT_EQ(partition().leader, 101);
  const LeaderEpoch before = epoch();
  in_sync({101, 102, 103, 104});
  EXPECT_EQ(partition().leader, 104);
  EXPECT_EQ(partition().isr, (Nodes{104, 102, 103}));
  EXPECT_EQ(epoch(), before + 1);
}

TEST_F(ReassignmentTest, IsTakenBack) {
  add_broker(104);
  EXPECT_EQ(reassign(std::nullopt), ErrorCode::no_reassignment_in_progress);
  EXPECT_EQ(reassign(Nodes{104, 102, 103}), ErrorCode::none);
  const LeaderEpoch before = epoch();
  EXPECT_EQ(reassign(std::nullopt), ErrorCode::none);
  EXPECT_FALSE(partition().is_reassigned());
  EXPECT_EQ(partition().replicas, (Nodes{102, 103, 101}));
  EXPECT_EQ(partition().leader, 101);
  EXPECT_EQ(epoch(), before + 1) << "104 was a replica";
}

TEST_F(ReassignmentTest, IsNotTakenBackWhereTooFewWouldBeLeft) {
  add_broker(104);
  EXPECT_EQ(reassign(Nodes{104}), ErrorCode::none);
  in_sync({101, 104});
  EXPECT_FALSE(partition().is_reassigned()) << "one replica has a majority of one";
  EXPECT_EQ(partition().replicas, Nodes{104});
  EXPECT_EQ(reassign(Nodes{104, 101, 102, 103}), ErrorCode::none);
  in_sync({104, 101});
  commit(plan_fence(*image_, 104));
  EXPECT_EQ(partition().leader, 101);
  EXPECT_EQ(partition().isr, Nodes{101});
  EXPECT_EQ(reassign(std::nullopt), ErrorCode::invalid_replica_assignment)
      << "101 alone has what was written since";
  EXPECT_TRUE(partition().is_reassigned());
}

TEST_F(ReassignmentTest, AnotherTargetReplacesTheFirst) {
  add_broker(104);
  add_broker(105);
  EXPECT_EQ(reassign(Nodes{101, 102, 104}), ErrorCode::none);
  EXPECT_EQ(reassign(Nodes{101, 102, 105}), ErrorCode::none);
  EXPECT_EQ(partition().replicas, (Nodes{101, 102, 105, 103}));
  EXPECT_EQ(partition().adding, Nodes{105});
  EXPECT_EQ(partition().removing, Nodes{103});
  EXPECT_EQ(reassign(Nodes{101, 102, 103}), ErrorCode::none);
  EXPECT_FALSE(partition().is_reassigned());
  EXPECT_EQ(partition().replicas, (Nodes{101, 102, 103}));
}

TEST_F(ReassignmentTest, WhatIsWrongIsNamed) {
  EXPECT_EQ(reassign(Nodes{}), ErrorCode::invalid_replica_assignment);
  EXPECT_EQ(reassign(Nodes{101, 101}), ErrorCode::invalid_replica_assignment);
  EXPECT_EQ(reassign(Nodes{101, 199}), ErrorCode::invalid_replica_assignment);
  EXPECT_EQ(reassign(Nodes{101}, true, 7), ErrorCode::unknown_topic_or_partition);
  EXPECT_EQ(reassign(Nodes{101}, true, 0, "none"), ErrorCode::unknown_topic_or_partition);
  EXPECT_EQ(reassign(Nodes{101, 102}, false), ErrorCode::invalid_replication_factor);
  EXPECT_EQ(partition().replicas, (Nodes{101, 102, 103}));
  // Another order is no move, and the first is preferred from now on.
  EXPECT_EQ(reassign(Nodes{103, 102, 101}, false), ErrorCode::none);
  EXPECT_FALSE(partition().is_reassigned());
  EXPECT_EQ(topic().replication_factor, 0) << "all brokers have it still";
}

TEST_F(ReassignmentTest, ATopicIsWhatItWasWhenAllIsTakenBack) {
  add_broker(104);
  EXPECT_EQ(reassign(Nodes{101, 104}), ErrorCode::none);
  EXPECT_EQ(reassign(Nodes{102, 104}, true, 1), ErrorCode::none);
  EXPECT_EQ(topic().replication_factor, 2);
  EXPECT_EQ(reassign(std::nullopt, true, 1), ErrorCode::none);
  EXPECT_EQ(topic().replication_factor, 2) << "orders-0 is under way still";
  EXPECT_EQ(reassign(std::nullopt), ErrorCode::none);
  EXPECT_EQ(topic().replication_factor, 0);
  commit(plan_placement(*image_, 100));
  EXPECT_EQ(partition().adding, Nodes{104}) << "as all brokers have it";
}

TEST_F(ReassignmentTest, WhatWasCompletedStaysWhenTheRestIsTakenBack) {
  add_broker(104);
  EXPECT_EQ(reassign(Nodes{101, 104}), ErrorCode::none);
  EXPECT_EQ(reassign(Nodes{102, 104}, true, 1), ErrorCode::none);
  in_sync({101, 102, 103, 104});
  ASSERT_FALSE(partition().is_reassigned());
  EXPECT_EQ(reassign(std::nullopt, true, 1), ErrorCode::none);
  EXPECT_EQ(topic().replication_factor, 2);
  EXPECT_TRUE(plan_placement(*image_, 100)->empty()) << "nobody takes that back";
}

// Of the placement that the controller keeps.
class PlacementTest : public ReassignmentTest {
 protected:
  void place(int at_once = 100) { commit(plan_placement(*image_, at_once)); }
  size_t under_way() const {
    return static_cast<size_t>(
        std::ranges::count_if(topic().partitions, &PartitionImage::is_reassigned));
  }
};

TEST_F(PlacementTest, ABrokerThatJoinsGetsAllThatEverybodyHasAFewAtATime) {
  NewTopic own = topic_wish("own", 8, 2);
  own.replication_factor = 2;
  commit(plan_create_topic(*image_, own));
  EXPECT_TRUE(plan_placement(*image_, 100)->empty());
  commit(plan_start(*image_, 104, {.fenced = true}));
  EXPECT_TRUE(plan_placement(*image_, 100)->empty()) << "it does not serve yet";
  commit(plan_unfence(*image_, 104, 1));
  place(2);
  EXPECT_EQ(under_way(), 2u);
  EXPECT_TRUE(plan_placement(*image_, 2)->empty());
  in_sync({101, 102, 103, 104}, 0);
  place(2);
  EXPECT_EQ(under_way(), 2u);
  in_sync({101, 102, 103, 104}, 1);
  in_sync({101, 102, 103, 104}, 2);
  EXPECT_TRUE(plan_placement(*image_, 2)->empty());
  for (const PartitionImage& p : topic().partitions) EXPECT_EQ(p.replicas.size(), 4u);
  for (const PartitionImage& p : topic("own").partitions) EXPECT_EQ(p.replicas.size(), 2u);
}

// Else it would hold its place among those that are moved for ever.
TEST_F(PlacementTest, WhatIsUnderWayToABrokerThatIsLostIsTakenBack) {
  commit(plan_start(*image_, 104, {.fenced = true}));
  commit(plan_unfence(*image_, 104, 1));
  place(2);
  ASSERT_EQ(under_way(), 2u);
  commit(plan_fence(*image_, 104));
  place(2);
  EXPECT_EQ(under_way(), 2u) << "it may come back";
  commit(plan_drain(*image_, 104, BrokerDrain::replicas));
  place(2);
  EXPECT_EQ(under_way(), 0u);
  for (const PartitionImage& p : topic().partitions) EXPECT_EQ(p.replicas.size(), 3u);
  commit(plan_unregister(*image_, 104, false));
  EXPECT_FALSE(image_->brokers.contains(104));
}

TEST_F(PlacementTest, AFactorGoesRoundTheRacks) {
  auto image = std::make_shared<Image>();
  for (NodeId node : {101, 102, 103, 104}) {
    image->brokers[node] = {.starts = 1, .rack = node < 103 ? "a" : "b", .version = 1};
  }
  std::map<NodeId, int> leads;
  for (int32_t i = 0; i < 4; ++i) {
    auto nodes = spread(*image, 2, uuid_of(5), i);
    ASSERT_TRUE(nodes);
    EXPECT_NE(image->brokers[nodes->at(0)].rack, image->brokers[nodes->at(1)].rack);
    ++leads[nodes->at(0)];
  }
  EXPECT_EQ(leads.size(), 4u);
  EXPECT_EQ(code_of(spread(*image, 5, uuid_of(5), 0)), ErrorCode::invalid_replication_factor);
}

TEST_F(PlacementTest, ADrainedBrokerLeadsNothingAndThenHasNothing) {
  commit(plan_drain(*image_, 101, BrokerDrain::leadership));
  EXPECT_EQ(partition().leader, 101);
  commit(plan_relieve(*image_, 100));
  EXPECT_EQ(partition().leader, 102);
  EXPECT_TRUE(plan_prefer(*image_, -1)->empty()) << "it does not get it back";
  EXPECT_TRUE(plan_placement(*image_, 100)->empty());
  commit(plan_drain(*image_, 101, BrokerDrain::replicas));
  place();
  for (const PartitionImage& p : topic().partitions) EXPECT_FALSE(p.has_replica(101));
  EXPECT_EQ(topic().replication_factor, 0);
  commit(plan_create_topic(*image_, topic_wish("more", 7, 1)));
  EXPECT_FALSE(topic("more").partitions[0].has_replica(101));
  commit(plan_drain(*image_, 101, BrokerDrain::none));
  place();
  EXPECT_EQ(under_way(), 3u) << "it joins again";
}

TEST_F(PlacementTest, WhatHasAFactorMovesToTheBrokerThatHasLeast) {
  add_broker(104);
  NewTopic own = topic_wish("own", 8, 1);
  own.assignments = {{101, 102}};
  commit(plan_create_topic(*image_, own));
  commit(plan_drain(*image_, 101, BrokerDrain::replicas));
  place();
  EXPECT_EQ(topic("own").partitions[0].adding, Nodes{104}) << "103 has orders";
  EXPECT_EQ(topic("own").partitions[0].removing, Nodes{101});
}

TEST_F(PlacementTest, TheLastThatIsNotDrainedIsNotDrained) {
  commit(plan_drain(*image_, 101, BrokerDrain::replicas));
  commit(plan_fence(*image_, 102));
  EXPECT_EQ(code_of(plan_drain(*image_, 103, BrokerDrain::leadership)), ErrorCode::invalid_request);
  EXPECT_EQ(code_of(plan_drain(*image_, 199, BrokerDrain::leadership)),
            ErrorCode::broker_id_not_registered);
}

TEST_F(PlacementTest, ABrokerLeavesWhenItIsGoneAndHasNothing) {
  EXPECT_TRUE(says(plan_unregister(*image_, 101, false), "alive"));
  commit(plan_fence(*image_, 101));
  EXPECT_TRUE(says(plan_unregister(*image_, 101, true), "alive"));
  EXPECT_TRUE(says(plan_unregister(*image_, 101, false), "orders-0 among them"));
  commit(plan_drain(*image_, 101, BrokerDrain::replicas));
  place();
  commit(plan_unregister(*image_, 101, false));
  EXPECT_FALSE(image_->brokers.contains(101));
  EXPECT_TRUE(plan_placement(*image_, 100)->empty());
  EXPECT_EQ(code_of(plan_unregister(*image_, 101, false)), ErrorCode::broker_id_not_registered);
  // It may come again, as a new one.
  commit(plan_start(*image_, 101, {}));
  EXPECT_EQ(image_->starts_of(101), 1);
}

using ElectionsTest = ReassignmentTest;

TEST_F(ElectionsTest, APreferredLeaderLeadsWhereItIsInSync) {
  commit(plan_fence(*image_, 101));
  std::vector<Election> wish = {{"orders", 0}, {"orders", 1}, {"orders", 9}};
  commit(plan_elections(*image_, wish, false));
  EXPECT_EQ(code_of(wish[0].outcome), ErrorCode::preferred_leader_not_available);
  EXPECT_EQ(code_of(wish[1].outcome), ErrorCode::election_not_needed);
  EXPECT_EQ(code_of(wish[2].outcome), ErrorCode::unknown_topic_or_partition);
  commit(plan_unfence(*image_, 101, 1));
  in_sync({101, 102, 103});
  commit(plan_elections(*image_, wish, false));
  EXPECT_TRUE(wish[0].outcome);
  EXPECT_EQ(partition().leader, 101);
}

TEST_F(ElectionsTest, AnUncleanOneIsForWhatNobodyLeads) {
  std::vector<Election> wish = {{"orders", 0}};
  commit(plan_elections(*image_, wish, true));
  EXPECT_EQ(code_of(wish[0].outcome), ErrorCode::election_not_needed);
  for (NodeId node : {102, 101, 103}) commit(plan_fence(*image_, node));
  commit(plan_elections(*image_, wish, true));
  EXPECT_EQ(code_of(wish[0].outcome), ErrorCode::eligible_leaders_not_available);
  commit(plan_unfence(*image_, 102, 1));
  EXPECT_EQ(partition().leader, -1) << "it may lack something";
  commit(plan_elections(*image_, wish, false));
  EXPECT_EQ(partition().leader, -1);
  commit(plan_elections(*image_, wish, true));
  EXPECT_TRUE(wish[0].outcome);
  EXPECT_EQ(partition().leader, 102);
  EXPECT_EQ(partition().isr, Nodes{102});
  EXPECT_TRUE(partition().elr.empty());
}

TEST_F(ElectionsTest, ALeaderWhoseDiskHasFailedIsReplacedThoughItIsTheLast) {
  commit(plan_configs(*image_, "orders", {{"min.insync.replicas", "1"}}, false));
  for (NodeId node : {102, 103}) commit(plan_fence(*image_, node));
  ASSERT_EQ(partition().leader, 101);
  ASSERT_EQ(partition().isr, Nodes{101});
  const LeaderEpoch epoch = epoch_in_force(partition(), *image_);
  std::vector<Election> wish = {{"orders", 0}};
  wish[0].failed_in = epoch;
  EXPECT_TRUE(plan_elections(*image_, wish, true)->empty());
  EXPECT_EQ(code_of(wish[0].outcome), ErrorCode::eligible_leaders_not_available);
  commit(plan_unfence(*image_, 103, 1));
  wish[0].failed_in = epoch - 1;
  EXPECT_TRUE(plan_elections(*image_, wish, true)->empty()) << "said in an epoch that has ended";
  EXPECT_EQ(code_of(wish[0].outcome), ErrorCode::election_not_needed);
  wish[0].failed_in = epoch;
  commit(plan_elections(*image_, wish, true));
  EXPECT_TRUE(wish[0].outcome);
  EXPECT_TRUE(wish[0].has_lost);
  EXPECT_EQ(partition().leader, 103);
  EXPECT_EQ(partition().isr, Nodes{103});
  EXPECT_EQ(epoch_in_force(partition(), *image_), epoch + 1);
}

TEST_F(ElectionsTest, ALeaderWhoseDiskHasFailedIsReplacedByWhoIsInSyncIfThereIsOne) {
  std::vector<Election> wish = {{"orders", 0}};
  wish[0].failed_in = epoch_in_force(partition(), *image_);
  commit(plan_elections(*image_, wish, true));
  EXPECT_EQ(partition().leader, 102);
  EXPECT_EQ(partition().isr, (Nodes{102, 103}));
  EXPECT_FALSE(wish[0].has_lost);
}

TEST_F(ElectionsTest, ATopicThatRatherLosesWaitsForNobodyForLong) {
  for (NodeId node : {102, 101, 103}) commit(plan_fence(*image_, node));
  commit(plan_unfence(*image_, 102, 1));
  ASSERT_EQ(partition().leader, -1);
  std::vector<Election> elected;
  const auto all = [](const auto&, PartitionIndex) { return true; };
  const auto none = [](const auto&, PartitionIndex) { return false; };
  EXPECT_TRUE(plan_unclean(*image_, all, 10, elected)->empty()) << "nobody has asked for it";
  commit(plan_configs(*image_, "orders", {{"unclean.leader.election.enable", "true"}}, false));
  EXPECT_TRUE(plan_unclean(*image_, none, 10, elected)->empty()) << "101 and 103 have it all";
  commit(plan_unclean(*image_, all, 10, elected));
  EXPECT_EQ(partition().leader, 102);
  EXPECT_TRUE(elected.at(0).has_lost);
}

TEST_F(ElectionsTest, ATopicThatRatherLosesGivesUpTheLastWhoseDiskFails) {
  commit(plan_configs(*image_, "orders",
                      {{"min.insync.replicas", "1"}, {"unclean.leader.election.enable", "true"}},
                      false));
  const Uuid topic = image_->find("orders")->id;
  for (NodeId node : {102, 103}) commit(plan_fence(*image_, node));
  EXPECT_TRUE(plan_lose(*image_, 101, {{topic, 0}})->empty()) << "nobody else can go on";
  commit(plan_unfence(*image_, 103, 1));
  std::vector<Election> elected;
  EXPECT_TRUE(plan_lose(*image_, 101, {{.topic = topic, .index = 0, .is_open = true}})->empty())
      << "it serves";
  commit(plan_lose(*image_, 101, {{topic, 0}}, &elected));
  EXPECT_EQ(partition().leader, 103);
  EXPECT_EQ(partition().isr, Nodes{103});
  EXPECT_TRUE(elected.at(0).has_lost);
  EXPECT_EQ(partition(1).leader, 101) << "of what its disk has";
}

TEST_F(ElectionsTest, LeadersGoHomeWhereTooManyAreAway) {
  commit(plan_fence(*image_, 101));
  commit(plan_unfence(*image_, 101, 1));
  in_sync({101, 102, 103});
  EXPECT_TRUE(plan_balance(*image_, 100, 10)->empty());
  commit(plan_balance(*image_, 10, 10));
  EXPECT_EQ(partition().leader, 101);
}

TEST_F(ReassignmentTest, ABrokersRatesAreSetAndRemoved) {
  commit(plan_broker_configs(*image_, "102", {{follower_rate_key, "1000"}}, false));
  EXPECT_EQ(image_->brokers.at(102).follower_rate, 1000);
  EXPECT_EQ(image_->brokers.at(102).leader_rate, -1);
  commit(plan_start(*image_, 102, {}));
  EXPECT_EQ(image_->brokers.at(102).follower_rate, 1000) << "over its starts";
  commit(plan_broker_configs(*image_, "102",
                             {{follower_rate_key, std::nullopt},
                              {"replica.alter.log.dirs.io.max.bytes.per.second", std::nullopt}},
                             false));
  EXPECT_EQ(image_->brokers.at(102).follower_rate, -1);
  EXPECT_EQ(code_of(plan_broker_configs(*image_, "102", {{leader_rate_key, "fast"}}, false)),
            ErrorCode::invalid_config);
  EXPECT_TRUE(
      says(plan_broker_configs(*image_, "102", {{"num.partitions", "1"}}, false), "YAML file"));
  EXPECT_EQ(code_of(plan_broker_configs(*image_, "", {{leader_rate_key, "1"}}, false)),
            ErrorCode::invalid_request);
}

}  // namespace
}  // namespace isthmus::broker
