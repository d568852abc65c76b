// What a follower does next: the machine alone.
#include "broker/replication/follower.h"

#include <gtest/gtest.h>

#include "kafka/batch.h"

namespace isthmus::broker {
namespace {

using kafka::ErrorCode;
using Kind = FollowerStep::Kind;

Slice records_of(Offset base, int count, LeaderEpoch epoch) {
  kafka::BatchBuilder builder({.base_offset = base, .leader_epoch = epoch});
  for (int i = 0; i < count; ++i) builder.add(1000, std::nullopt, as_bytes("v"));
  return std::move(builder).finish();
}

Slice joined(std::vector<Slice> slices) {
  Rope rope;
  for (Slice& slice : slices) rope.append(std::move(slice));
  return *rope.flatten();
}

EpochHistory history(LeaderEpoch epoch, Offset end, std::vector<EpochEntry> entries,
                     Offset start = 0) {
  return {epoch, false, start, end, std::move(entries)};
}

class FollowerTest : public testing::Test {
 protected:
  FollowerTest() { follower_.led_by(1, 5, true); }
  Kind next() const { return follower_.step(now_).kind; }
  Offset offset() const { return follower_.step(now_).offset; }
  // Our log is as the leader's, up to `end`.
  void is_prefix(Offset end, LeaderEpoch epoch = 4) {
    const std::vector<EpochEntry> entries{{epoch, 0, 7}};
    follower_.on_compared(5, history(5, end, entries), history(5, end + 100, entries), now_);
  }
  FollowerAnswer brings(Slice records, Offset high_watermark = 0) {
    return {.records = std::move(records), .high_watermark = high_watermark, .log_start = 0};
  }
  void fetched(Offset asked, FollowerAnswer answer, LeaderEpoch epoch = 5) {
    follower_.on_fetched(epoch, asked, std::move(answer), now_);
  }
  bool rests() const { return next() == Kind::rest && follower_.step(now_).until > now_; }
  void wait_out() {
    while (rests()) now_ = follower_.step(now_).until;
  }

  io::Instant now_{std::chrono::seconds(100)};
  Follower follower_;
};

TEST_F(FollowerTest, ComparesThenFetchesThenCopiesThenFetches) {
  EXPECT_EQ(next(), Kind::compare);
  is_prefix(10);
  EXPECT_EQ(next(), Kind::fetch);
  EXPECT_EQ(offset(), 10);
  EXPECT_EQ(follower_.step(now_).last_epoch, 4);
  fetched(10, brings(records_of(10, 3, 5), 8));
  ASSERT_EQ(next(), Kind::copy);
  EXPECT_EQ(offset(), 10);
  EXPECT_EQ(follower_.step(now_).high_watermark, 8);
  follower_.on_copied(5, {13, 5});
  EXPECT_EQ(next(), Kind::fetch);
  EXPECT_EQ(offset(), 13);
  EXPECT_EQ(follower_.step(now_).last_epoch, 5);
}

TEST_F(FollowerTest, WithoutALeaderItRestsUntilItIsTold) {
  follower_.led_by(-1, 6, true);
  EXPECT_EQ(next(), Kind::rest);
  EXPECT_EQ(follower_.step(now_).until, io::Instant::max());
  follower_.on_failed(6, now_);
  EXPECT_EQ(follower_.step(now_).until, io::Instant::max());
}

// KIP-101, KAFKA-1211.
TEST_F(FollowerTest, ItsLogIsCutWhereHistoriesPartAndNotAtAWatermark) {
  const std::vector<EpochEntry> ours{{3, 0, 7}, {4, 20, 7}};
  const std::vector<EpochEntry> theirs{{3, 0, 7}, {5, 30, 7}};
  follower_.on_compared(5, history(5, 40, ours), history(5, 50, theirs), now_);
  ASSERT_EQ(next(), Kind::cut);
  EXPECT_EQ(offset(), 20);
  follower_.on_cut(5, {20, 3});
  EXPECT_EQ(next(), Kind::fetch);
  EXPECT_EQ(offset(), 20);
  EXPECT_EQ(follower_.step(now_).last_epoch, 3);
}

// After two failovers both sites may have given out an epoch.
TEST_F(FollowerTest, AnEpochOfAnotherOwnerIsAnotherEpoch) {
  const std::vector<EpochEntry> ours{{3, 0, 7}, {4, 20, 7}};
  const std::vector<EpochEntry> theirs{{3, 0, 7}, {4, 20, 8}};
  follower_.on_compared(5, history(5, 40, ours), history(5, 50, theirs), now_);
  ASSERT_EQ(next(), Kind::cut);
  EXPECT_EQ(offset(), 20);
}

TEST_F(FollowerTest, WhatTheLeaderSaysDivergesIsComparedAndCut) {
  is_prefix(40);
  FollowerAnswer answer;
  answer.diverging = {3, 25};
  fetched(40, std::move(answer));
  EXPECT_EQ(next(), Kind::compare);
  is_prefix(40);
  ASSERT_EQ(next(), Kind::cut) << "the histories do not show it: the leader's word counts";
  EXPECT_EQ(offset(), 25);
}

TEST_F(FollowerTest, WhatWouldBeCutBelowOurStartIsBegunAnew) {
  const std::vector<EpochEntry> ours{{4, 30, 7}};
  const std::vector<EpochEntry> theirs{{5, 10, 7}};
  follower_.on_compared(5, history(5, 40, ours, 30), history(5, 12, theirs), now_);
  EXPECT_EQ(next(), Kind::begin_anew);
  EXPECT_EQ(offset(), 10);
}

TEST_F(FollowerTest, WhereTheLeadersLogStartsAboveItBeginsAnew) {
  is_prefix(10);
  FollowerAnswer answer{.error = ErrorCode::offset_out_of_range, .log_start = 500};
  fetched(10, std::move(answer));
  ASSERT_EQ(next(), Kind::begin_anew);
  EXPECT_EQ(offset(), 500);
  follower_.on_cut(5, {500, -1});
  EXPECT_EQ(next(), Kind::fetch);
  EXPECT_EQ(offset(), 500);
}

// KAFKA-18991: it could cut, or append behind, what the next leader has acknowledged.
TEST_F(FollowerTest, AnAnswerThatComesAfterTheEpochHasChangedIsDropped) {
  is_prefix(10);
  follower_.led_by(2, 6, true);
  fetched(10, brings(records_of(10, 3, 5)));
  EXPECT_EQ(next(), Kind::compare);
  const std::vector<EpochEntry> entries{{4, 0, 7}};
  follower_.on_compared(5, history(5, 10, entries), history(5, 5, entries), now_);
  EXPECT_EQ(next(), Kind::compare) << "a late history would cut";
  follower_.on_compared(6, history(6, 10, entries), history(6, 10, entries), now_);
  follower_.on_copied(5, {13, 5});
  EXPECT_EQ(offset(), 10);
  EXPECT_EQ(next(), Kind::fetch);
  fetched(10, brings(records_of(10, 3, 5)), 5);
  EXPECT_EQ(next(), Kind::fetch) << "what the leader before has said, at the same offset";
  fetched(9, brings(records_of(9, 3, 5)), 6);
  EXPECT_EQ(next(), Kind::fetch) << "it was asked for elsewhere";
}

TEST_F(FollowerTest, ACopyUnderWayWhenTheEpochChangesLeavesNothingBehind) {
  is_prefix(10);
  fetched(10, brings(records_of(10, 3, 5)));
  follower_.led_by(2, 6, true);
  follower_.on_failed(5, now_);
  EXPECT_EQ(next(), Kind::compare) << "the failure was of the epoch before: no rest";
}

// KAFKA-18723.
TEST_F(FollowerTest, ABatchOfALaterEpochThanTheOneItWasAskedUnderIsRefused) {
  is_prefix(10);
  fetched(10, brings(records_of(10, 3, 6)));
  EXPECT_TRUE(rests());
  wait_out();
  EXPECT_EQ(next(), Kind::fetch);
  EXPECT_EQ(offset(), 10);
}

TEST_F(FollowerTest, AHistoryOfAnotherEpochIsNoHistory) {
  const std::vector<EpochEntry> entries{{4, 0, 7}};
  follower_.on_compared(5, history(5, 10, entries), history(6, 5, entries), now_);
  EXPECT_TRUE(rests());
  wait_out();
  EXPECT_EQ(next(), Kind::compare);
  follower_.on_compared(5, history(4, 10, entries), history(5, 5, entries), now_);
  EXPECT_TRUE(rests()) << "our partition has yet to hear of the epoch";
}

// The owner does not stand in the batch.
TEST_F(FollowerTest, AnEpochWithoutAnOwnerIsAskedFor) {
  follower_.led_by(1, 6, false);
  const std::vector<EpochEntry> before{{4, 0, 7}};
  const std::vector<EpochEntry> after{{4, 0, 7}, {6, 10, 9}};
  follower_.on_compared(6, history(6, 10, before), history(6, 10, before), now_);
  fetched(10, brings(records_of(10, 1, 6)), 6);
  EXPECT_EQ(next(), Kind::compare);
  follower_.on_compared(6, history(6, 10, before), history(6, 11, after), now_);
  fetched(10, brings(records_of(10, 1, 6)), 6);
  ASSERT_EQ(next(), Kind::copy);
  const auto owners = follower_.step(now_).owners;
  ASSERT_EQ(owners.size(), 2u);
  EXPECT_EQ(owners[1].owner, 9);
}

TEST_F(FollowerTest, ALeaderThatNeverSaysWhoseAnEpochIsIsAskedSlowly) {
  follower_.led_by(1, 6, false);
  const std::vector<EpochEntry> entries{{4, 0, 7}};
  for (int i = 0; i < 2; ++i) {
    follower_.on_compared(6, history(6, 10, entries), history(6, 10, entries), now_);
    fetched(10, brings(records_of(10, 1, 6)), 6);
  }
  EXPECT_TRUE(rests());
}

TEST_F(FollowerTest, WhatWeHaveOfABatchedAnswerIsLeftOut) {
  is_prefix(10);
  fetched(10, brings(joined({records_of(6, 4, 4), records_of(10, 2, 5)})));
  ASSERT_EQ(next(), Kind::copy);
  EXPECT_EQ(follower_.step(now_).records, records_of(10, 2, 5));
}

TEST_F(FollowerTest, ABatchAcrossOurEndIsAnotherThanOurs) {
  is_prefix(10);
  fetched(10, brings(records_of(8, 4, 4)));
  EXPECT_EQ(next(), Kind::compare);
  is_prefix(10);
  ASSERT_EQ(next(), Kind::cut);
  EXPECT_EQ(offset(), 8);
}

TEST_F(FollowerTest, WhatWasCutShortIsCopiedAsFarAsItIsWhole) {
  is_prefix(10);
  const Slice whole = joined({records_of(10, 1, 5), records_of(11, 1, 5)});
  fetched(10, brings(whole.sub(0, whole.size() - 1)));
  ASSERT_EQ(next(), Kind::copy);
  EXPECT_EQ(follower_.step(now_).records, records_of(10, 1, 5));
}

TEST_F(FollowerTest, WhatIsSafeIsToldWithoutRecordsToo) {
  is_prefix(10);
  fetched(10, brings({}, 10));
  ASSERT_EQ(next(), Kind::copy);
  EXPECT_TRUE(follower_.step(now_).records.empty());
  follower_.on_copied(5, {10, 4});
  fetched(10, brings({}, 10));
  EXPECT_EQ(next(), Kind::fetch) << "it is known";
}

TEST_F(FollowerTest, AfterFailuresItRestsLongerEachTime) {
  is_prefix(10);
  io::Duration before{};
  for (int i = 0; i < 4; ++i) {
    fetched(10, {.error = ErrorCode::kafka_storage_error});
    ASSERT_TRUE(rests());
    EXPECT_GT(follower_.step(now_).until - now_, before);
    before = follower_.step(now_).until - now_;
    wait_out();
  }
  follower_.led_by(2, 6, true);
  EXPECT_EQ(next(), Kind::compare) << "a new leader ends the rest";
}

TEST_F(FollowerTest, AFailedCopyLooksAtTheLogAgain) {
  is_prefix(10);
  fetched(10, brings(records_of(10, 3, 5)));
  follower_.on_failed(5, now_);
  EXPECT_TRUE(rests());
  wait_out();
  EXPECT_EQ(next(), Kind::compare) << "some of it may be in the log";
}

TEST_F(FollowerTest, AThrottleLowersWhatAFetchMayBring) {
  follower_.limit(1000);
  is_prefix(10);
  EXPECT_EQ(follower_.step(now_).max_bytes, 1000);
}

}  // namespace
}  // namespace isthmus::broker
