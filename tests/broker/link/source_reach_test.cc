// How far a source may have come, by what was heard of it and when.
#include "broker/link/source_reach.h"

#include <gtest/gtest.h>

namespace isthmus::broker {
namespace {

using std::chrono::hours;
using std::chrono::seconds;

const io::Instant now{hours(1000)};

SourceView heard(Offset end, io::Duration ago = {}, double rate = 0) {
  return {.end_offset = end, .lag_ms = 0, .heard_at = now - ago, .records_per_second = rate};
}

TEST(OffsetAfterGap, LeavesOutWhatConsumersMayHaveReadAtTheLostSite) {
  EXPECT_EQ(offset_after_gap(100, heard(150), now), 1'000'150) << "from what it is known to have";
  EXPECT_EQ(offset_after_gap(100, heard(50), now), 1'000'100);
}

TEST(OffsetAfterGap, GrowsByAMillionASecondSinceTheSourceWasHeard) {
  EXPECT_EQ(offset_after_gap(100, heard(150, seconds(5)), now), 6'000'150);
  EXPECT_EQ(offset_after_gap(100, heard(150, hours(1)), now), 3'601'000'150);
  EXPECT_EQ(offset_after_gap(100, heard(150, -seconds(5)), now), 1'000'150) << "it was just now";
}

TEST(OffsetAfterGap, OfASourceThatWasSeenToBeFasterIsWider) {
  EXPECT_EQ(offset_after_gap(100, heard(150, seconds(2), 1'000'000), now), 9'000'150);
  const Offset most = offset_after_gap(100, heard(150, hours(1), 1e300), now);
  EXPECT_GT(most, 0) << "no overflow";
  EXPECT_LT(most, beyond_any_log);
}

// The convenient value would be that it has nothing more.
TEST(OffsetAfterGap, OfASourceThatWasNeverHeardIsTheWidest) {
  EXPECT_GE(offset_after_gap(100, SourceView{}, now), Offset{1} << 40);
  EXPECT_LT(offset_after_gap(100, SourceView{}, now), beyond_any_log);
  const SourceView by_its_batches{.end_offset = 150};
  EXPECT_GE(offset_after_gap(100, by_its_batches, now), (Offset{1} << 40) + 150);
}

// The target's gap was counted from an end that was at most ours.
TEST(OffsetAfterTakeBack, LiesBeyondAllThatAPromotedTargetHasGivenOut) {
  const Offset at_the_target = offset_after_gap(100, heard(150, hours(10'000)), now);
  EXPECT_GT(offset_after_take_back(150), at_the_target + 1'000'000'000'000);
}

TEST(WhyNotDrained, GoesByWhatTheSourceSaidJustNow) {
  EXPECT_EQ(why_not_drained(150, heard(150, seconds(2)), now), std::nullopt);
  EXPECT_EQ(why_not_drained(150, heard(151), now), "it ends at 150, its source at 151");
  EXPECT_EQ(why_not_drained(150, heard(150, seconds(60)), now),
            "its source was last heard 60 s ago");
  EXPECT_EQ(why_not_drained(150, SourceView{}, now), "nothing was heard of its source");
}

TEST(SourceView, TakesTheSourcesWordNotTheMirrors) {
  SourceView view;
  view.note(100, 0, std::nullopt);
  EXPECT_EQ(view.end_offset, -1);
  view.note(100, 0, now);
  view.note(100, 7, now);
  EXPECT_EQ(view.age(now + seconds(30)), io::Duration(seconds(30))) << "a report is no word of it";
  EXPECT_EQ(view.lag_ms, 7);
  view.note(90, 0, now + seconds(1));
  EXPECT_EQ(view.end_offset, 100) << "an answer that was overtaken";
  view.note(1100, 0, now + seconds(2));
  EXPECT_EQ(view.records_per_second, 1000);
  view.note(1100, 0, now + seconds(3));
  EXPECT_EQ(view.records_per_second, 980) << "an idle second is no proof";
}

TEST(SourceView, OutlivesAStartWithItsAge) {
  constexpr int64_t wall_ms = 1'700'000'000'000;
  EXPECT_EQ(SourceView{}.mark(now, wall_ms), std::nullopt);
  const SourceView before = heard(150, seconds(4), 2'000);
  const auto mark = before.mark(now, wall_ms);
  EXPECT_EQ(mark, (SourceMark{150, wall_ms - 4'000, 2'000}));
  const io::Instant booted{};
  const SourceView after = SourceView::of(*mark, booted, wall_ms + 60'000);
  EXPECT_EQ(after.age(booted), io::Duration(seconds(64)));
  EXPECT_EQ(after.end_offset, 150);
  EXPECT_EQ(after.records_per_second, 2'000);
  const SourceView back = SourceView::of(*mark, booted, wall_ms - 60'000);
  EXPECT_EQ(back.age(booted), io::Duration::zero());
}

}  // namespace
}  // namespace isthmus::broker
