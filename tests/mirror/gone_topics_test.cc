#include "mirror/gone_topics.h"

#include <gtest/gtest.h>

namespace isthmus::mirror {
namespace {

using std::chrono::hours;

Uuid topic_id(uint8_t n) {
  Uuid id;
  id.bytes[0] = n;
  return id;
}

class GoneTopicsTest : public ::testing::Test {
 protected:
  GoneTopicsTest() { gone.add_copy("orders", topic_id(1)); }
  size_t due_after(hours time) const { return gone.due(start + time).size(); }

  GoneTopics gone{hours(24)};
  const io::Instant start{};
};

TEST_F(GoneTopicsTest, OneThatIsThereIsNeverDue) {
  gone.look({{"orders", topic_id(1)}}, start);
  EXPECT_EQ(due_after(hours(48)), 0u);
}

TEST_F(GoneTopicsTest, OneThatIsGoneIsDueAfterTheDelayUntilItIsForgotten) {
  gone.look({{"others", topic_id(7)}}, start);
  EXPECT_EQ(due_after(hours(23)), 0u);
  gone.look({{"others", topic_id(7)}}, start + hours(23));
  ASSERT_EQ(due_after(hours(24)), 1u);
  EXPECT_EQ(gone.due(start + hours(24))[0].name, "orders");
  EXPECT_EQ(gone.due(start + hours(24))[0].id, topic_id(1));
  gone.forget("orders");
  EXPECT_EQ(due_after(hours(24)), 0u);
}

TEST_F(GoneTopicsTest, ANameThatIsBackEndsIt) {
  gone.look({{"others", topic_id(7)}}, start);
  gone.look({{"orders", topic_id(1)}}, start + hours(23));
  EXPECT_EQ(due_after(hours(25)), 0u);
  gone.look({{"others", topic_id(7)}}, start + hours(30));
  EXPECT_EQ(due_after(hours(53)), 0u) << "the delay begins anew";
  EXPECT_EQ(due_after(hours(54)), 1u);
}

TEST_F(GoneTopicsTest, TheCopyOfAnotherTopicWaitsForItself) {
  gone.look({{"others", topic_id(7)}}, start);
  gone.add_copy("orders", topic_id(1));
  EXPECT_EQ(due_after(hours(24)), 1u) << "the same one";
  gone.add_copy("orders", topic_id(2));
  EXPECT_EQ(due_after(hours(24)), 0u);
}

TEST_F(GoneTopicsTest, ASourceWithoutAnyTopicHasDeletedNothing) {
  gone.look({}, start);
  EXPECT_EQ(due_after(hours(48)), 0u);
}

// It is as gone as one whose name nobody has; only what becomes of its copy differs.
TEST_F(GoneTopicsTest, OneThatWasCreatedAgainIsDueToBeSetAside) {
  gone.look({{"others", topic_id(7)}}, start);
  gone.look({{"orders", topic_id(2)}}, start + hours(1));
  EXPECT_EQ(due_after(hours(23)), 0u);
  ASSERT_EQ(due_after(hours(24)), 1u);
  EXPECT_TRUE(gone.due(start + hours(24))[0].recreated);
  EXPECT_EQ(gone.due(start + hours(24))[0].id, topic_id(1));
  gone.look({{"others", topic_id(7)}}, start + hours(25));
  EXPECT_FALSE(gone.due(start + hours(25))[0].recreated) << "the other is gone again";
  gone.add_copy("orders", topic_id(2));
  EXPECT_EQ(due_after(hours(48)), 0u) << "the target has a copy of the other";
}

// A foreign cluster of before topic ids.
TEST_F(GoneTopicsTest, ATopicWithoutAnIdIsTheOneOfItsName) {
  gone.look({{"orders", Uuid{}}}, start);
  EXPECT_EQ(due_after(hours(48)), 0u);
}

}  // namespace
}  // namespace isthmus::mirror
