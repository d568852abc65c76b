#include "broker/replica/replica.h"

#include <gtest/gtest.h>

namespace isthmus::broker {
namespace {

TEST(Replica, AloneTheWatermarkIsWhatIsDurable) {
  Replica replica(1, {1}, 1, 10);
  EXPECT_EQ(replica.high_watermark(), 10);
  EXPECT_TRUE(replica.on_durable(15));
  EXPECT_EQ(replica.high_watermark(), 15);
  EXPECT_FALSE(replica.on_durable(15));
}

TEST(Replica, TheWatermarkIsTheLowestDurableEndOfTheIsr) {
  Replica replica(1, {1, 2, 3}, 2, 10);
  EXPECT_EQ(replica.high_watermark(), 0) << "nobody has said what the followers have";
  EXPECT_FALSE(replica.on_follower(2, 8));
  EXPECT_TRUE(replica.on_follower(3, 5));
  EXPECT_EQ(replica.high_watermark(), 5);
  EXPECT_TRUE(replica.on_follower(3, 20));
  EXPECT_EQ(replica.high_watermark(), 8);
  EXPECT_TRUE(replica.on_follower(2, 20));
  EXPECT_EQ(replica.high_watermark(), 10) << "a follower cannot be ahead of the leader";
}

// KAFKA-15583: with fewer than min.insync.replicas, what the rest agree on may be lost with them.
TEST(Replica, TheWatermarkStandsStillBelowMinInsyncReplicas) {
  Replica replica(1, {1, 2}, 2, 0);
  replica.on_follower(2, 5);
  replica.on_durable(5);
  EXPECT_EQ(replica.high_watermark(), 5);
  EXPECT_FALSE(replica.on_isr({1}, 2));
  EXPECT_FALSE(replica.enough_in_sync());
  EXPECT_FALSE(replica.on_durable(9));
  EXPECT_EQ(replica.high_watermark(), 5);
  EXPECT_FALSE(replica.on_isr({1, 2}, 2)) << "the follower has no more than before";
  EXPECT_TRUE(replica.on_follower(2, 7));
  EXPECT_EQ(replica.high_watermark(), 7);
}

TEST(Replica, ALonelyReplicaOfTwoClaimsNothingAfterARestart) {
  Replica replica(1, {1}, 2, 10);
  EXPECT_EQ(replica.high_watermark(), 0);
}

TEST(Replica, TheWatermarkNeverGoesBack) {
  Replica replica(1, {1}, 1, 10);
  EXPECT_FALSE(replica.on_isr({1, 2}, 1)) << "a member that joins with less";
  EXPECT_EQ(replica.high_watermark(), 10);
  EXPECT_FALSE(replica.on_follower(2, 3));
  EXPECT_EQ(replica.high_watermark(), 10);
  EXPECT_FALSE(replica.on_follower(2, 1)) << "late news";
  EXPECT_TRUE(replica.on_isr({1}, 1) || replica.high_watermark() == 10);
}

TEST(Replica, OnlyACutTakesItBack) {
  Replica replica(1, {1}, 1, 10);
  replica.on_truncated(6);
  EXPECT_EQ(replica.high_watermark(), 6);
  EXPECT_TRUE(replica.on_durable(7));
  EXPECT_EQ(replica.high_watermark(), 7);
  replica.on_truncated(100);
  EXPECT_EQ(replica.high_watermark(), 7) << "a cut beyond the end cuts nothing";
}

}  // namespace
}  // namespace isthmus::broker
