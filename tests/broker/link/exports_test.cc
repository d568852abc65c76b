#include "broker/link/exports.h"

#include "tests/broker/plans.h"

namespace isthmus::broker {
namespace {

constexpr LeaderEpoch cut_epoch = 7;

Result<std::string> name_in(const Image& image, const std::string& topic, uint8_t id) {
  return export_name(image, topic, cut_epoch, export_id(image, uuid_of(id), cut_epoch));
}

TEST(Exports, AreCalledAsTheirTopicAndEpoch) {
  EXPECT_EQ(name_in(*cluster(1), "orders", 1), "orders.diverged.7");
}

TEST(Exports, ANameThatIsTakenIsLeftToItsTopic) {
  auto image = cluster(1);
  image = after(*image, plan_create_topic(*image, topic_wish("orders.diverged.7", 9)));
  EXPECT_EQ(name_in(*image, "orders", 1), "orders.diverged.7.2");
  image = after(*image, plan_create_topic(*image, topic_wish("orders_diverged.7_2", 8)));
  EXPECT_EQ(name_in(*image, "orders", 1), "orders.diverged.7.3") << "they are one in metrics";
}

TEST(Exports, ANameThatIsTooLongIsShortened) {
  auto image = cluster(1);
  const std::string one = std::string(248, 'x') + "1", two = std::string(248, 'x') + "2";
  const auto first = name_in(*image, one, 1);
  ASSERT_TRUE(first);
  EXPECT_EQ(first->size(), 249u);
  EXPECT_TRUE(first->ends_with("x.diverged.7"));
  NewTopic wish = topic_wish(*first, 0);
  wish.id = export_id(*image, uuid_of(1), cut_epoch);
  image = after(*image, plan_create_topic(*image, wish));
  const auto second = name_in(*image, two, 2);
  ASSERT_TRUE(second);
  EXPECT_TRUE(second->ends_with("x.diverged.7.2")) << *second;
  EXPECT_EQ(second->size(), 249u);
}

TEST(Exports, OneThatBrokeOffIsFoundAgain) {
  auto image = cluster(1);
  image = after(*image, plan_create_topic(*image, topic_wish("orders.diverged.7", 9)));
  NewTopic wish = topic_wish("orders.diverged.7.2", 0);
  wish.id = export_id(*image, uuid_of(1), cut_epoch);
  image = after(*image, plan_create_topic(*image, wish));
  EXPECT_EQ(name_in(*image, "orders", 1), "orders.diverged.7.2");
  EXPECT_NE(export_id(*image, uuid_of(1), 8), wish.id);
  EXPECT_NE(export_id(*cluster(2), uuid_of(1), cut_epoch), wish.id) << "of the other site";
}

TEST(Exports, WhereAllNamesAreTakenItIsRefused) {
  auto image = cluster(1);
  std::string name = "orders.diverged.7";
  for (int i = 1; i <= 100; ++i) {
    NewTopic wish = topic_wish(i == 1 ? name : name + "." + std::to_string(i), 0, 1);
    wish.id.bytes[1] = static_cast<uint8_t>(i);
    image = after(*image, plan_create_topic(*image, wish));
  }
  EXPECT_TRUE(says(name_in(*image, "orders", 1), "orders.diverged.7"));
}

}  // namespace
}  // namespace isthmus::broker
