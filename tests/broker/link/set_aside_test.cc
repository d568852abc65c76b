#include "broker/link/set_aside.h"

#include "broker/link/link_plans.h"
#include "broker/link/spare_name.h"
#include "tests/broker/plans.h"

namespace isthmus::broker {
namespace {

using kafka::ErrorCode;

MirrorTopic topic_of_source(const std::string& name, uint8_t id) {
  MirrorTopic topic;
  topic.name = name;
  topic.id = uuid_of(id);
  topic.origin = 1;
  topic.configs = {{"retention.ms", "1000"}};
  topic.leader_epochs = {3, 3};
  return topic;
}

class SetAsideTest : public ::testing::Test {
 protected:
  SetAsideTest() {
    for (uint8_t id : {1, 2}) bring(topic_of_source(id == 1 ? "orders" : "other", id));
  }
  void bring(const MirrorTopic& topic) {
    image = after(*image, plan_mirror_topic(*image, "l", topic));
  }
  void create_again(const std::string& name, uint8_t id) {
    const auto why = was_recreated(*image, "l", topic_of_source(name, id));
    ASSERT_NE(why, "");
    EXPECT_NE(why.find("isthmus link resume l --set-aside"), std::string::npos) << why;
    image = after(*image, plan_recreated(*image, name, why));
  }
  Result<Plan> by_operator(const std::vector<std::string>& topics) {
    return plan_set_aside(*image, "l", topics, done);
  }

  std::shared_ptr<const Image> image = cluster(2);
  std::vector<SetAside> done;
};

TEST_F(SetAsideTest, TheSameTopicIsNobodysUnderAnotherName) {
  create_again("orders", 11);
  image = after(*image, by_operator({}));
  ASSERT_EQ(done.size(), 1u);
  EXPECT_EQ(done[0].name, "orders.recreated");
  EXPECT_EQ(image->find("orders"), nullptr);
  const TopicImage* aside = image->find(uuid_of(1));
  ASSERT_NE(aside, nullptr);
  EXPECT_EQ(aside, image->find("orders.recreated"));
  EXPECT_TRUE(aside->writer.is_aside());
  EXPECT_EQ(aside->renamed_from, "orders");
  EXPECT_EQ(aside->configs.at("retention.ms"), "1000");
  for (const auto& partition : aside->partitions) {
    EXPECT_EQ(partition.mirror_state, MirrorState::none);
    EXPECT_EQ(partition.leader_epoch, 3);
  }
  EXPECT_FALSE(image->deleted.contains(uuid_of(1)));
  bring(topic_of_source("orders", 11));
  EXPECT_EQ(image->find("orders")->id, uuid_of(11));
  EXPECT_EQ(image->find(uuid_of(1))->name, "orders.recreated");
}

TEST_F(SetAsideTest, ItIsReadAndDeletedAndNothingElse) {
  create_again("orders", 11);
  image = after(*image, by_operator({"orders"}));
  EXPECT_EQ(code_of(plan_partitions(*image, "orders.recreated", 5)), ErrorCode::policy_violation);
  EXPECT_EQ(code_of(plan_configs(*image, "orders.recreated", {{"retention.ms", "5"}}, false)),
            ErrorCode::policy_violation);
  EXPECT_TRUE(is_standby(*image)) << "its clients write nothing here";
  image = after(*image, plan_delete_topic(*image, "orders.recreated"));
  EXPECT_TRUE(image->deleted.contains(uuid_of(1)));
}

TEST_F(SetAsideTest, ATopicMayBeCreatedAgainAndAgain) {
  for (uint8_t id : {11, 12}) {
    create_again("orders", id);
    image = after(*image, by_operator({}));
    bring(topic_of_source("orders", id));
  }
  EXPECT_EQ(done[0].name, "orders.recreated.2");
  EXPECT_EQ(image->find("orders.recreated")->id, uuid_of(1));
  EXPECT_EQ(image->find("orders.recreated.2")->id, uuid_of(11));
}

TEST_F(SetAsideTest, NamesOfOneStepAreNotGivenTwice) {
  const std::string longest(kafka::longest_topic_name, 'x');
  for (const char last : {'y', 'z'}) {
    std::string name = longest;
    name.back() = last;
    bring(topic_of_source(name, static_cast<uint8_t>(last)));
    create_again(name, static_cast<uint8_t>(last + 10));
  }
  image = after(*image, by_operator({}));
  ASSERT_EQ(done.size(), 2u);
  EXPECT_NE(done[0].name, done[1].name);
  for (const auto& kept : done) EXPECT_NE(image->find(kept.name), nullptr);
}

TEST_F(SetAsideTest, AnOperatorSetsAsideWhatWasCreatedAgainAndNothingElse) {
  EXPECT_EQ(code_of(by_operator({})), ErrorCode::invalid_request) << "no topic was";
  create_again("orders", 11);
  EXPECT_EQ(code_of(by_operator({"other"})), ErrorCode::invalid_request);
  EXPECT_EQ(code_of(by_operator({"orders", "none"})), ErrorCode::invalid_request);
  EXPECT_EQ(code_of(plan_set_aside(*image, "m", std::vector<std::string>{}, done)),
            ErrorCode::invalid_request)
      << "of another link";
}

// A mirror that is behind: what was promoted meanwhile, or set aside by an operator, stays.
TEST_F(SetAsideTest, TheMirrorsWordIsForCopiesOfItsLink) {
  create_again("orders", 11);
  EXPECT_TRUE(plan_set_aside(*image, "m", uuid_of(1), done)->empty());
  EXPECT_TRUE(plan_set_aside(*image, "l", uuid_of(99), done)->empty());
  image = after(*image, plan_set_aside(*image, "l", uuid_of(1), done));
  ASSERT_EQ(done.size(), 1u);
  EXPECT_TRUE(plan_set_aside(*image, "l", uuid_of(1), done)->empty()) << "once";
  EXPECT_TRUE(done.empty());
}

}  // namespace
}  // namespace isthmus::broker
