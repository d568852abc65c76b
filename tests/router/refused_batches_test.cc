#include "router/refused_batches.h"

#include "tests/router/router_world.h"

namespace isthmus::router {
namespace {

class Refused : public testing::Test {
 protected:
  void refuse(const kafka::ProduceRequest& request) { refused.note(me, request, now); }
  bool is_too_early(const kafka::ProduceRequest& request) {
    return refused.come_before(me, request, now);
  }

  std::string me = "User:alice";
  RefusedBatches refused;
  io::Instant now{std::chrono::hours(1)};
};

TEST_F(Refused, WhatIsAheadWaitsUntilTheFirstComesAgain) {
  refuse(sequenced("orders", 120));
  refuse(sequenced("orders", 121, 52));  // behind it: the first is still awaited
  EXPECT_TRUE(is_too_early(sequenced("orders", 121, 52)));
  EXPECT_FALSE(is_too_early(sequenced("coffee", 121))) << "another topic's";
  EXPECT_FALSE(is_too_early(sequenced("orders", 120)));
  EXPECT_TRUE(refused.empty());
  EXPECT_FALSE(is_too_early(sequenced("orders", 121, 52)));
}

TEST_F(Refused, AnEarlierOneThatIsRefusedLaterIsWhatCounts) {
  refuse(sequenced("orders", 121));
  refuse(sequenced("orders", 120));
  EXPECT_TRUE(is_too_early(sequenced("orders", 121)));
  EXPECT_FALSE(is_too_early(sequenced("orders", 120)));
}

TEST_F(Refused, SequencesWrap) {
  refuse(sequenced("orders", INT32_MAX));
  EXPECT_TRUE(is_too_early(sequenced("orders", 0)));
  EXPECT_FALSE(is_too_early(sequenced("orders", INT32_MAX)));
}

TEST_F(Refused, ALaterEpochHasLeftTheBatchBehind) {
  refuse(sequenced("orders", 120));
  EXPECT_FALSE(is_too_early(sequenced("orders", 0, 1, 1)));
  EXPECT_TRUE(refused.empty());
}

TEST_F(Refused, OnePartitionHoldsTheWholeRequest) {
  auto both = sequenced("orders", 121);
  both.topic_data.push_back(sequenced("coffee", 5).topic_data[0]);
  refuse(sequenced("orders", 120));
  refuse(sequenced("coffee", 5));
  EXPECT_TRUE(is_too_early(both));
  EXPECT_TRUE(is_too_early(sequenced("coffee", 6))) << "it did not get through";
}

// Producer ids are small numbers, and a request may name whichever.
TEST_F(Refused, WhatSomebodyElseWasRefusedHoldsUpNobody) {
  refuse(sequenced("orders", 0));
  me = "User:mallory";
  EXPECT_FALSE(is_too_early(sequenced("orders", 1)));
  me = "User:alice";
  EXPECT_TRUE(is_too_early(sequenced("orders", 1)));
}

TEST_F(Refused, WhatDoesNotComeAgainIsForgotten) {
  refuse(sequenced("orders", 120));
  now += RefusedBatches::expected_again_within;
  EXPECT_TRUE(is_too_early(sequenced("orders", 121)));
  refuse(sequenced("orders", 121));  // which does not lengthen it
  now += io::milliseconds(1);
  EXPECT_FALSE(is_too_early(sequenced("orders", 121)));
  EXPECT_TRUE(refused.empty());
}

TEST_F(Refused, OnlyIdempotentBatchesCount) {
  refuse(produce_to("orders"));
  refuse(sequenced("orders", -1));
  EXPECT_TRUE(refused.empty());
}

TEST_F(Refused, TheLongestRefusedGiveWay) {
  for (size_t i = 0; i <= RefusedBatches::max_batches; ++i) {
    refuse(sequenced("t" + std::to_string(i), 10));
  }
  EXPECT_FALSE(is_too_early(sequenced("t0", 11)));
  EXPECT_TRUE(is_too_early(sequenced("t1", 11)));
}

}  // namespace
}  // namespace isthmus::router
