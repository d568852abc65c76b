#include "broker/link/link_plans.h"

#include "broker/controller/cluster_plans.h"

#include "tests/broker/plans.h"

namespace isthmus::broker {
namespace {

using kafka::ErrorCode;

const std::string their_id = uuid_of(50).to_string();

Attach attach_to(ClusterNumber number, const std::string& id = their_id) {
  Attach attach;
  attach.link = "l";
  attach.source_name = "a";
  attach.source_number = number;
  attach.source_cluster_id = id;
  return attach;
}

MirrorTopic mirror_topic(std::vector<LeaderEpoch> epochs = {3, 3}) {
  MirrorTopic topic;
  topic.name = "orders";
  topic.id = uuid_of(9);
  topic.origin = 1;
  topic.configs = {{"retention.ms", "1000"}, {"unknown.to.this.release", "x"}};
  topic.leader_epochs = std::move(epochs);
  return topic;
}

TEST(PlanAttach, EachProcessThatAttachesRaisesTheEpoch) {
  auto image = cluster(2);
  image = after(*image, plan_attach(*image, attach_to(1)));
  EXPECT_EQ(image->links.at("l").epoch, 1);
  EXPECT_TRUE(check_link_epoch(*image, "l", 1));
  image = after(*image, plan_attach(*image, attach_to(1)));
  EXPECT_EQ(image->links.at("l").epoch, 2);
  EXPECT_EQ(code_of(check_link_epoch(*image, "l", 1)), ErrorCode::fenced_leader_epoch);
  EXPECT_EQ(code_of(check_link_epoch(*image, "l", 3)), ErrorCode::leader_not_available)
      << "attached at another broker, of which this one has yet to hear";
  EXPECT_EQ(code_of(check_link_epoch(*image, "other", 1)), ErrorCode::resource_not_found);
}

TEST(PlanAttach, ALinkLeadsIntoAClusterOfSeveralBrokersToo) {
  Image several = *cluster(2);
  several.brokers[the_broker + 1] = {.starts = 1};
  EXPECT_TRUE(plan_attach(several, attach_to(1)));
}

TEST(PlanAttach, TheFirstLookIsDoneWhenAMirrorSaysSo) {
  auto image = cluster(2);
  image = after(*image, plan_attach(*image, attach_to(1)));
  EXPECT_TRUE(image->links.at("l").begins);
  image = after(*image, plan_attach(*image, attach_to(1)));
  EXPECT_TRUE(image->links.at("l").begins) << "the process before had not got so far";
  LinkImage link = image->links.at("l");
  link.begins = false;
  Plan plan;
  plan.put(link);
  image = after(*image, plan);
  image = after(*image, plan_attach(*image, attach_to(1)));
  EXPECT_FALSE(image->links.at("l").begins);
}

// With two in sync of which one must have a record, it alone acknowledges.
TEST(PlanMirrorTopic, ASourceThatLowersWhatMustBeInSyncEndsTheElr) {
  Image several = *cluster(2);
  several.brokers[the_broker + 1] = {.starts = 1, .version = 1};
  auto image = after(several, plan_mirror_topic(several, "l", mirror_topic()));
  image = after(*image, plan_fence(*image, the_broker + 1), 2);
  EXPECT_FALSE(image->find("orders")->partitions[0].elr.empty());
  MirrorTopic lower = mirror_topic();
  lower.configs["min.insync.replicas"] = "1";
  image = after(*image, plan_mirror_topic(*image, "l", lower), 3);
  EXPECT_TRUE(image->find("orders")->partitions[0].elr.empty());
}

TEST(PlanMirrorTopic, MorePartitionsThanATopicMayHaveAreRefused) {
  auto image = after(*cluster(2), plan_mirror_topic(*cluster(2), "l", mirror_topic()));
  const auto many = mirror_topic(std::vector<LeaderEpoch>(max_partitions_per_topic + 1, 3));
  EXPECT_EQ(code_of(plan_mirror_topic(*image, "l", many)), ErrorCode::invalid_partitions);
}

// Producer ids carry the number: two clusters under one number would deduplicate each other.
TEST(PlanMirrorTopic, APartitionThatComesIsOnAsManyBrokersAsTheOthers) {
  Image three = *cluster(2);
  for (NodeId node : {the_broker + 1, the_broker + 2}) three.brokers[node] = {.starts = 1};
  auto image = after(three, plan_mirror_topic(three, "l", mirror_topic()));
  TopicImage fewer = *image->find("orders");
  fewer.replication_factor = 2;  // as an operator has moved it
  Plan moved;
  moved.change(*image->find("orders"), fewer);
  image = after(*image, moved, 3);
  image = after(*image, plan_mirror_topic(*image, "l", mirror_topic({3, 3, 3})), 4);
  const TopicImage& topic = *image->find("orders");
  EXPECT_EQ(topic.partitions.at(1).replicas.size(), 3u);
  EXPECT_EQ(topic.partitions.at(2).replicas.size(), 2u);
  fewer = topic;
  fewer.replication_factor = 5;  // of which some have gone since
  Plan gone;
  gone.change(topic, fewer);
  image = after(*image, gone, 5);
  image = after(*image, plan_mirror_topic(*image, "l", mirror_topic({3, 3, 3, 3})), 6);
  EXPECT_EQ(image->find("orders")->partitions.at(3).replicas.size(), 3u);
}

TEST(PlanAttach, ANumberOfTwoClustersIsRefused) {
  auto image = cluster(2);
  EXPECT_TRUE(says(plan_attach(*image, attach_to(2)), "cluster number 2 is in use"));
  image = after(*image, plan_attach(*image, attach_to(1)));
  Attach other = attach_to(3, uuid_of(60).to_string());
  other.link = "m";
  other.reachable = {{1, uuid_of(61).to_string()}};
  EXPECT_TRUE(says(plan_attach(*image, other), "cluster number 1 is in use"))
      << "also where a link of the source brings it";
  other.reachable = {{1, their_id}};
  EXPECT_TRUE(plan_attach(*image, other));
}

TEST(PlanAttach, ItsOwnClusterAsSourceIsRefused) {
  auto image = cluster(2);
  EXPECT_TRUE(says(plan_attach(*image, attach_to(2, image->cluster_id.to_string())), "own source"));
}

TEST(PlanAttach, AnotherClusterUnderTheLinksNameIsRefused) {
  auto image = cluster(2);
  image = after(*image, plan_attach(*image, attach_to(0)));
  EXPECT_TRUE(says(plan_attach(*image, attach_to(0, "another")), "link l belongs to"));
}

TEST(PlanAttach, AMirrorThatMeansAnotherTargetIsRefused) {
  auto image = cluster(2);
  Attach attach = attach_to(1);
  attach.target_id = image->cluster_id.to_string();
  EXPECT_TRUE(plan_attach(*image, attach));
  attach.target_id = "another";
  EXPECT_TRUE(says(plan_attach(*image, attach), "this is cluster"));
}

Attach after_start(int32_t starts, std::vector<int64_t> times) {
  Attach attach = attach_to(1);
  attach.source_starts = starts;
  attach.source_start_times = std::move(times);
  return attach;
}
std::shared_ptr<const Image> seen_after_start_7() {
  auto image = cluster(2);
  image = after(*image, plan_attach(*image, after_start(7, {500, 600, 700})));
  return after(*image, plan_mirror_topic(*image, "l", mirror_topic()));
}

// While the mirror was off a backup was restored: what was written before and what is written since
// may stand at the same offsets, under the same epochs, for these count the starts.
TEST(WentBack, ASourceThatHasNotHadTheStartItWasSeenWithIsOlderThanTheCopy) {
  auto image = seen_after_start_7();
  EXPECT_EQ(went_back(*image, after_start(7, {500, 600, 700})), "");
  EXPECT_EQ(went_back(*image, after_start(9, {700, 800, 900})), "") << "two starts later";
  EXPECT_NE(went_back(*image, after_start(6, {500, 600})), "") << "younger than it was";
  EXPECT_NE(went_back(*image, after_start(7, {500, 600, 750})), "") << "a start 7, but another";
  EXPECT_NE(went_back(*image, after_start(9, {600, 750, 800, 900})), "")
      << "it has been started again and again since";
  EXPECT_EQ(went_back(*image, after_start(100, {1000, 1100})), "") << "that long ago is not known";
  EXPECT_EQ(went_back(*image, attach_to(1)), "") << "an older release does not tell";
  Attach another = after_start(1, {2000});
  another.source_cluster_id = "another";
  EXPECT_EQ(went_back(*image, another), "") << "refused as another cluster, and nothing failed";
}

TEST(WentBack, FailsTheMirrorsOfTheLinkAndSaysWhyOnce) {
  auto image = seen_after_start_7();
  const std::string why = went_back(*image, after_start(6, {500, 600}));
  EXPECT_TRUE(why.starts_with("diverged: ")) << why;
  image = after(*image, plan_went_back(*image, "l", why));
  EXPECT_EQ(image->find("orders")->partitions[1].mirror_state, MirrorState::failed);
  EXPECT_EQ(image->find("orders")->partitions[1].mirror_reason, why);
  EXPECT_TRUE(plan_went_back(*image, "l", why).empty());
  EXPECT_TRUE(plan_went_back(*image, "other", why).empty());
}

// The operator has decided for the source, and deleted the copies.
TEST(WentBack, WithoutACopyThereIsNothingThatCouldDiffer) {
  auto image = cluster(2);
  image = after(*image, plan_attach(*image, after_start(7, {700})));
  EXPECT_EQ(went_back(*image, after_start(6, {600})), "");
  image = after(*image, plan_attach(*image, after_start(6, {600})));
  EXPECT_EQ(image->links.at("l").source_starts, 6);
  EXPECT_EQ(image->links.at("l").source_started_at, 600);
}

TEST(WentBack, LaterStartsAreHeardOfWithReports) {
  LinkImage link;
  link.source_starts = 7;
  link.source_started_at = 700;
  EXPECT_TRUE(check_start(link, {}));
  EXPECT_TRUE(check_start(link, {7, 700}));
  EXPECT_FALSE(check_start(link, {7, 750}));
  EXPECT_FALSE(check_start(link, {6, 600}));
  EXPECT_TRUE(check_start(link, {8, 800}));
  note_start(link, {8, 800});
  note_start(link, {6, 600});
  EXPECT_EQ(link.source_starts, 8);
  EXPECT_EQ(link.source_started_at, 800);
}

TEST(PlanAttach, ForeignClustersHaveNoNumberAndNeverCollide) {
  auto image = cluster(2);
  image = after(*image, plan_attach(*image, attach_to(0, "kafka-1")));
  Attach second = attach_to(0, "kafka-2");
  second.link = "m";
  image = after(*image, plan_attach(*image, second));
  EXPECT_EQ(reachable_clusters(*image).size(), 1u) << "only this cluster has a number";
}

TEST(PlanMirrorTopic, ItIsMadeWithTheSourcesIdConfigsAndEpochs) {
  auto image = cluster(2, 7);
  image = after(*image, plan_mirror_topic(*image, "l", mirror_topic({3, 5})));
  const TopicImage* topic = image->find("orders");
  ASSERT_NE(topic, nullptr);
  EXPECT_EQ(topic->id, uuid_of(9));
  EXPECT_EQ(topic->writer, TopicWriter(TopicWriter::Link{"l", 1}));
  EXPECT_EQ(topic->configs, mirror_topic().configs);
  EXPECT_EQ(epoch_in_force(topic->partitions[1], *image), 5);
  EXPECT_EQ(topic->partitions[0].mirror_state, MirrorState::initializing);
  EXPECT_TRUE(plan_mirror_topic(*image, "l", mirror_topic({3, 5}))->empty())
      << "the same again writes nothing";
}

TEST(PlanMirrorTopic, ItFollowsItsSourceAndItsEpochNeverGoesBack) {
  auto image = cluster(2);
  image = after(*image, plan_mirror_topic(*image, "l", mirror_topic({3, 5})));
  auto grown = mirror_topic({4, 1, 2});
  grown.configs["retention.ms"] = "2000";
  image = after(*image, plan_mirror_topic(*image, "l", grown));
  const TopicImage* topic = image->find("orders");
  ASSERT_EQ(topic->partitions.size(), 3u);
  EXPECT_EQ(epoch_in_force(topic->partitions[0], *image), 4);
  EXPECT_EQ(epoch_in_force(topic->partitions[1], *image), 5);
  EXPECT_EQ(epoch_in_force(topic->partitions[2], *image), 2);
  EXPECT_EQ(topic->configs.at("retention.ms"), "2000");
}

TEST(PlanMirrorTopic, ATopicThatClientsWriteIsNeverTakenOver) {
  auto image = cluster(2);
  image = after(*image, plan_create_topic(*image, topic_wish("orders", 9)));
  EXPECT_EQ(code_of(plan_mirror_topic(*image, "l", mirror_topic())), ErrorCode::policy_violation);
}

TEST(PlanMirrorTopic, ANameThatIsAnotherTopicIsRefusedExplicitly) {
  auto image = cluster(2);
  image = after(*image, plan_create_topic(*image, topic_wish("orders", 8)));
  auto refused = plan_mirror_topic(*image, "l", mirror_topic());
  EXPECT_EQ(code_of(refused), ErrorCode::inconsistent_topic_id);
  EXPECT_TRUE(says(refused, uuid_of(8).to_string())) << "both ids are named";
}

// Same name, other id: another topic. What is here stays, with a state that names it.
TEST(Recreated, TheCopyOfTheTopicBeforeIsFailedAndNotContinued) {
  auto image = cluster(2);
  image = after(*image, plan_mirror_topic(*image, "l", mirror_topic()));
  MirrorTopic again = mirror_topic({0, 0});
  EXPECT_EQ(was_recreated(*image, "l", again), "");
  again.id = uuid_of(10);
  EXPECT_EQ(was_recreated(*image, "other", again), "") << "no copy of that link";
  EXPECT_EQ(code_of(plan_mirror_topic(*image, "l", again)), ErrorCode::inconsistent_topic_id);
  const std::string why = was_recreated(*image, "l", again);
  EXPECT_TRUE(why.starts_with("recreated: ")) << why;
  EXPECT_NE(why.find(uuid_of(9).to_string()), std::string::npos) << "both ids are named";
  EXPECT_NE(why.find(uuid_of(10).to_string()), std::string::npos);
  image = after(*image, plan_recreated(*image, "orders", why));
  for (const auto& partition : image->find("orders")->partitions) {
    EXPECT_EQ(partition.mirror_state, MirrorState::failed);
    EXPECT_EQ(partition.mirror_reason, why);
  }
  EXPECT_TRUE(plan_recreated(*image, "orders", why).empty()) << "written once";
  EXPECT_EQ(image->find("orders")->id, uuid_of(9));
}

TEST(PlanDeleteCopy, WhatIsNoCopyOfTheLinkAnyMoreStays) {
  auto image = cluster(2);
  image = after(*image, plan_create_topic(*image, topic_wish("ours", 8)));
  image = after(*image, plan_mirror_topic(*image, "l", mirror_topic()));
  EXPECT_TRUE(plan_delete_copy(*image, "l", uuid_of(8))->empty()) << "clients write it";
  EXPECT_TRUE(plan_delete_copy(*image, "other", uuid_of(9))->empty());
  EXPECT_TRUE(plan_delete_copy(*image, "l", uuid_of(10))->empty()) << "another topic by its id";
  image = after(*image, plan_delete_copy(*image, "l", uuid_of(9)));
  EXPECT_EQ(image->find("orders"), nullptr);
  EXPECT_NE(image->find("ours"), nullptr);
}

TEST(PlanMirrorTopic, ATopicOfAnotherLinkIsRefused) {
  auto image = cluster(2);
  image = after(*image, plan_mirror_topic(*image, "first", mirror_topic()));
  EXPECT_TRUE(says(plan_mirror_topic(*image, "l", mirror_topic()), "written by link first"));
}

TEST(PlanReport, WritesOnlyWhatChanged) {
  auto image = cluster(2);
  image = after(*image, plan_mirror_topic(*image, "l", mirror_topic()));
  std::vector<PartitionReport> reports = {{uuid_of(9), 1, MirrorState::failed, "why"}};
  image = after(*image, plan_report(*image, "l", reports));
  EXPECT_EQ(image->find("orders")->partitions[1].mirror_state, MirrorState::failed);
  EXPECT_EQ(image->find("orders")->partitions[1].mirror_reason, "why");
  EXPECT_EQ(image->find("orders")->partitions[0].mirror_state, MirrorState::initializing);
  EXPECT_TRUE(plan_report(*image, "l", reports)->empty());
  EXPECT_TRUE(plan_report(*image, "other", {{uuid_of(9), 0, MirrorState::paused, ""}})->empty());
  EXPECT_TRUE(plan_report(*image, "l", {{uuid_of(9), 2, MirrorState::paused, ""}})->empty());
  EXPECT_TRUE(plan_report(*image, "l", {{uuid_of(9), -1, MirrorState::paused, ""}})->empty());
}

std::shared_ptr<const Image> with_two_overtaken() {
  auto image = after(*cluster(2), plan_attach(*cluster(2), attach_to(1)));
  image = after(*image, plan_mirror_topic(*image, "l", mirror_topic({3, 3, 3})));
  std::vector<PartitionReport> reports = {
      {uuid_of(9), 0, MirrorState::failed, "retention_overtook: 209 offsets are gone"},
      {uuid_of(9), 1, MirrorState::failed, "retention_overtook: 3 offsets are gone"},
      {uuid_of(9), 2, MirrorState::failed, "diverged: ..."}};
  return after(*image, plan_report(*image, "l", reports));
}

std::shared_ptr<const Image> steered(const Image& image, const Steering& wish) {
  auto done = plan_steer(image, wish);
  EXPECT_TRUE(done) << done.error().text;
  return done ? after(image, Result<Plan>(done->plan)) : nullptr;
}

TEST(PlanSteer, APauseIsRecordedAndOutlivesTheProcessesThatAttach) {
  auto image = with_two_overtaken();
  image = steered(*image, {"l", true, false, {}});
  EXPECT_TRUE(image->links.at("l").paused);
  EXPECT_TRUE(plan_steer(*image, {"l", true, false, {}})->plan.empty()) << "said again";
  image = after(*image, plan_attach(*image, attach_to(1)));
  EXPECT_TRUE(image->links.at("l").paused);
  image = steered(*image, {"l", false, false, {}});
  EXPECT_FALSE(image->links.at("l").paused);
  EXPECT_EQ(image->find("orders")->partitions[0].mirror_state, MirrorState::failed)
      << "no gap is accepted unasked";
}

TEST(PlanSteer, AGapIsAcceptedWhereRetentionHasOvertakenAndNowhereElse) {
  const auto image = with_two_overtaken();
  const auto all = plan_steer(*image, {"l", false, true, {}});
  ASSERT_EQ(all->accepted.size(), 2u);
  EXPECT_EQ(all->accepted[0].reason, "retention_overtook: 209 offsets are gone");
  const auto one = steered(*image, {"l", false, true, {{"orders", 1}}});
  const auto& partitions = one->find("orders")->partitions;
  EXPECT_EQ(partitions[0].mirror_state, MirrorState::failed);
  EXPECT_EQ(partitions[1].mirror_state, MirrorState::resuming);
  EXPECT_EQ(partitions[1].mirror_reason, "");
  EXPECT_EQ(partitions[2].mirror_state, MirrorState::failed);
  EXPECT_TRUE(plan_steer(*one, {"l", false, true, {{"orders", 1}}})->plan.empty()) << "said again";
  EXPECT_FALSE(plan_steer(*image, {"l", false, true, {{"orders", 2}}})) << "it has diverged";
  EXPECT_FALSE(plan_steer(*image, {"l", false, true, {{"orders", 7}}}));
  EXPECT_FALSE(plan_steer(*image, {"l", true, true, {}}));
  EXPECT_FALSE(plan_steer(*image, {"unknown", true, false, {}}));
}

// A report that was under way when the operator spoke tells of the old failure.
TEST(PlanSteer, AnAcceptedGapIsNotUndoneByWhatTheMirrorSaidBefore) {
  auto image = steered(*with_two_overtaken(), {"l", false, true, {}});
  const PartitionReport late{uuid_of(9), 0, MirrorState::failed, "retention_overtook: 209 ..."};
  EXPECT_TRUE(plan_report(*image, "l", {late})->empty());
  image = after(*image, plan_report(*image, "l", {{uuid_of(9), 0, MirrorState::mirroring, ""}}));
  EXPECT_EQ(image->find("orders")->partitions[0].mirror_state, MirrorState::mirroring);
  image = after(*image, plan_report(*image, "l", {late}));
  EXPECT_EQ(image->find("orders")->partitions[0].mirror_state, MirrorState::failed)
      << "a second time is a second question";
  image =
      after(*image, plan_report(*image, "l", {{uuid_of(9), 1, MirrorState::failed, "diverged"}}));
  EXPECT_EQ(image->find("orders")->partitions[1].mirror_reason, "diverged");
}

TEST(PlanRaiseEpoch, OnlyUpwards) {
  auto image = cluster(2, 4);
  image = after(*image, plan_mirror_topic(*image, "l", mirror_topic({3, 3})));
  EXPECT_TRUE(plan_raise_epoch(*image, uuid_of(9), 0, 3)->empty());
  EXPECT_TRUE(plan_raise_epoch(*image, uuid_of(9), 7, 9)->empty());
  image = after(*image, plan_raise_epoch(*image, uuid_of(9), 0, 9));
  EXPECT_EQ(epoch_in_force(image->find("orders")->partitions[0], *image), 9);
  EXPECT_EQ(epoch_in_force(image->find("orders")->partitions[1], *image), 3);
}

}  // namespace
}  // namespace isthmus::broker
