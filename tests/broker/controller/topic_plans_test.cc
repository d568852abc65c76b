#include "broker/controller/topic_plans.h"

#include "tests/broker/plans.h"

namespace isthmus::broker {
namespace {

using kafka::ErrorCode;

std::shared_ptr<const Image> with_topic() {
  auto image = cluster(1, 3);
  return after(*image, plan_create_topic(*image, topic_wish("orders", 9)));
}
std::shared_ptr<const Image> with_mirror() {
  auto image = cluster(1);
  NewTopic wish = topic_wish("orders", 9);
  wish.writer = TopicWriter::Link{"l", 2};
  wish.leader_epochs = {4, 5};
  return after(*image, plan_create_topic(*image, wish));
}
std::shared_ptr<const Image> with_closed() {
  auto image = with_topic();
  TopicImage topic = *image->find("orders");
  topic.writer = TopicWriter::Nobody{uuid_of(1)};
  Plan plan;
  plan.change(*image->find("orders"), topic);
  return after(*image, plan);
}

TEST(TopicName, IsKafkas) {
  for (const char* name : {"a", "A.b_c-9", "...", "__internal"}) {
    EXPECT_TRUE(check_topic_name(name)) << name;
  }
  for (std::string name : {"", ".", "..", "a/b", "a b", "ü", "a\n"}) {
    EXPECT_EQ(code_of(check_topic_name(name)), ErrorCode::invalid_topic_exception) << name;
  }
  EXPECT_TRUE(check_topic_name(std::string(249, 'x')));
  EXPECT_FALSE(check_topic_name(std::string(250, 'x')));
}

TEST(PlanCreateTopic, ItIsOursAndItsFirstEpochIsThisStart) {
  auto image = with_topic();
  const TopicImage* topic = image->find("orders");
  ASSERT_NE(topic, nullptr);
  EXPECT_TRUE(topic->writer.is_clients());
  EXPECT_EQ(topic->partitions.size(), 2u);
  EXPECT_EQ(epoch_in_force(topic->partitions[0], *image), 0);
  EXPECT_EQ(topic->partitions[0].mirror_state, MirrorState::none);
}

TEST(PlanCreateTopic, MayBeginAtTheEpochsOfTheRecordsThatItIsFor) {
  auto image = cluster(1, 3);
  NewTopic wish = topic_wish("orders.diverged.7", 9);
  wish.leader_epochs = {7, 6};
  image = after(*image, plan_create_topic(*image, wish));
  const TopicImage* topic = image->find("orders.diverged.7");
  ASSERT_NE(topic, nullptr);
  EXPECT_EQ(epoch_in_force(topic->partitions[0], *image), 7);
  EXPECT_EQ(epoch_in_force(topic->partitions[1], *image), 6);
  EXPECT_FALSE(topic->is_mirror());
}

TEST(PlanCreateTopic, RefusesWhatCannotBe) {
  auto image = with_topic();
  auto refusal = [&](NewTopic wish) { return code_of(plan_create_topic(*image, wish)); };
  EXPECT_EQ(refusal(topic_wish("orders", 10)), ErrorCode::topic_already_exists);
  EXPECT_EQ(refusal(topic_wish("other", 9)), ErrorCode::invalid_request) << "an id of two topics";
  EXPECT_EQ(refusal(topic_wish("a b", 10)), ErrorCode::invalid_topic_exception);
  EXPECT_EQ(refusal(topic_wish("t", 10, 0)), ErrorCode::invalid_partitions);
  EXPECT_EQ(refusal(topic_wish("t", 10, 10'001)), ErrorCode::invalid_partitions);
  NewTopic wish = topic_wish("t", 10);
  wish.configs = {{"retention.ms", "soon"}};
  EXPECT_EQ(refusal(wish), ErrorCode::invalid_config);
  wish.writer = TopicWriter::Link{"l"};
  EXPECT_EQ(refusal(wish), ErrorCode::none) << "a mirror takes what its source has";
}

// In the names of metrics '.' becomes '_', so Kafka takes only one of two such names.
TEST(PlanCreateTopic, RefusesANameThatIsAnotherTopicsInMetrics) {
  auto image = cluster(1);
  image = after(*image, plan_create_topic(*image, topic_wish("a.b", 9)));
  auto collides = plan_create_topic(*image, topic_wish("a_b", 10));
  EXPECT_EQ(code_of(collides), ErrorCode::invalid_topic_exception);
  EXPECT_TRUE(says(collides, "a.b"));
  EXPECT_EQ(code_of(plan_create_topic(*image, topic_wish("a-b", 10))), ErrorCode::none);
  NewTopic mirror = topic_wish("a_b", 10);
  mirror.writer = TopicWriter::Link{"l"};
  EXPECT_EQ(code_of(plan_create_topic(*image, mirror)), ErrorCode::none) << "its source has both";
}

TEST(TopicName, OnlyThreeAreKafkasOwn) {
  for (const char* name : {"__consumer_offsets", "__transaction_state", "__share_group_state"}) {
    EXPECT_TRUE(is_internal(name)) << name;
  }
  for (const char* name : {"__debezium-heartbeat.x", "__strimzi_canary", "__name", "orders"}) {
    EXPECT_FALSE(is_internal(name)) << name;
  }
  auto image = cluster(1);
  image = after(*image, plan_create_topic(*image, topic_wish("__strimzi_canary", 9)));
  EXPECT_EQ(code_of(plan_delete_topic(*image, "__strimzi_canary")), ErrorCode::none);
}

TEST(PlanDeleteTopic, ATopicBetweenTwoSitesStays) {
  EXPECT_EQ(code_of(plan_delete_topic(*cluster(1), "orders")),
            ErrorCode::unknown_topic_or_partition);
  EXPECT_EQ(code_of(plan_delete_topic(*with_closed(), "orders")), ErrorCode::policy_violation);
  auto image = with_topic();
  EXPECT_EQ(after(*image, plan_delete_topic(*image, "orders"))->find("orders"), nullptr);
}

TEST(PlanDeleteTopic, WhatWasDeletedIsKnownUntilNothingIsLeftOfIt) {
  auto image = with_topic();
  image = after(*image, plan_delete_topic(*image, "orders"), 5);
  ASSERT_TRUE(image->deleted.contains(uuid_of(9)));
  DeletedTopic stale = image->deleted.at(uuid_of(9));
  stale.version = 4;
  EXPECT_TRUE(plan_forget_deleted(*image, {stale})->empty()) << "of an earlier deletion";
  EXPECT_TRUE(after(*image, plan_forget_deleted(*image, {{image->deleted.at(uuid_of(9))}}))
                  ->deleted.empty());
}

// A mirror that was deleted: its source may bring it back.
TEST(PlanCreateTopic, AnIdThatWasDeletedComesAgainWhenNothingIsLeftOfIt) {
  auto image = with_topic();
  image = after(*image, plan_delete_topic(*image, "orders"));
  for (const char* name : {"orders", "renamed"}) {
    const auto early = code_of(plan_create_topic(*image, topic_wish(name, 9)));
    EXPECT_EQ(early, ErrorCode::leader_not_available);
    EXPECT_TRUE(kafka::is_retriable(early));
  }
  image = after(*image, plan_create_topic(*image, topic_wish("orders", 8)));
  image = after(*image, plan_delete_topic(*image, "orders"));
  image = after(*image, plan_forget_deleted(*image, {{image->deleted.at(uuid_of(9))}}));
  image = after(*image, plan_create_topic(*image, topic_wish("orders", 9)));
  EXPECT_NE(image->find("orders"), nullptr);
}

TEST(PlanDeleteTopic, TheOldestDeletionIsForgottenWhenTheyAreTooMany) {
  auto many = std::make_shared<Image>(*with_topic());
  for (size_t i = 0; i < max_deleted_topics; ++i) {
    Uuid id = uuid_of(1);
    store_be(id.bytes.data(), static_cast<uint32_t>(i));
    many->deleted[id] = {id, "t", 1, static_cast<int64_t>(1000 - i % 1000 + (i == 77 ? -2000 : 0))};
  }
  Uuid oldest = uuid_of(1);
  store_be(oldest.bytes.data(), uint32_t{77});
  auto image = after(*many, plan_delete_topic(*many, "orders"));
  EXPECT_EQ(image->deleted.size(), max_deleted_topics);
  EXPECT_FALSE(image->deleted.contains(oldest));
  EXPECT_TRUE(image->deleted.contains(uuid_of(9)));
}

TEST(IsStandby, WhoHasOnlyWhatLinksBring) {
  EXPECT_FALSE(is_standby(*cluster(1))) << "nothing at all";
  EXPECT_FALSE(is_standby(*with_topic()));
  auto image = cluster(2);
  auto mirrored = topic_wish("wine", 5);
  mirrored.writer = TopicWriter::Link{"l", 1};
  image = after(*image, plan_create_topic(*image, mirrored));
  EXPECT_TRUE(is_standby(*image));
  image = after(*image, plan_create_topic(*image, topic_wish("__consumer_offsets", 6)));
  image = after(*image, plan_create_topic(*image, topic_wish("wine.diverged.7", 7)));
  EXPECT_TRUE(is_standby(*image)) << "neither is written by applications";
  image = after(*image, plan_create_topic(*image, topic_wish("beer", 8)));
  EXPECT_FALSE(is_standby(*image));
}

TEST(PlanPartitions, OnlyEverGrow) {
  auto image = with_topic();
  EXPECT_EQ(code_of(plan_partitions(*image, "orders", 2)), ErrorCode::invalid_partitions);
  EXPECT_EQ(code_of(plan_partitions(*image, "orders", 1)), ErrorCode::invalid_partitions);
  EXPECT_EQ(code_of(plan_partitions(*image, "none", 5)), ErrorCode::unknown_topic_or_partition);
  image = after(*image, plan_partitions(*image, "orders", 5));
  EXPECT_EQ(image->find("orders")->partitions.size(), 5u);
  EXPECT_EQ(epoch_in_force(image->find("orders")->partitions[4], *image), 0);
}

TEST(PlanPartitions, NewOnesAreOfTheGenerationOfTheOthers) {
  auto image = with_topic();
  TopicImage promoted = *image->find("orders");
  promoted.partitions[0].leader_epoch = next_generation(5);
  Plan plan;
  plan.change(*image->find("orders"), promoted);
  image = after(*image, plan);
  image = after(*image, plan_partitions(*image, "orders", 5));
  EXPECT_EQ(image->find("orders")->partitions[4].leader_epoch, 1 << election_bits);
}

TEST(PlanPartitions, NeitherOfAMirrorNorOfATopicBetweenTwoSites) {
  EXPECT_EQ(code_of(plan_partitions(*with_mirror(), "orders", 5)), ErrorCode::policy_violation);
  EXPECT_EQ(code_of(plan_partitions(*with_closed(), "orders", 5)), ErrorCode::policy_violation);
}

TEST(PlanConfigs, SetsRemovesAndReplaces) {
  auto image = with_topic();
  image = after(
      *image, plan_configs(*image, "orders", {{"retention.ms", "5"}, {"segment.ms", "7"}}, false));
  image = after(*image, plan_configs(*image, "orders", {{"segment.ms", std::nullopt}}, false));
  EXPECT_EQ(image->find("orders")->configs,
            (std::map<std::string, std::string>{{"retention.ms", "5"}}));
  image = after(*image, plan_configs(*image, "orders", {{"segment.ms", "8"}}, true));
  EXPECT_EQ(image->find("orders")->configs,
            (std::map<std::string, std::string>{{"segment.ms", "8"}}));
  EXPECT_EQ(code_of(plan_configs(*image, "orders", {{"segment.ms", "x"}}, false)),
            ErrorCode::invalid_config);
  EXPECT_EQ(code_of(plan_configs(*with_mirror(), "orders", {}, false)),
            ErrorCode::policy_violation);
}

}  // namespace
}  // namespace isthmus::broker
