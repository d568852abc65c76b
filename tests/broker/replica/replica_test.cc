#include "broker/replica/replica.h"

#include <gtest/gtest.h>

namespace isthmus::broker {
namespace {

Replica leading(std::vector<NodeId> isr, int min_isr, Offset durable) {
  Replica replica(1);
  replica.lead(std::move(isr), min_isr, durable);
  return replica;
}

TEST(Replica, AloneTheWatermarkIsWhatIsDurable) {
  Replica replica = leading({1}, 1, 10);
  EXPECT_EQ(replica.high_watermark(), 10);
  EXPECT_TRUE(replica.on_durable(15));
  EXPECT_EQ(replica.high_watermark(), 15);
  EXPECT_FALSE(replica.on_durable(15));
}

TEST(Replica, TheWatermarkIsTheLowestDurableEndOfTheIsr) {
  Replica replica = leading({1, 2, 3}, 2, 10);
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
  Replica replica = leading({1, 2}, 2, 0);
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
  EXPECT_EQ(leading({1}, 2, 10).high_watermark(), 0);
}

TEST(Replica, TheWatermarkNeverGoesBack) {
  Replica replica = leading({1}, 1, 10);
  EXPECT_FALSE(replica.on_isr({1, 2}, 1)) << "a member that joins with less";
  EXPECT_EQ(replica.high_watermark(), 10);
  EXPECT_FALSE(replica.on_follower(2, 3));
  EXPECT_EQ(replica.high_watermark(), 10);
  EXPECT_FALSE(replica.on_follower(2, 1)) << "late news";
  EXPECT_TRUE(replica.on_isr({1}, 1) || replica.high_watermark() == 10);
}

TEST(Replica, OnlyACutTakesItBack) {
  Replica replica = leading({1}, 1, 10);
  replica.on_truncated(6);
  EXPECT_EQ(replica.high_watermark(), 6);
  EXPECT_TRUE(replica.on_durable(7));
  EXPECT_EQ(replica.high_watermark(), 7);
  replica.on_truncated(100);
  EXPECT_EQ(replica.high_watermark(), 7) << "a cut beyond the end cuts nothing";
}

TEST(Replica, WhereTheLogBeginsAnewThereIsNothingBelowThatCouldBeLost) {
  Replica replica = leading({1, 2}, 2, 10);
  replica.on_emptied(500);
  EXPECT_EQ(replica.high_watermark(), 500);
  EXPECT_FALSE(replica.on_durable(600));
  EXPECT_FALSE(replica.on_follower(2, 10));
  EXPECT_TRUE(replica.on_follower(2, 550));
  EXPECT_EQ(replica.high_watermark(), 550);
}

// The record may name him before the leader hears of it, and he may then be elected.
TEST(Replica, WhomTheLeaderHasProposedCountsUntilTheRecordSaysOtherwise) {
  Replica replica = leading({1, 2}, 2, 10);
  replica.on_follower(2, 10);
  EXPECT_EQ(replica.high_watermark(), 10);
  EXPECT_FALSE(replica.on_proposed({1, 2, 3}));
  replica.on_durable(20);
  EXPECT_FALSE(replica.on_follower(2, 20)) << "3 may be a member by now, and has not that much";
  EXPECT_TRUE(replica.on_follower(3, 15));
  EXPECT_EQ(replica.high_watermark(), 15);
  EXPECT_TRUE(replica.on_proposed({})) << "it was not taken";
  EXPECT_EQ(replica.high_watermark(), 20);
}

TEST(Replica, WhomTheLeaderWouldLeaveOutCountsUntilTheRecordHasLeftHimOut) {
  Replica replica = leading({1, 2, 3}, 2, 0);
  replica.on_proposed({1, 2});
  replica.on_durable(10);
  EXPECT_FALSE(replica.on_follower(2, 10)) << "3 may be elected as long as the record has him";
  EXPECT_TRUE(replica.on_isr({1, 2}, 2));
  EXPECT_EQ(replica.high_watermark(), 10);
}

TEST(Replica, ForTheMinimumTheRecordCountsAlone) {
  Replica replica = leading({1}, 2, 10);
  replica.on_follower(2, 10);
  EXPECT_FALSE(replica.on_proposed({1, 2}));
  EXPECT_FALSE(replica.enough_in_sync()) << "the record may never come to say so";
  EXPECT_TRUE(replica.on_isr({1, 2}, 2));
  EXPECT_EQ(replica.high_watermark(), 10);
}

// They may have been cut since.
TEST(Replica, WhatFollowersHadInAnEarlierEpochSaysNothing) {
  Replica replica = leading({1, 2}, 2, 10);
  replica.on_follower(2, 15);
  replica.follow();
  EXPECT_EQ(replica.high_watermark(), 10);
  EXPECT_FALSE(replica.lead({1, 2}, 2, 20)) << "it may have been cut to 10 since";
  EXPECT_FALSE(replica.on_durable(30));
  EXPECT_EQ(replica.high_watermark(), 10);
  EXPECT_TRUE(replica.on_follower(2, 25));
  EXPECT_EQ(replica.high_watermark(), 25);
}

TEST(Replica, AFollowerKnowsWhatItsLeaderSaysAsFarAsItHasIt) {
  Replica replica(2, 4);
  EXPECT_EQ(replica.high_watermark(), 4) << "from before";
  replica.on_durable(10);
  EXPECT_EQ(replica.high_watermark(), 4) << "what is durable here alone is not safe";
  EXPECT_TRUE(replica.on_told(8, 10));
  EXPECT_EQ(replica.high_watermark(), 8);
  EXPECT_TRUE(replica.on_told(30, 10));
  EXPECT_EQ(replica.high_watermark(), 10);
  EXPECT_FALSE(replica.on_told(9, 10)) << "late news";
  EXPECT_EQ(replica.high_watermark(), 10);
}

}  // namespace
}  // namespace isthmus::broker
