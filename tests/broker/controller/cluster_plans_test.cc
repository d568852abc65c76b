#include "broker/controller/cluster_plans.h"
#include "broker/controller/elections.h"

#include <algorithm>
#include <set>

#include "tests/broker/plans.h"

namespace isthmus::broker {
namespace {

using kafka::ErrorCode;

// Brokers 101, 102 and 103 serve, and each leads one of the partitions of orders.
std::shared_ptr<const Image> three() {
  auto image = std::make_shared<Image>();
  for (NodeId node : {101, 102, 103}) image->brokers[node] = {.starts = 1, .version = 1};
  return after(*image, plan_create_topic(*image, topic_wish("orders", 9, 3)));
}

const PartitionImage& partition(const Image& image, size_t index) {
  return image.find("orders")->partitions[index];
}

IsrChange isr_change(const Image& image, PartitionIndex index, std::vector<InSync> isr) {
  const LeaderEpoch epoch = epoch_in_force(partition(image, static_cast<size_t>(index)), image);
  const int64_t version = partition(image, static_cast<size_t>(index)).version;
  return {image.find("orders")->id, index, epoch, version, std::move(isr)};
}

std::shared_ptr<const Image> fence(const Image& image, NodeId node, int64_t version = 2) {
  return after(image, plan_fence(image, node), version);
}

TEST(Placement, EveryBrokerHasEveryPartitionAndEachLeadsItsShare) {
  auto image = three();
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(partition(*image, i).leader, static_cast<NodeId>(101 + i));
    EXPECT_EQ(partition(*image, i).replicas.size(), 3u);
    EXPECT_EQ(partition(*image, i).isr, partition(*image, i).replicas);
  }
}

TEST(Placement, WhoIsFencedLeadsNothingAndIsNotInSync) {
  auto image = fence(*three(), 101);
  image = after(*image, plan_create_topic(*image, topic_wish("more", 8, 3)), 3);
  for (const PartitionImage& p : image->find("more")->partitions) {
    EXPECT_NE(p.leader, 101);
    EXPECT_EQ(p.replicas.size(), 3u);
    EXPECT_EQ(p.isr.size(), 2u);
  }
}

TEST(Placement, WhereNobodyServesTheFirstWhoDoesLeads) {
  auto image = three();
  for (NodeId node : {101, 102, 103}) image = fence(*image, node, node);
  image = after(*image, plan_create_topic(*image, topic_wish("more", 8, 1)), 200);
  EXPECT_EQ(image->find("more")->partitions[0].leader, -1);
  image = after(*image, plan_unfence(*image, 102, 1), 201);
  EXPECT_EQ(image->find("more")->partitions[0].leader, 102);
}

TEST(PlanFence, TheNextInSyncLeadsUnderALaterEpoch) {
  auto before = three();
  auto image = fence(*before, 102);
  EXPECT_TRUE(image->brokers.at(102).fenced);
  const PartitionImage& moved = partition(*image, 1);
  EXPECT_EQ(moved.leader, 103);
  EXPECT_EQ(moved.isr, (std::vector<NodeId>{103, 101}));
  EXPECT_EQ(epoch_in_force(moved, *image), epoch_in_force(partition(*before, 1), *before) + 1);
  // Led by others: what they have acknowledged stays theirs to acknowledge.
  EXPECT_EQ(partition(*image, 0).leader, 101);
  EXPECT_EQ(epoch_in_force(partition(*image, 0), *image), 0);
  EXPECT_EQ(partition(*image, 0).isr, (std::vector<NodeId>{101, 103}));
  EXPECT_TRUE(plan_fence(*image, 102)->empty());
}

// 102 went while enough were in sync: records may have been acknowledged without it since. With two
// left, and then one, none was: both have all of it.
TEST(PlanFence, WhoWentWhileEnoughWereInSyncNeverLeadsWhatItMayLack) {
  auto image = three();
  for (NodeId node : {102, 103, 101}) image = fence(*image, node, node);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(partition(*image, i).leader, -1);
    EXPECT_EQ(partition(*image, i).isr, std::vector<NodeId>{});
    EXPECT_EQ(partition(*image, i).elr, (std::vector<NodeId>{103, 101}));
  }
  const LeaderEpoch epoch = epoch_in_force(partition(*image, 0), *image);
  image = after(*image, plan_unfence(*image, 102, 1), 201);
  EXPECT_EQ(partition(*image, 0).leader, -1) << "an unclean election";
  image = after(*image, plan_unfence(*image, 103, 1), 202);
  EXPECT_EQ(partition(*image, 0).leader, 103)
      << "the first of them to come back, not the last to go";
  EXPECT_EQ(partition(*image, 0).isr, std::vector<NodeId>{103});
  EXPECT_EQ(partition(*image, 0).elr, std::vector<NodeId>{101});
  EXPECT_GT(epoch_in_force(partition(*image, 0), *image), epoch);
}

TEST(PlanUnfence, WhoseDiskHasLostItNeverLeadsIt) {
  auto image = three();
  for (NodeId node : {102, 103, 101}) image = fence(*image, node, node);
  const Uuid topic = image->find("orders")->id;
  image = after(*image, plan_unfence(*image, 103, 1, {{topic, 0}}), 201);
  EXPECT_EQ(partition(*image, 0).leader, -1);
  EXPECT_EQ(partition(*image, 0).elr, std::vector<NodeId>{101});
  EXPECT_EQ(partition(*image, 1).leader, 103) << "of the others it has all";
}

// Of whom nothing is left leads nothing, though it is the last: another replica may have more, and
// would be cut to nothing.
TEST(PlanLose, WhoHasNothingLeftLeadsNothingThatOthersMayHave) {
  auto image = three();
  for (NodeId node : {102, 103}) image = fence(*image, node, node);
  const Uuid topic = image->find("orders")->id;
  image = after(*image, plan_lose(*image, 101, {{topic, 0, true}, {topic, 1}}), 200);
  EXPECT_EQ(partition(*image, 0).elr, std::vector<NodeId>{103});
  image = after(*image, plan_unfence(*image, 103, 1, {{topic, 0, true}}), 201);
  EXPECT_EQ(partition(*image, 0).leader, -1);
  EXPECT_EQ(partition(*image, 0).isr, std::vector<NodeId>{});
  EXPECT_EQ(partition(*image, 0).elr, std::vector<NodeId>{});
}

TEST(IsCountedOn, TheLastOneIsUnlessNothingIsLeftOfIt) {
  PartitionImage two{.replicas = {1, 2}, .isr = {1}, .elr = {2}};
  EXPECT_TRUE(is_counted_on(two, 1, false));
  EXPECT_TRUE(is_counted_on(two, 2, false));
  EXPECT_FALSE(is_counted_on(two, 3, true));
  two.elr.clear();
  EXPECT_FALSE(is_counted_on(two, 1, false)) << "nobody has more";
  EXPECT_TRUE(is_counted_on(two, 1, true)) << "the other one may have something";
  EXPECT_FALSE(is_counted_on({.replicas = {1}, .isr = {1}}, 1, true)) << "nobody else can";
}

TEST(SettleElr, ItEndsWhereEnoughAreInSync) {
  auto image = fence(*fence(*three(), 102, 2), 103, 3);
  EXPECT_EQ(partition(*image, 0).elr, std::vector<NodeId>{103});
  auto lower = plan_configs(*image, "orders", {{"min.insync.replicas", "1"}}, false);
  EXPECT_TRUE(partition(*after(*image, lower, 4), 0).elr.empty())
      << "101 alone acknowledges from here on";
  image = after(*image, plan_unfence(*image, 102, 1), 4);
  image = after(*image, plan_isr(*image, 101, {isr_change(*image, 0, {{101, 1}, {102, 1}})}), 5);
  EXPECT_TRUE(partition(*image, 0).elr.empty());
}

TEST(MinInsyncReplicas, IsWhatTheTopicSaysOrAMajorityAndNeverMoreThanThereAre) {
  TopicImage topic;
  PartitionImage of_three{.replicas = {1, 2, 3}};
  EXPECT_EQ(min_insync_replicas(topic, {}), 1);
  EXPECT_EQ(min_insync_replicas(topic, {.replicas = {1}}), 1);
  EXPECT_EQ(min_insync_replicas(topic, {.replicas = {1, 2}}), 2);
  EXPECT_EQ(min_insync_replicas(topic, of_three), 2);
  EXPECT_EQ(min_insync_replicas(topic, {.replicas = {1, 2, 3, 4}}), 3);
  topic.configs["min.insync.replicas"] = "1";
  EXPECT_EQ(min_insync_replicas(topic, of_three), 1);
  topic.configs["min.insync.replicas"] = "5";
  EXPECT_EQ(min_insync_replicas(topic, of_three), 3);
  topic.configs["min.insync.replicas"] = "many";
  EXPECT_EQ(min_insync_replicas(topic, of_three), 1);
}

TEST(PlanFence, OfAStrangerIsAnError) {
  EXPECT_EQ(code_of(plan_fence(*three(), 104)), ErrorCode::broker_id_not_registered);
}

TEST(PlanStart, InAClusterOfSeveralSomebodyElseLeadsUntilItServes) {
  auto before = three();
  auto image = after(*before, Result<Plan>(plan_start(*before, 101, {.fenced = true})), 2);
  EXPECT_EQ(image->brokers.at(101).starts, 2);
  EXPECT_EQ(partition(*image, 0).leader, 102);
  EXPECT_GT(epoch_in_force(partition(*image, 0), *image),
            epoch_in_force(partition(*before, 0), *before));
  EXPECT_EQ(code_of(plan_unfence(*image, 101, 1)), ErrorCode::stale_broker_epoch)
      << "the word of its life before";
  image = after(*image, plan_unfence(*image, 101, 2), 3);
  EXPECT_FALSE(image->brokers.at(101).fenced);
  EXPECT_EQ(partition(*image, 0).leader, 102) << "until it is in sync again";
}

TEST(PlanStart, WithAnotherDataDirectoryItHasNothingToLeadBy) {
  auto image = three();
  const auto start = [&](NodeId node, uint8_t directory, int64_t version) {
    const BrokerImage says{.fenced = true, .directory_id = uuid_of(directory)};
    image = after(*image, Result<Plan>(plan_start(*image, node, says)), version);
  };
  start(101, 11, 2);  // the first that says which it has
  start(102, 12, 3);
  start(103, 13, 4);
  EXPECT_EQ(partition(*image, 0).elr, (std::vector<NodeId>{102, 103}));
  start(102, 12, 5);
  EXPECT_EQ(partition(*image, 0).elr, (std::vector<NodeId>{102, 103})) << "a restart is no loss";
  start(102, 22, 6);
  EXPECT_EQ(partition(*image, 0).elr, std::vector<NodeId>{103});
  image = after(*image, plan_unfence(*image, 102, image->starts_of(102)), 7);
  EXPECT_EQ(partition(*image, 0).leader, -1) << "an empty log would have led";
}

TEST(PlanLose, AnotherLeadsWhatALeadersDiskHasLost) {
  auto before = three();
  const Uuid topic = before->find("orders")->id;
  auto image = after(*before, plan_lose(*before, 101, {{topic, 0}, {topic, 1}}), 2);
  EXPECT_EQ(partition(*image, 0).leader, 102);
  EXPECT_EQ(partition(*image, 0).isr, (std::vector<NodeId>{102, 103}));
  EXPECT_EQ(partition(*image, 1).leader, 102);
  EXPECT_EQ(partition(*image, 1).isr, (std::vector<NodeId>{102, 103}));
  EXPECT_EQ(partition(*image, 2).isr.size(), 3u);
  EXPECT_TRUE(plan_lose(*image, 101, {{topic, 0}, {topic, 1}})->empty());
}

TEST(MissingDirectory, IsNamedWithWhatNobodyElseHas) {
  auto image = three();
  EXPECT_EQ(missing_directory(*image, 101, uuid_of(2)), "") << "it had none yet";
  image = after(*image, plan_start(*image, 101, {.fenced = true, .directory_id = uuid_of(1)}), 2);
  EXPECT_EQ(missing_directory(*image, 101, uuid_of(1)), "");
  EXPECT_EQ(missing_directory(*image, 104, uuid_of(2)), "");
  auto said = missing_directory(*image, 101, uuid_of(2));
  EXPECT_TRUE(said.starts_with("the data of node 101 are in directory " + uuid_of(1).to_string()))
      << said;
  EXPECT_NE(said.find("of 3 partitions"), std::string::npos) << said;
  EXPECT_EQ(said.find("nobody else"), std::string::npos) << said;
  image = after(*image, plan_configs(*image, "orders", {{"min.insync.replicas", "1"}}, false), 3);
  image = after(*image, plan_unfence(*image, 101, 2), 4);
  const IsrChange change = isr_change(*image, 1, {{101, 2}, {102, 1}});
  image = after(*image, plan_isr(*image, 102, {change}), 5);
  for (NodeId node : {102, 103}) image = fence(*image, node, node);
  said = missing_directory(*image, 101, uuid_of(2));
  EXPECT_NE(said.find("of 1, orders-1 among them, nobody else has all"), std::string::npos) << said;
}

TEST(PlanLose, TheLastOneStaysAndLeadsOnceItIsRepaired) {
  auto image = fence(*fence(*three(), 102, 2), 103, 3);
  image = after(*image, plan_unfence(*image, 102, 1), 4);
  const Uuid topic = image->find("orders")->id;
  image = after(*image, plan_lose(*image, 101, {{topic, 0}}), 5);
  EXPECT_EQ(partition(*image, 0).leader, -1) << "103 has it all, and is away";
  EXPECT_EQ(partition(*image, 0).elr, std::vector<NodeId>{103});
  EXPECT_TRUE(plan_lose(*image, 103, {{topic, 0}})->empty());
}

TEST(PlanStart, OfTheOnlyBrokerIsAnElectionAndNothingElse) {
  auto before = cluster(1);
  before = after(*before, plan_create_topic(*before, topic_wish("orders", 9, 1)));
  const Plan plan = plan_start(*before, the_broker, {});
  EXPECT_EQ(plan.puts.size(), 1u) << "one record, however many partitions";
  auto image = after(*before, plan, 2);
  EXPECT_EQ(partition(*image, 0).leader, the_broker);
  EXPECT_EQ(epoch_in_force(partition(*image, 0), *image), 1);
}

TEST(PlanIsr, TheLeaderShrinksItAndLetsInWhoHasCaughtUp) {
  auto image = three();
  auto change = isr_change(*image, 0, {{101, 1}, {103, 1}});
  image = after(*image, plan_isr(*image, 101, {change}), 2);
  EXPECT_EQ(partition(*image, 0).isr, (std::vector<NodeId>{101, 103}));
  EXPECT_EQ(epoch_in_force(partition(*image, 0), *image), 0) << "no election";
  change = isr_change(*image, 0, {{103, 1}, {102, 1}, {101, 1}});
  image = after(*image, plan_isr(*image, 101, {change}), 3);
  EXPECT_EQ(partition(*image, 0).isr, (std::vector<NodeId>{101, 102, 103}));
  EXPECT_TRUE(plan_isr(*image, 101, {change})->empty());
}

TEST(PlanIsr, ManyPartitionsChangeInOneCommitAndTheOthersAreLeft) {
  auto image = three();
  const auto good = isr_change(*image, 0, {{101, 1}});
  auto of_another = isr_change(*image, 1, {{101, 1}});
  auto of_no_topic = good;
  of_no_topic.topic = uuid_of(77);
  auto of_no_partition = good;
  of_no_partition.index = 3;
  image = after(*image, plan_isr(*image, 101, {of_another, of_no_topic, of_no_partition, good}), 2);
  EXPECT_EQ(partition(*image, 0).isr.size(), 1u);
  EXPECT_EQ(partition(*image, 1).isr.size(), 3u);
}

// KAFKA-2729 and its kin: a leader that was replaced and has not heard of it.
TEST(PlanIsr, OfAnEpochThatIsNotInForceChangesNothing) {
  auto image = three();
  auto change = isr_change(*image, 0, {{101, 1}});
  change.leader_epoch -= 1;
  EXPECT_TRUE(plan_isr(*image, 101, {change})->empty());
  change.leader_epoch += 2;
  EXPECT_TRUE(plan_isr(*image, 101, {change})->empty());
}

// Two proposals from one record: whatever became of the first, the second was made without it.
TEST(PlanIsr, OfARecordThatHasChangedSinceChangesNothing) {
  auto image = three();
  const auto shrink = isr_change(*image, 0, {{101, 1}, {103, 1}});
  const auto other = isr_change(*image, 0, {{101, 1}, {102, 1}});
  image = after(*image, plan_isr(*image, 101, {shrink}), 2);
  EXPECT_TRUE(plan_isr(*image, 101, {other})->empty());
}

// KIP-903: the disk of that life may be empty.
TEST(PlanIsr, WhoHasStartedSinceIsNotLetIn) {
  auto image = fence(*three(), 103);
  image = after(*image, Result<Plan>(plan_start(*image, 103, {.fenced = true})), 3);
  image = after(*image, plan_unfence(*image, 103, 2), 4);
  EXPECT_TRUE(
      plan_isr(*image, 101, {isr_change(*image, 0, {{101, 1}, {102, 1}, {103, 1}})})->empty());
  EXPECT_FALSE(
      plan_isr(*image, 101, {isr_change(*image, 0, {{101, 1}, {102, 1}, {103, 2}})})->empty());
}

// Nothing is acknowledged by one of three: whom it leaves behind has all that was.
TEST(PlanIsr, WhoLeavesTooFewBehindMayLeadWhereNobodyIsLeft) {
  auto image = three();
  image = after(*image, plan_isr(*image, 101, {isr_change(*image, 0, {{101, 1}, {103, 1}})}), 2);
  EXPECT_EQ(partition(*image, 0).elr, std::vector<NodeId>{});
  image = after(*image, plan_isr(*image, 101, {isr_change(*image, 0, {{101, 1}})}), 3);
  EXPECT_EQ(partition(*image, 0).elr, std::vector<NodeId>{103});
  image = fence(*image, 101, 4);
  EXPECT_EQ(partition(*image, 0).leader, 103);
  EXPECT_EQ(partition(*image, 0).isr, std::vector<NodeId>{103});
  EXPECT_EQ(partition(*image, 0).elr, std::vector<NodeId>{101});
}

TEST(PlanIsr, NoStrangerNobodyFencedAndNeverWithoutTheLeader) {
  auto image = three();
  EXPECT_TRUE(plan_isr(*image, 101, {isr_change(*image, 0, {{101, 1}, {104, 1}})})->empty());
  EXPECT_TRUE(plan_isr(*image, 101, {isr_change(*image, 0, {{102, 1}, {103, 1}})})->empty());
  EXPECT_TRUE(plan_isr(*image, 101, {isr_change(*image, 0, {})})->empty());
  image = fence(*image, 103);
  EXPECT_TRUE(
      plan_isr(*image, 101, {isr_change(*image, 0, {{101, 1}, {102, 1}, {103, 1}})})->empty());
}

// The commit of a fence changes no partition that the broker is not in sync with: the plan that
// lets it in must fall with the broker's record.
TEST(PlanIsr, ReliesOnThoseItLetsIn) {
  auto image = three();
  image = after(*image, plan_isr(*image, 101, {isr_change(*image, 0, {{101, 1}, {102, 1}})}), 2);
  auto plan = plan_isr(*image, 101, {isr_change(*image, 0, {{101, 1}, {102, 1}, {103, 1}})});
  ASSERT_TRUE(plan);
  std::set<std::string> keys;
  for (const auto& check : plan->checks) keys.insert(check.key);
  for (const char* key : {"/brokers/101", "/brokers/102", "/brokers/103"}) {
    EXPECT_TRUE(keys.contains(key)) << key;
  }
}

TEST(PlanFence, ReliesOnWhomItElects) {
  auto plan = plan_fence(*three(), 101);
  ASSERT_TRUE(plan);
  EXPECT_EQ(std::ranges::count(plan->checks, "/brokers/102", &MetadataStore::Check::key), 1);
}

TEST(PlanPrefer, LeadershipGoesHomeWhereHomeIsInSync) {
  auto image = fence(*three(), 101);
  image = after(*image, plan_unfence(*image, 101, 1), 3);
  EXPECT_TRUE(plan_prefer(*image, -1)->empty()) << "it is not in sync yet";
  const auto change = isr_change(*image, 0, {{101, 1}, {102, 1}, {103, 1}});
  image = after(*image, plan_isr(*image, 102, {change}), 4);
  EXPECT_TRUE(plan_prefer(*image, 0)->empty());
  const LeaderEpoch epoch = epoch_in_force(partition(*image, 0), *image);
  image = after(*image, plan_prefer(*image, -1), 5);
  EXPECT_EQ(partition(*image, 0).leader, 101);
  EXPECT_EQ(epoch_in_force(partition(*image, 0), *image), epoch + 1);
}

}  // namespace
}  // namespace isthmus::broker
