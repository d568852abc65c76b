#include "mirror/pump.h"

#include <gtest/gtest.h>

#include "kafka/batch.h"

namespace isthmus::mirror {
namespace {

using kafka::ErrorCode;
using Kind = PumpAction::Kind;
using std::chrono::milliseconds;
using std::chrono::seconds;

const io::Instant start{seconds(1000)};
constexpr seconds delay{60};

std::vector<uint8_t> batches(std::initializer_list<std::pair<Offset, int>> list,
                             LeaderEpoch epoch = 3) {
  std::vector<uint8_t> bytes;
  for (auto [base, count] : list) {
    kafka::BatchBuilder builder({.base_offset = base, .leader_epoch = epoch});
    for (int i = 0; i < count; ++i) builder.add(1000, std::nullopt, as_bytes("v"));
    Slice batch = std::move(builder).finish();
    bytes.insert(bytes.end(), batch.view().begin(), batch.view().end());
  }
  return bytes;
}

class PumpTest : public testing::Test {
 protected:
  static Pump pump_at(Offset end, PumpState state = PumpState::mirroring) {
    return {{"orders", 0}, end, 2, state, delay};
  }
  static client::Fetched fetched(Offset asked, std::vector<uint8_t> records, Offset source_end) {
    client::Fetched f;
    f.asked_offset = asked;
    f.records = Slice::take(std::move(records));
    f.high_watermark = source_end;
    f.leader_epoch = 3;
    return f;
  }
  PumpAction give(client::Fetched f, io::Instant now = start) {
    return pump.on_fetched(std::move(f), now);
  }
  Pump pump = pump_at(10);
};

TEST_F(PumpTest, AppendsWhatItFetchedAndFetchesOnAtOnce) {
  auto records = batches({{10, 2}, {12, 3}});
  auto action = give(fetched(10, records, 15));
  EXPECT_EQ(action.kind, Kind::append);
  EXPECT_EQ(action.expected_offset, 10);
  EXPECT_EQ(action.batches, Slice::take(records));
  EXPECT_EQ(pump.fetch_from().offset, 15);
  EXPECT_EQ(pump.acknowledged(), 10) << "the target has not answered";
  EXPECT_EQ(pump.bytes_in_flight(), records.size());
  auto next = give(fetched(15, batches({{15, 1}}), 16));
  EXPECT_EQ(next.expected_offset, 15) << "appends are pipelined";
  pump.on_appended(15, records.size(), start);
  EXPECT_EQ(pump.acknowledged(), 15);
}

TEST_F(PumpTest, WhatLiesBeforeItsPositionIsLeftOut) {
  auto action = give(fetched(10, batches({{5, 3}, {8, 2}, {10, 1}}), 11));
  EXPECT_EQ(action.expected_offset, 10);
  EXPECT_EQ(action.batches, Slice::take(batches({{10, 1}})));
}

TEST_F(PumpTest, ABatchThatWasCutShortIsLeftForTheNextFetch) {
  auto records = batches({{10, 1}, {11, 1}});
  size_t whole = batches({{10, 1}}).size();
  records.resize(records.size() - 1);
  auto action = give(fetched(10, records, 12));
  EXPECT_EQ(action.batches.size(), whole);
  EXPECT_EQ(pump.fetch_from().offset, 11);
}

TEST_F(PumpTest, NothingWholeAsksAgainFromTheSamePlace) {
  auto records = batches({{10, 1}});
  records.resize(30);
  auto action = give(fetched(10, records, 11));
  EXPECT_EQ(action.kind, Kind::append);
  EXPECT_TRUE(action.batches.empty());
  EXPECT_EQ(pump.fetch_from().offset, 10);
}

// KAFKA-18991: an answer to an earlier question must not move anything.
TEST_F(PumpTest, AnAnswerToAnEarlierQuestionIsDropped) {
  EXPECT_EQ(give(fetched(9, batches({{9, 5}}), 14)).kind, Kind::nothing);
  EXPECT_EQ(pump.fetch_from().offset, 10);
}

TEST_F(PumpTest, ABatchAroundItsPositionIsNeverTaken) {
  EXPECT_EQ(give(fetched(10, batches({{8, 5}}), 13)).kind, Kind::failed);
  EXPECT_EQ(pump.state(), PumpState::failed);
  EXPECT_NE(pump.reason().find("10"), std::string::npos);
}

TEST_F(PumpTest, AGapBetweenBatchesIsKept) {
  auto action = give(fetched(10, batches({{10, 1}, {500, 1}}), 501));
  EXPECT_EQ(action.kind, Kind::append);
  EXPECT_EQ(pump.fetch_from().offset, 501);
}

TEST_F(PumpTest, AFailoversGapIsABatchLikeAnyOther) {
  const Slice gap = kafka::build_gap({.base_offset = 10, .leader_epoch = 1 << 20}, 1'000'009);
  auto action = give(fetched(10, {gap.view().begin(), gap.view().end()}, 1'000'010));
  EXPECT_EQ(action.kind, Kind::append);
  EXPECT_EQ(action.batches, gap);
  EXPECT_EQ(pump.fetch_from().offset, 1'000'010);
}

TEST_F(PumpTest, NothingNewIsNothingToDo) {
  EXPECT_EQ(give(fetched(10, {}, 10)).kind, Kind::nothing);
  EXPECT_EQ(give(fetched(10, {}, 20)).kind, Kind::nothing) << "others filled the answer";
}

TEST_F(PumpTest, ADivergedSourceStopsIt) {
  auto f = fetched(10, {}, 12);
  f.diverging = client::Fetched::Divergence{1, 7};
  EXPECT_EQ(give(std::move(f)).kind, Kind::failed);
  EXPECT_NE(pump.reason().find("diverged"), std::string::npos);
  EXPECT_EQ(give(fetched(10, batches({{10, 1}}), 11)).kind, Kind::nothing)
      << "until it is looked at";
}

// What the target has is as good as before: a deletion at the source is no failure here.
TEST_F(PumpTest, ATopicThatIsGoneEndsItAndIsNotLate) {
  give(fetched(10, batches({{10, 2}}), 20));
  pump.end("gone at the source");
  EXPECT_EQ(pump.state(), PumpState::mirroring);
  EXPECT_EQ(pump.reason(), "gone at the source");
  EXPECT_FALSE(pump.active());
  EXPECT_FALSE(pump.lag(start + seconds(9)));
  EXPECT_EQ(give(fetched(12, batches({{12, 1}}), 20)).kind, Kind::nothing);
}

// The first time in a row may be a restart, or the line.
TEST_F(PumpTest, ABrokenBatchIsTriedAgainAndSeenUntilItIsWhole) {
  auto records = batches({{10, 1}});
  records[16] = 9;  // no such format
  EXPECT_EQ(give(fetched(10, records, 11)).kind, Kind::wait);
  EXPECT_EQ(pump.state(), PumpState::mirroring);
  EXPECT_FALSE(pump.is_due(start));
  EXPECT_TRUE(pump.is_due(start + seconds(1)));
  pump.asked();
  EXPECT_EQ(give(fetched(10, records, 11), start + seconds(1)).kind, Kind::wait);
  EXPECT_EQ(pump.state(), PumpState::failed);
  EXPECT_EQ(pump.reason().substr(0, 37), "damaged_batch: the batch at offset 10");
  EXPECT_FALSE(pump.is_due(start + seconds(1) + milliseconds(600))) << "twice as long";
  pump.asked();
  EXPECT_EQ(give(fetched(10, batches({{10, 1}}), 11), start + seconds(3)).kind, Kind::append);
  pump.on_appended(11, 1, start + seconds(3));
  EXPECT_EQ(pump.state(), PumpState::mirroring);
  EXPECT_EQ(pump.reason(), "");
}

TEST_F(PumpTest, WhatIsWholeBeforeABrokenBatchIsTaken) {
  auto records = batches({{10, 1}, {11, 1}, {12, 1}});
  const size_t whole = batches({{10, 1}, {11, 1}}).size();
  records[whole + 16] = 9;
  auto action = give(fetched(10, records, 13));
  EXPECT_EQ(action.kind, Kind::append);
  EXPECT_EQ(action.batches.size(), whole);
  EXPECT_EQ(pump.fetch_from().offset, 12) << "the broken one is met there";
}

TEST_F(PumpTest, ASourceThatIsOfflineIsWaitedForAndSeen) {
  auto f = fetched(10, {}, -1);
  f.error = ErrorCode::kafka_storage_error;
  EXPECT_EQ(give(f).kind, Kind::wait);
  EXPECT_EQ(give(f, start + seconds(1)).kind, Kind::wait);
  EXPECT_EQ(pump.state(), PumpState::waiting);
  EXPECT_TRUE(pump.stuck());
  EXPECT_EQ(pump.reason(), "source_offline: the source answers KAFKA_STORAGE_ERROR");
  pump.asked();
  EXPECT_EQ(give(fetched(10, {}, 10), start + seconds(3)).kind, Kind::nothing);
  EXPECT_EQ(pump.state(), PumpState::mirroring);
  EXPECT_FALSE(pump.stuck());
}

// Two in a row: once is what brokers that start say. Should the source take it back, it goes on.
TEST_F(PumpTest, ATopicThatWasCreatedAgainIsAFailureWithAName) {
  auto f = fetched(10, {}, -1);
  f.error = ErrorCode::unknown_topic_id;
  EXPECT_EQ(give(f).kind, Kind::wait);
  EXPECT_EQ(pump.state(), PumpState::mirroring);
  EXPECT_EQ(give(f, start + seconds(1)).kind, Kind::wait);
  EXPECT_EQ(pump.state(), PumpState::failed);
  EXPECT_TRUE(pump.reason().starts_with("recreated: ")) << pump.reason();
  EXPECT_TRUE(pump.stuck());
  EXPECT_EQ(pump.fetch_from().offset, 10);
  EXPECT_EQ(give(fetched(10, {}, 10), start + seconds(3)).kind, Kind::nothing);
  EXPECT_EQ(pump.state(), PumpState::mirroring);
}

TEST_F(PumpTest, OneThatIsInitializingStaysSoWhileItWaits) {
  pump = pump_at(10, PumpState::initializing);
  auto f = fetched(10, {}, -1);
  f.error = ErrorCode::kafka_storage_error;
  give(f);
  give(f, start + seconds(1));
  EXPECT_EQ(pump.state(), PumpState::initializing) << "it may still begin anew";
  EXPECT_TRUE(pump.stuck());
  EXPECT_NE(pump.reason(), "");
}

TEST_F(PumpTest, AfterARefusalItRestsUntilTheTargetSaysWhereItEnds) {
  give(fetched(10, batches({{10, 2}}), 20));
  give(fetched(12, batches({{12, 2}}), 20));
  EXPECT_EQ(pump.on_refused(MirrorTrouble::target_full, "full", start).kind, Kind::wait);
  EXPECT_FALSE(pump.active());
  EXPECT_EQ(pump.on_refused(MirrorTrouble::none, "12 is not the end", start).kind, Kind::nothing);
  EXPECT_FALSE(pump.stuck()) << "one attempt";
  EXPECT_EQ(give(fetched(14, batches({{14, 1}}), 20)).kind, Kind::nothing);
  EXPECT_FALSE(pump.on_target_ready(10, 2, start)) << "not at once";
  const uint64_t life = pump.life();
  EXPECT_TRUE(pump.on_target_ready(11, 3, start + seconds(5)));
  EXPECT_EQ(pump.fetch_from().offset, 11);
  EXPECT_EQ(pump.fetch_from().last_fetched_epoch, 3);
  EXPECT_EQ(pump.acknowledged(), 11);
  EXPECT_EQ(pump.bytes_in_flight(), 0u);
  EXPECT_NE(pump.life(), life) << "outcomes of before are of no meaning";
  pump.on_refused(MirrorTrouble::target_full, "full", start + seconds(5));
  EXPECT_EQ(pump.reason(), "target_full: full");
  EXPECT_TRUE(pump.on_target_ready(11, 3, start + seconds(9)));
  EXPECT_TRUE(pump.stuck()) << "until something gets through";
  give(fetched(11, batches({{11, 1}}), 20), start + seconds(5));
  pump.on_appended(12, 1, start + seconds(5));
  EXPECT_FALSE(pump.stuck());
}

TEST_F(PumpTest, WhereAnotherLeadsAtTheTargetItGoesOnAtOnceFromWhatThatOneHas) {
  give(fetched(10, batches({{10, 2}, {12, 2}}), 20));
  pump.on_refused(MirrorTrouble::target_offline, "broker 2 is gone", start);
  pump.on_refused(MirrorTrouble::target_offline, "broker 2 is gone", start);
  EXPECT_FALSE(pump.on_target_ready(10, 2, start)) << "the same leader is not asked at once";
  pump.on_target_moved();
  EXPECT_FALSE(pump.active());
  const uint64_t life = pump.life();
  EXPECT_TRUE(pump.on_target_ready(11, 2, start));
  EXPECT_EQ(pump.fetch_from().offset, 11);
  EXPECT_NE(pump.life(), life);
  EXPECT_FALSE(pump.stuck());
}

TEST_F(PumpTest, WhatIsUnderWayToALeaderThatIsReplacedSaysNothing) {
  give(fetched(10, batches({{10, 2}, {12, 2}}), 20));
  pump.on_target_moved();
  EXPECT_FALSE(pump.active()) << "the one before may hang";
  EXPECT_TRUE(pump.on_target_ready(12, 2, start));
  EXPECT_EQ(pump.bytes_in_flight(), 0u);
  EXPECT_EQ(pump.fetch_from().offset, 12);
}

TEST_F(PumpTest, ATargetThatRefusesForGoodIsTriedLessAndLess) {
  io::Instant now = start;
  int tries = 0;
  for (int s = 0; s < 120; ++s, now += seconds(1)) {
    if (pump.active()) {
      ++tries;
      pump.on_refused(MirrorTrouble::none, "no", now);
    }
    pump.on_target_ready(10, 2, now);
  }
  EXPECT_EQ(pump.state(), PumpState::waiting);
  EXPECT_EQ(pump.reason(), "target_refuses: no");
  EXPECT_LT(tries, 20);
  EXPECT_GT(tries, 8) << "it may mend itself";
}

TEST_F(PumpTest, WhatTheTargetSaysOfItselfIsSeenAtOnceAndEndsAtOnce) {
  EXPECT_EQ(pump.on_target_troubled(MirrorTrouble::target_offline, "disk").kind, Kind::wait);
  EXPECT_EQ(pump.state(), PumpState::waiting);
  EXPECT_EQ(pump.on_target_troubled(MirrorTrouble::target_offline, "disk").kind, Kind::nothing);
  EXPECT_TRUE(pump.on_target_ready(10, 2, start)) << "an idle one has nothing to try";
  EXPECT_EQ(pump.state(), PumpState::mirroring);
  EXPECT_TRUE(pump.active());
}

TEST_F(PumpTest, OutOfRangeAsksForTheBoundsFirst) {
  auto f = fetched(10, {}, -1);
  f.error = ErrorCode::offset_out_of_range;
  EXPECT_EQ(give(std::move(f)).kind, Kind::ask_bounds);
  EXPECT_EQ(pump.state(), PumpState::mirroring);
}

TEST_F(PumpTest, RetentionThatOvertookAMirrorIsAnErrorNotASilentGap) {
  EXPECT_EQ(pump.on_bounds(50, 100).kind, Kind::failed);
  EXPECT_NE(pump.reason().find("40 offsets are gone"), std::string::npos);
}

TEST_F(PumpTest, AMirrorThatIsNewBeginsWhereItsSourceBegins) {
  pump = pump_at(0, PumpState::initializing);
  auto action = pump.on_bounds(50, 100);
  EXPECT_EQ(action.kind, Kind::append);
  EXPECT_EQ(action.start_at, 50);
  EXPECT_EQ(action.expected_offset, 50);
  EXPECT_EQ(pump.fetch_from().offset, 50);
  EXPECT_EQ(pump.fetch_from().last_fetched_epoch, -1);
}

TEST_F(PumpTest, ASourceThatEndsBeforeUsHasDiverged) {
  EXPECT_EQ(pump.on_bounds(0, 9).kind, Kind::failed);
  EXPECT_NE(pump.reason().find("diverged"), std::string::npos);
  pump = pump_at(10);
  auto again = pump.on_bounds(0, 10);
  EXPECT_EQ(again.kind, Kind::append) << "it has moved meanwhile: ask again";
  EXPECT_TRUE(again.batches.empty());
}

TEST_F(PumpTest, ItMirrorsOnceItHasCaughtUp) {
  pump = pump_at(10, PumpState::initializing);
  give(fetched(10, batches({{10, 1}}), 12));
  pump.on_appended(11, 1, start);
  EXPECT_EQ(pump.state(), PumpState::initializing);
  give(fetched(11, batches({{11, 1}}), 12));
  pump.on_appended(12, 1, start);
  EXPECT_EQ(pump.state(), PumpState::mirroring);
}

// The answer that makes it due is the answer that confirms it: nothing is deleted on a word of
// yesterday.
TEST_F(PumpTest, ASourceThatDeletesIsFollowedOnItsOwnWordAfterTheDelay) {
  auto deleted = fetched(10, {}, 10);
  deleted.log_start_offset = 4;
  EXPECT_EQ(give(deleted).kind, Kind::nothing);
  EXPECT_EQ(give(deleted, start + delay - seconds(1)).kind, Kind::nothing);
  auto action = give(deleted, start + delay);
  EXPECT_EQ(action.kind, Kind::append) << "an idle partition has no next append";
  EXPECT_EQ(action.expected_offset, 10);
  EXPECT_EQ(action.log_start, 4);
  EXPECT_TRUE(action.batches.empty());
  EXPECT_EQ(give(deleted, start + delay).kind, Kind::nothing) << "once";
}

TEST_F(PumpTest, ALogStartTravelsWithTheBatches) {
  auto deleted = fetched(10, {}, 10);
  deleted.log_start_offset = 4;
  give(deleted);
  auto records = batches({{10, 2}});
  auto more = fetched(10, records, 12);
  more.log_start_offset = 4;
  auto action = give(std::move(more), start + delay);
  EXPECT_EQ(action.batches, Slice::take(records));
  EXPECT_EQ(action.expected_offset, 10);
  EXPECT_EQ(action.log_start, 4);
}

TEST_F(PumpTest, ALogStartWaitsForWhatTheTargetHasYetToWrite) {
  auto records = batches({{10, 5}});
  give(fetched(10, records, 15));
  auto deleted = fetched(15, {}, 15);
  deleted.log_start_offset = 12;
  EXPECT_EQ(give(deleted).kind, Kind::nothing);
  EXPECT_EQ(give(deleted, start + delay).kind, Kind::nothing) << "the target ends at 10";
  pump.on_appended(15, records.size(), start + delay);
  EXPECT_EQ(give(deleted, start + delay).log_start, 12);
}

TEST_F(PumpTest, APausedOneTakesNothing) {
  pump.pause();
  EXPECT_EQ(give(fetched(10, batches({{10, 1}}), 11)).kind, Kind::nothing);
  EXPECT_EQ(pump.on_bounds(50, 100).kind, Kind::nothing);
  auto deleted = fetched(10, {}, 10);
  deleted.log_start_offset = 4;
  give(deleted);
  EXPECT_EQ(give(deleted, start + delay).kind, Kind::nothing);
  EXPECT_FALSE(pump.active());
  EXPECT_EQ(pump.state(), PumpState::mirroring) << "as it was, and goes on as";
}

TEST_F(PumpTest, OneThatIsResumedGoesOnFromWhereTheTargetEnds) {
  give(fetched(10, batches({{10, 2}}), 12));
  pump.pause();
  EXPECT_FALSE(pump.on_target_ready(10, 2, start)) << "it is paused";
  EXPECT_EQ(pump.on_refused(MirrorTrouble::none, "paused", start).kind, Kind::nothing);
  const auto before = pump.life();
  pump.resume();
  EXPECT_FALSE(pump.active()) << "what was under way may have been refused";
  EXPECT_TRUE(pump.on_target_ready(10, 2, start));
  EXPECT_GT(pump.life(), before);
  EXPECT_EQ(pump.fetch_from().offset, 10);
  EXPECT_EQ(give(fetched(10, batches({{10, 2}}), 12)).expected_offset, 10);
}

TEST_F(PumpTest, AnAcceptedGapIsAppendedAndTheMirrorGoesOnBehindIt) {
  pump.accept_gap();
  EXPECT_EQ(pump.state(), PumpState::mirroring) << "nothing has overtaken it";
  pump.on_bounds(50, 100);
  pump.accept_gap();
  EXPECT_EQ(pump.state(), PumpState::resuming);
  ASSERT_TRUE(pump.on_target_ready(10, 2, start));
  const auto action = pump.on_bounds(50, 100);
  EXPECT_EQ(action.kind, Kind::append);
  EXPECT_EQ(action.expected_offset, 10);
  EXPECT_EQ(action.batches, kafka::build_gap({.base_offset = 10, .leader_epoch = 2}, 49));
  EXPECT_EQ(pump.fetch_from().offset, 50);
  give(fetched(50, batches({{50, 1}}), 51));
  EXPECT_EQ(pump.state(), PumpState::resuming) << "the gap is not at the target yet";
  pump.on_appended(50, action.batches.size(), start);
  EXPECT_EQ(pump.state(), PumpState::mirroring);
  // What is overtaken anew is another loss, which nobody has accepted.
  EXPECT_EQ(pump.on_bounds(70, 100).kind, Kind::failed);
}

TEST_F(PumpTest, AGapThatTheTargetDidNotTakeIsMadeAgain) {
  pump = pump_at(10, PumpState::resuming);
  pump.on_bounds(50, 100);
  pump.on_refused(MirrorTrouble::target_full, "full", start);
  EXPECT_EQ(pump.state(), PumpState::resuming);
  ASSERT_TRUE(pump.on_target_ready(10, 2, start + seconds(1)));
  const auto action = pump.on_bounds(60, 100);
  EXPECT_EQ(action.batches, kafka::build_gap({.base_offset = 10, .leader_epoch = 2}, 59));
}

TEST_F(PumpTest, AGapThatIsWiderThanABatchIsLeftInTwo) {
  constexpr Offset far = Offset{3} << 31;
  pump = pump_at(10, PumpState::resuming);
  const auto near = pump.on_bounds(far, far);
  const Offset next = pump.fetch_from().offset;
  EXPECT_EQ(next, 10 + (Offset{1} << 31));
  pump.on_appended(next, near.batches.size(), start);
  EXPECT_EQ(pump.state(), PumpState::resuming);
  EXPECT_EQ(pump.on_bounds(far, far).expected_offset, next);
}

TEST_F(PumpTest, TheLagIsTheAgeOfTheOldestRecordThatIsNotThere) {
  EXPECT_FALSE(pump.lag(start));
  give(fetched(10, batches({{10, 2}}), 12));
  give(fetched(12, {}, 14), start + seconds(2));
  EXPECT_EQ(pump.lag(start + seconds(5)), seconds(5));
  pump.on_appended(12, 1, start + seconds(5));
  EXPECT_EQ(pump.lag(start + seconds(5)), seconds(3));
  pump.on_appended(14, 1, start + seconds(5));
  EXPECT_FALSE(pump.lag(start + seconds(9)));
}

}  // namespace
}  // namespace isthmus::mirror
