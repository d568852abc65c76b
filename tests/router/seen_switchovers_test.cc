#include "router/seen_switchovers.h"

#include <gtest/gtest.h>

namespace isthmus::router {
namespace {

using Phase = kafka::SwitchoverPhase;
using Told = SeenSwitchovers::Told;

Told told_of(uint8_t number, Phase phase, bool failover = false) {
  Told told;
  told.link = "seoul-tokyo";
  told.switchover_id.bytes[0] = number;
  told.phase = phase;
  told.failover = failover;
  return told;
}

struct TheSeen : testing::Test {
  void note(const std::string& site, const Told& told, int64_t wall_ms) {
    seen.note(site, {told}, wall_ms);
  }
  SeenSwitchovers seen;
};

TEST_F(TheSeen, AMoveIsSeenStepByStepFromBothSides) {
  note("tokyo", told_of(1, Phase::wished), 1000);
  EXPECT_TRUE(seen.any_under_way());
  note("tokyo", told_of(1, Phase::wished), 1200);
  note("seoul", told_of(1, Phase::handed_over), 1300);
  note("tokyo", told_of(1, Phase::promoted), 1500);
  EXPECT_FALSE(seen.any_under_way());
  note("seoul", told_of(1, Phase::done), 1700);
  ASSERT_EQ(seen.all().size(), 1u);
  const auto& one = seen.all().front();
  ASSERT_EQ(one.steps.size(), 4u);
  EXPECT_EQ(one.steps[0].phase, Phase::wished);
  EXPECT_EQ(one.steps[0].wall_ms, 1000);
  EXPECT_EQ(one.steps[1].phase, Phase::handed_over);
  EXPECT_EQ(one.steps[2].phase, Phase::promoted);
  EXPECT_EQ(one.steps[3].phase, Phase::done);
  EXPECT_TRUE(one.is_over());
}

TEST_F(TheSeen, WhatWasOverBeforeAnybodyLookedIsNotOfNow) {
  note("tokyo", told_of(1, Phase::promoted), 1000);
  note("seoul", told_of(1, Phase::done), 1000);
  EXPECT_TRUE(seen.all().empty());
  // What comes then is, however fast it was.
  note("tokyo", told_of(2, Phase::promoted, true), 5000);
  ASSERT_EQ(seen.all().size(), 1u);
  EXPECT_TRUE(seen.all().front().failover);
  EXPECT_TRUE(seen.all().front().is_over());
}

// The first of a link, over before its sites were asked again.
TEST_F(TheSeen, OneThatIsFasterThanTheQuestionsIsTold) {
  seen.note("tokyo", {}, 1000);
  seen.note("seoul", {}, 1000);
  note("seoul", told_of(1, Phase::done), 3000);
  note("tokyo", told_of(1, Phase::promoted), 3010);
  ASSERT_EQ(seen.all().size(), 1u);
  EXPECT_EQ(seen.all().front().steps.size(), 2u);
  EXPECT_TRUE(seen.all().front().is_over());
}

TEST_F(TheSeen, OneThatStandsWhenTheRouterStartsIsTold) {
  note("seoul", told_of(1, Phase::handed_over), 1000);
  EXPECT_TRUE(seen.any_under_way());
  Told refused = told_of(1, Phase::wished);
  refused.trouble = "a partition is offline";
  note("tokyo", refused, 1100);
  EXPECT_EQ(seen.all().front().trouble, "a partition is offline");
  refused.trouble = "";
  note("tokyo", refused, 1200);
  EXPECT_EQ(seen.all().front().trouble, "");
}

// A failover in the middle of a switchover, or another wish between two questions.
TEST_F(TheSeen, OneThatNobodySpeaksOfAnyMoreIsOver) {
  note("tokyo", told_of(1, Phase::wished), 1000);
  note("seoul", told_of(1, Phase::handed_over), 1100);
  note("tokyo", told_of(2, Phase::promoted, true), 2000);
  EXPECT_TRUE(seen.any_under_way()) << "seoul still stands where it handed over";
  note("seoul", told_of(2, Phase::stepped_down, true), 3000);
  EXPECT_FALSE(seen.any_under_way());
  EXPECT_TRUE(seen.all().back().gave_way);
  EXPECT_FALSE(seen.all().front().gave_way);
}

TEST_F(TheSeen, TheLatestTenAreKept) {
  seen.note("tokyo", {}, 0);
  for (uint8_t i = 1; i <= 30; ++i) {
    note("tokyo", told_of(i, Phase::wished), i * 100);
    note("tokyo", told_of(i, Phase::abandoned), i * 100 + 50);
  }
  EXPECT_EQ(seen.all().size(), SeenSwitchovers::most);
  EXPECT_EQ(seen.all().front().id.bytes[0], 30);
  EXPECT_EQ(seen.all().back().id.bytes[0], 21);
  EXPECT_FALSE(seen.any_under_way());
}

}  // namespace
}  // namespace isthmus::router
