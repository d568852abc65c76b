#include "client/metadata.h"

#include <gtest/gtest.h>

namespace isthmus::client {
namespace {

kafka::MetadataResponse answer(const std::string& topic, uint8_t topic_id, NodeId leader,
                               LeaderEpoch epoch) {
  kafka::MetadataResponse response;
  response.cluster_id = "c";
  response.controller_id = 7;
  response.brokers = {{1, "one", 9092, std::nullopt}, {2, "two", 9093, "rack"}};
  auto& t = response.topics.emplace_back();
  t.name = topic;
  t.topic_id.bytes[0] = topic_id;
  t.partitions.push_back({kafka::ErrorCode::none, 0, leader, epoch, {1, 2}, {1}, {}});
  return response;
}

TEST(metadata, holds_what_was_said) {
  Metadata m;
  m.update(answer("orders", 1, 2, 5), false);
  EXPECT_EQ(m.cluster_id(), "c");
  EXPECT_EQ(m.controller(), 7);
  EXPECT_EQ(m.broker(2)->address, (io::Address{"two", 9093}));
  EXPECT_EQ(m.leader_of({"orders", 0}), (LeaderInfo{2, 5}));
  EXPECT_EQ(*m.name_of(m.topic("orders")->id), "orders");
  EXPECT_EQ(m.leader_of({"orders", 1}), std::nullopt);
}

TEST(metadata, an_older_epoch_is_not_believed) {
  Metadata m;
  m.update(answer("orders", 1, 2, 5), false);
  const auto before = m.changes();
  m.update(answer("orders", 1, 1, 4), false);
  EXPECT_EQ(m.leader_of({"orders", 0}), (LeaderInfo{2, 5}));
  EXPECT_EQ(m.changes(), before);
  m.update(answer("orders", 1, 1, 6), false);
  EXPECT_EQ(m.leader_of({"orders", 0}), (LeaderInfo{1, 6}));
  EXPECT_GT(m.changes(), before);
}

TEST(metadata, brokers_that_know_no_epochs_are_believed) {
  Metadata m;
  m.update(answer("orders", 0, 2, -1), false);
  m.update(answer("orders", 0, 1, -1), false);
  EXPECT_EQ(m.leader_of({"orders", 0}), (LeaderInfo{1, -1}));
}

TEST(metadata, a_topic_created_again_begins_anew) {
  Metadata m;
  m.update(answer("orders", 1, 2, 5), false);
  const Uuid old = m.topic("orders")->id;
  m.update(answer("orders", 2, 1, 0), false);
  EXPECT_EQ(m.leader_of({"orders", 0}), (LeaderInfo{1, 0}));
  EXPECT_EQ(m.name_of(old), nullptr);
}

TEST(metadata, topics_go_when_a_complete_answer_lacks_them_or_one_says_so) {
  Metadata m;
  m.update(answer("orders", 1, 2, 5), true);
  m.update(answer("other", 2, 1, 0), false);
  EXPECT_NE(m.topic("orders"), nullptr);
  m.update(answer("other", 2, 1, 0), true);
  EXPECT_EQ(m.topic("orders"), nullptr);
  auto gone = answer("other", 2, 1, 0);
  gone.topics[0].error_code = kafka::ErrorCode::unknown_topic_or_partition;
  m.update(gone, false);
  EXPECT_EQ(m.topic("other"), nullptr);
}

TEST(metadata, an_error_about_a_topic_keeps_what_was_known) {
  Metadata m;
  m.update(answer("orders", 1, 2, 5), false);
  auto failing = answer("orders", 1, 1, 9);
  failing.topics[0].error_code = kafka::ErrorCode::leader_not_available;
  m.update(failing, true);
  EXPECT_EQ(m.leader_of({"orders", 0}), (LeaderInfo{2, 5}));
}

TEST(metadata, learns_a_later_leader_in_passing) {
  Metadata m;
  m.update(answer("orders", 1, 2, 5), false);
  EXPECT_FALSE(m.learn_leader({"orders", 0}, {1, 5}));
  EXPECT_TRUE(m.learn_leader({"orders", 0}, {1, 6}));
  EXPECT_EQ(m.leader_of({"orders", 0}), (LeaderInfo{1, 6}));
  EXPECT_FALSE(m.learn_leader({"unknown", 0}, {1, 6}));
}

}  // namespace
}  // namespace isthmus::client
