#include "mirror/start_follower.h"

#include <gtest/gtest.h>

namespace isthmus::mirror {
namespace {

using std::chrono::hours;
using std::chrono::seconds;

constexpr hours a_day{24};
constexpr Offset held = 10'000;
const io::Instant begin{seconds(1000)};

class StartFollowerTest : public testing::Test {
 protected:
  std::optional<Offset> hear(Offset start, io::Duration after, Offset held_by_target = held) {
    return starts.on_heard(start, held_by_target, begin + after);
  }
  StartFollower starts{a_day};
};

TEST_F(StartFollowerTest, AStartIsDueExactlyAtTheDelay) {
  EXPECT_FALSE(hear(500, hours(0)));
  EXPECT_FALSE(hear(500, a_day - io::milliseconds(1)));
  EXPECT_EQ(hear(500, a_day), 500);
  EXPECT_FALSE(hear(500, a_day)) << "it has just been said";
}

TEST_F(StartFollowerTest, ALogThatLacksNothingIsNotFollowed) {
  EXPECT_FALSE(hear(0, hours(0)));
  EXPECT_FALSE(hear(0, 2 * a_day));
}

TEST_F(StartFollowerTest, ASourceThatDoesNotSayMovesNothing) {
  EXPECT_FALSE(hear(-1, hours(0)));
  EXPECT_FALSE(hear(500, hours(1)));
  EXPECT_FALSE(hear(-1, a_day + hours(1))) << "not on older knowledge";
  EXPECT_EQ(hear(500, a_day + hours(1)), 500) << "nothing was taken back either";
}

TEST_F(StartFollowerTest, ADeletionThatIsTakenBackIsNotFollowed) {
  EXPECT_FALSE(hear(500, hours(0)));
  EXPECT_FALSE(hear(0, hours(23)));
  EXPECT_FALSE(hear(0, hours(48)));
  EXPECT_FALSE(hear(500, hours(49)));
  EXPECT_FALSE(hear(500, hours(72))) << "the delay has begun anew";
  EXPECT_EQ(hear(500, hours(73)), 500);
}

TEST_F(StartFollowerTest, WhatIsTakenBackInPartWaitsAnew) {
  EXPECT_FALSE(hear(500, hours(0)));
  EXPECT_FALSE(hear(200, hours(1)));
  EXPECT_FALSE(hear(200, hours(24)));
  EXPECT_EQ(hear(200, hours(25)), 200);
}

TEST_F(StartFollowerTest, WhatStaysDeletedNeedNotWaitForWhatIsTakenBack) {
  EXPECT_FALSE(hear(500, hours(0)));
  EXPECT_FALSE(hear(900, hours(1)));
  EXPECT_FALSE(hear(700, hours(2)));
  EXPECT_EQ(hear(700, hours(24)), 500);
  EXPECT_EQ(hear(700, hours(48)), 700);
}

// The second start is a candidate when the first has been followed: after one delay at the
// earliest, after two at the latest, however often the source's start moves.
TEST_F(StartFollowerTest, AStartThatMovesAllTheTimeIsFollowedInSteps) {
  for (int h = 0; h < 24; ++h) EXPECT_FALSE(hear(100 + h, hours(h)));
  EXPECT_EQ(hear(124, hours(24)), 100);
  for (int h = 25; h < 48; ++h) EXPECT_FALSE(hear(100 + h, hours(h)));
  EXPECT_EQ(hear(148, hours(48)), 124);
  EXPECT_EQ(hear(148, hours(72)), 148);
}

TEST_F(StartFollowerTest, NoMoreIsAskedOfATargetThanItHolds) {
  EXPECT_FALSE(hear(500, hours(0), 499));
  EXPECT_FALSE(hear(500, a_day, 499));
  EXPECT_EQ(hear(500, a_day, 500), 500);
}

// Nothing is stored, so who begins anew cannot know since when: he waits the whole delay.
TEST_F(StartFollowerTest, ARestartBeginsTheDelayAnew) {
  EXPECT_FALSE(hear(500, hours(0)));
  starts = StartFollower(a_day);
  EXPECT_FALSE(hear(500, hours(24)));
  EXPECT_FALSE(hear(500, hours(47)));
  EXPECT_EQ(hear(500, hours(48)), 500);
}

// A target that crashed may have forgotten.
TEST_F(StartFollowerTest, WhatWasFollowedIsSaidAgainNowAndThen) {
  EXPECT_FALSE(hear(500, hours(0)));
  EXPECT_EQ(hear(500, a_day), 500);
  EXPECT_FALSE(hear(500, 2 * a_day - seconds(1)));
  EXPECT_EQ(hear(500, 2 * a_day), 500);
  starts = StartFollower(seconds(0));
  EXPECT_EQ(hear(500, hours(0)), 500);
  EXPECT_FALSE(hear(500, seconds(59))) << "not with every answer";
  EXPECT_EQ(hear(500, seconds(60)), 500);
}

TEST_F(StartFollowerTest, WhatIsSaidAgainHoldsUpNothingNew) {
  EXPECT_FALSE(hear(500, hours(0)));
  EXPECT_EQ(hear(500, hours(24)), 500);
  EXPECT_FALSE(hear(700, hours(25)));
  EXPECT_FALSE(hear(700, hours(48)));
  EXPECT_EQ(hear(700, hours(49)), 700);
}

TEST_F(StartFollowerTest, WithoutADelayItIsFollowedAtOnce) {
  starts = StartFollower(seconds(0));
  EXPECT_EQ(hear(500, hours(0)), 500);
  EXPECT_FALSE(hear(500, hours(0)));
  EXPECT_EQ(hear(600, hours(0)), 600);
  EXPECT_FALSE(hear(550, hours(1))) << "a target's start never goes back";
}

}  // namespace
}  // namespace isthmus::mirror
