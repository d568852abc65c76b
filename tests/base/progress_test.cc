#include "base/progress.h"

#include <gtest/gtest.h>

namespace isthmus {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Progress::Instant begun{seconds(1000)};

TEST(ProgressText, SaysHowFarItIsAndHowLongItWillTake) {
  Progress progress;
  EXPECT_EQ(progress.text(begun), "");
  progress.begin("opens partitions", 400, begun);
  EXPECT_EQ(progress.text(begun), "opens partitions: 0 of 400");
  progress.advance(100);
  EXPECT_EQ(progress.text(begun + milliseconds(1999)), "opens partitions: 100 of 400");
  EXPECT_EQ(progress.text(begun + seconds(4)), "opens partitions: 100 of 400, about 12 s to go");
  progress.advance(300);
  EXPECT_EQ(progress.text(begun + seconds(9)), "opens partitions: 400 of 400");
  progress.end();
  EXPECT_EQ(progress.text(begun + seconds(9)), "");
}

TEST(ProgressText, WhereNothingIsDoneNobodyKnowsHowLong) {
  Progress progress;
  progress.begin("opens partitions", 1, begun);
  EXPECT_EQ(progress.text(begun + seconds(60)), "opens partitions: 0 of 1");
}

}  // namespace
}  // namespace isthmus
