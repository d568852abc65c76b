#include "broker/replica/isr_keeper.h"

#include "broker/replica/refusals.h"

#include <gtest/gtest.h>

#include <set>

namespace isthmus::broker {
namespace {

using std::chrono::seconds;

// Broker 1 leads 2 and 3, all in their start 5.
class IsrKeeperTest : public testing::Test {
 protected:
  IsrKeeperTest() {
    record_.isr = {1, 2, 3};
    for (NodeId node : {1, 2, 3}) record_.replicas[node] = {5, false};
    record_.version = 10;
    keeper_.allow_lag(seconds(10));
  }
  void lead(Offset log_end = 0) { keeper_.lead(record_, log_end, now_); }
  void becomes(std::vector<NodeId> isr) {
    record_.isr = std::move(isr);
    ++record_.version;
    keeper_.on_record(record_, now_);
  }
  void fetches(NodeId node, Offset end, Offset log_end, int32_t starts = 5) {
    ASSERT_TRUE(keeper_.knows(node, starts));
    keeper_.on_fetch(node, starts, end, log_end, now_);
  }
  std::optional<std::set<NodeId>> proposes(Offset high_watermark, Offset log_end) {
    auto proposal = keeper_.propose(high_watermark, log_end, now_);
    if (!proposal) return std::nullopt;
    std::set<NodeId> nodes;
    for (const auto& member : *proposal) nodes.insert(member.node);
    return nodes;
  }

  io::Instant now_{seconds(100)};
  IsrKeeper::Record record_;
  IsrKeeper keeper_{1};
};

using Nodes = std::set<NodeId>;

TEST(Refusals, WhatLastsIsToldOnceForEachCause) {
  using kafka::ErrorCode;
  Refusals refusals;
  const io::Instant start{seconds(100)};
  EXPECT_FALSE(refusals.on_refused(ErrorCode::fenced_leader_epoch, start));
  EXPECT_FALSE(refusals.on_refused(ErrorCode::fenced_leader_epoch, start + seconds(4)));
  EXPECT_FALSE(refusals.on_served()) << "an election";
  EXPECT_FALSE(refusals.on_refused(ErrorCode::fenced_leader_epoch, start + seconds(6)));
  EXPECT_TRUE(refusals.on_refused(ErrorCode::fenced_leader_epoch, start + seconds(11)));
  EXPECT_FALSE(refusals.on_refused(ErrorCode::fenced_leader_epoch, start + seconds(20)));
  EXPECT_TRUE(refusals.on_refused(ErrorCode::topic_authorization_failed, start + seconds(20)))
      << "nothing but an operator helps there";
  EXPECT_TRUE(refusals.on_served());
  EXPECT_FALSE(refusals.on_served());
}

TEST_F(IsrKeeperTest, TheLowestStartIsOfThoseInSync) {
  lead();
  EXPECT_EQ(keeper_.lowest_start(7), -1) << "nobody has told";
  fetches(2, 0, 0);
  EXPECT_TRUE(keeper_.on_start(2, 5));
  EXPECT_FALSE(keeper_.on_start(2, 4)) << "what an old connection brings late";
  EXPECT_EQ(keeper_.lowest_start(7), -1);
  fetches(3, 0, 0);
  keeper_.on_start(3, 9);
  EXPECT_EQ(keeper_.lowest_start(7), 5);
  becomes({1, 3});
  EXPECT_EQ(keeper_.lowest_start(7), 7);
  fetches(3, 0, 0, 6);
  EXPECT_EQ(keeper_.lowest_start(7), -1) << "it has started anew, and may have brought back some";
}

TEST_F(IsrKeeperTest, WhoHasNotHadTheEndForTooLongLeaves) {
  lead();
  fetches(2, 0, 0);
  fetches(3, 0, 0);
  now_ += seconds(9);
  fetches(2, 100, 100);
  now_ += seconds(2);
  EXPECT_EQ(proposes(0, 100), Nodes({1, 2}));
}

TEST_F(IsrKeeperTest, TellsHowFarTheFurthestOutsideIs) {
  record_.isr = {1};
  lead();
  EXPECT_EQ(keeper_.lowest_outside(40), 40) << "nobody has been heard of";
  fetches(2, 70, 100);
  fetches(3, 90, 100);
  EXPECT_EQ(keeper_.lowest_outside(40), 70);
  becomes({1, 2});
  EXPECT_EQ(keeper_.lowest_outside(40), 90);
  becomes({1, 2, 3});
  EXPECT_EQ(keeper_.lowest_outside(40), std::nullopt);
}

TEST_F(IsrKeeperTest, WhoHasAllThereIsStaysHoweverSilent) {
  lead();
  fetches(2, 100, 100);
  fetches(3, 100, 100);
  now_ += seconds(3600);
  EXPECT_EQ(proposes(100, 100), std::nullopt);
}

// Under a steady load nobody ever has the end of the log: he has what was the end when he asked
// before.
TEST_F(IsrKeeperTest, WhoKeepsUpWithASteadyLoadStays) {
  lead();
  Offset end = 0;
  fetches(3, 0, 0);
  for (int i = 0; i < 60; ++i) {
    fetches(2, end, end + 10);
    end += 10;
    now_ += seconds(1);
  }
  EXPECT_EQ(proposes(0, end + 10), Nodes({1, 2}));
}

TEST_F(IsrKeeperTest, WhoWasNeverHeardOfLeavesInTime) {
  lead(50);
  fetches(2, 50, 50);
  now_ += seconds(9);
  EXPECT_EQ(proposes(0, 50), std::nullopt) << "a new leader gives them time";
  now_ += seconds(2);
  EXPECT_EQ(proposes(0, 50), Nodes({1, 2}));
}

TEST_F(IsrKeeperTest, WhoHasAllThatIsSafeJoins) {
  record_.isr = {1, 2};
  lead();
  fetches(3, 39, 100);
  EXPECT_FALSE(keeper_.is_due(40));
  EXPECT_EQ(proposes(40, 100), std::nullopt);
  fetches(3, 40, 100);
  EXPECT_TRUE(keeper_.is_due(40));
  EXPECT_EQ(proposes(40, 100), Nodes({1, 2, 3}));
}

// What the leader before has acknowledged may lie above the watermark that this one knows.
TEST_F(IsrKeeperTest, NobodyJoinsBelowWhereTheEpochBegan) {
  record_.isr = {1, 2};
  lead(60);
  fetches(3, 59, 100);
  EXPECT_EQ(proposes(40, 100), std::nullopt);
  fetches(3, 60, 100);
  EXPECT_EQ(proposes(40, 100), Nodes({1, 2, 3}));
}

// KIP-903: a broker that was started anew with an empty disk.
TEST_F(IsrKeeperTest, WhatABrokerHadBeforeItsStartCountsNoMore) {
  record_.isr = {1, 2};
  lead();
  fetches(3, 100, 100);
  record_.replicas[3].starts = 6;
  keeper_.on_record(record_, now_);
  EXPECT_EQ(proposes(100, 100), std::nullopt) << "what it has said was of its earlier life";
  EXPECT_FALSE(keeper_.knows(3, 5)) << "a late fetch of its earlier life";
  fetches(3, 0, 100, 6);
  EXPECT_EQ(proposes(100, 100), std::nullopt);
  fetches(3, 100, 100, 6);
  auto proposal = keeper_.propose(100, 100, now_);
  ASSERT_TRUE(proposal);
  EXPECT_EQ(proposal->back(), (IsrKeeper::Member{3, 6}));
}

TEST_F(IsrKeeperTest, AStartThatTheImageHasYetToTellOfIsNoReasonToJoin) {
  record_.isr = {1, 2};
  lead();
  fetches(3, 100, 100, 6);
  EXPECT_EQ(proposes(100, 100), std::nullopt);
}

TEST_F(IsrKeeperTest, NobodyFencedJoinsOrStays) {
  record_.isr = {1, 2};
  record_.replicas[3].fenced = true;
  lead();
  fetches(3, 100, 100);
  EXPECT_EQ(proposes(100, 100), std::nullopt);
  record_.replicas[2].fenced = true;
  keeper_.on_record(record_, now_);
  EXPECT_EQ(proposes(100, 100), Nodes({1}));
}

TEST_F(IsrKeeperTest, StrangersAreNotKnown) {
  lead();
  EXPECT_FALSE(keeper_.knows(4, 1));
  EXPECT_FALSE(keeper_.knows(1, 5)) << "the leader itself";
}

TEST_F(IsrKeeperTest, AProposalCountsUntilItIsDecided) {
  record_.isr = {1, 2};
  lead();
  fetches(3, 100, 100);
  EXPECT_EQ(proposes(100, 100), Nodes({1, 2, 3}));
  EXPECT_EQ(keeper_.proposed(), (std::vector<NodeId>{1, 2, 3}));
  EXPECT_EQ(proposes(100, 100), std::nullopt) << "one at a time";
  becomes({1, 2, 3});
  EXPECT_EQ(keeper_.proposed(), (std::vector<NodeId>{1, 2, 3}));
  keeper_.on_decided();
  EXPECT_TRUE(keeper_.proposed().empty());
  EXPECT_EQ(proposes(100, 100), std::nullopt);
}

// The commit that nobody answered may be there after all.
TEST_F(IsrKeeperTest, AProposalOfUnknownOutcomeCountsUntilTheRecordHasChanged) {
  record_.isr = {1, 2};
  lead();
  fetches(3, 100, 100);
  EXPECT_EQ(proposes(100, 100), Nodes({1, 2, 3}));
  keeper_.on_failed();
  EXPECT_EQ(keeper_.proposed(), (std::vector<NodeId>{1, 2, 3}));
  keeper_.on_record(record_, now_);
  EXPECT_EQ(keeper_.proposed(), (std::vector<NodeId>{1, 2, 3})) << "the record is as it was";
  EXPECT_EQ(proposes(100, 100), Nodes({1, 2, 3})) << "tried again";
  keeper_.on_decided();
  EXPECT_EQ(keeper_.proposed(), (std::vector<NodeId>{1, 2, 3}));
  becomes({1, 2});
  EXPECT_TRUE(keeper_.proposed().empty());
}

TEST_F(IsrKeeperTest, WhoIsNoMemberItselfProposesNothing) {
  record_.isr = {2, 3};
  lead();
  now_ += seconds(60);
  EXPECT_EQ(proposes(0, 100), std::nullopt);
}

// What was known of a follower before says nothing of what it has since.
TEST_F(IsrKeeperTest, ALogIsCutWhenAllInSyncHaveFetchedSince) {
  lead();
  fetches(2, 100, 100);
  fetches(3, 100, 100);
  keeper_.on_truncated(60);
  EXPECT_FALSE(keeper_.have_cut());
  fetches(2, 60, 60);
  EXPECT_FALSE(keeper_.have_cut());
  becomes({1, 2});
  EXPECT_TRUE(keeper_.have_cut()) << "who is out of sync is not elected";
  keeper_.on_truncated(60);
  EXPECT_FALSE(keeper_.have_cut()) << "repeated, it is asked for again";
}

}  // namespace
}  // namespace isthmus::broker
