#include "broker/replica/tally.h"

#include <gtest/gtest.h>

namespace isthmus::broker {
namespace {

using std::chrono::seconds;

TEST(Tally, OfAThousandAtOnceOneIsNamedAndTheOthersAreCounted) {
  Tally tally;
  const io::Instant now{};
  EXPECT_EQ(tally.due(now), 0u);
  int named = 0;
  for (int i = 0; i < 1000; ++i) named += tally.on_news(now + std::chrono::milliseconds(i));
  EXPECT_EQ(named, 1);
  EXPECT_EQ(tally.due(now + seconds(9)), 0u) << "more may come";
  EXPECT_EQ(tally.due(now + seconds(10)), 999u);
  EXPECT_EQ(tally.due(now + seconds(30)), 0u);
}

TEST(Tally, WhatGoesOnIsOneLineInTenSeconds) {
  Tally tally;
  const io::Instant now{};
  int lines = 0;
  size_t counted = 0;
  for (int i = 0; i < 100; ++i) {
    lines += tally.on_news(now + seconds(i));
    const size_t others = tally.due(now + seconds(i));
    lines += others > 0;
    counted += others;
  }
  EXPECT_LE(lines, 11);
  EXPECT_GE(counted, 85u);
}

}  // namespace
}  // namespace isthmus::broker
