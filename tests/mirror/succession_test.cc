#include "mirror/succession.h"

#include <gtest/gtest.h>

namespace isthmus::mirror {
namespace {

using io::milliseconds;
using std::chrono::seconds;

TEST(Succession, OverAShortLineAProcessIsReplacedSoon) {
  EXPECT_EQ(alive_for(milliseconds(260)), milliseconds(2500));
}

// Two round trips of 0.6 s in a round, and a pause of 2 s, make contacts up to 3.8 s apart.
TEST(Succession, OverALongLineSeveralReportsMustBeMissing) {
  const auto promised = promise(milliseconds(1800), milliseconds(1200), longest_pause);
  EXPECT_GE(promised, milliseconds(3800));
  EXPECT_GE(alive_for(promised), seconds(3) * 3);
  EXPECT_LE(alive_for(promised), seconds(20)) << "it may be dead";
}

TEST(Succession, WhoHasPromisedNothingYetIsGivenTheLongestPause) {
  EXPECT_EQ(alive_for(std::nullopt), 3 * longest_pause);
}

TEST(Succession, ARoundThatTakesLongerThanTheLastOneIsPromisedForInTime) {
  EXPECT_GE(promise(milliseconds(10), seconds(4), longest_pause), seconds(10));
}

}  // namespace
}  // namespace isthmus::mirror
