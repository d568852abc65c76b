#include "broker/controller/silent_brokers.h"

#include <gtest/gtest.h>

namespace isthmus::broker {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr io::Instant begin{std::chrono::hours(1)};

TEST(SilentBrokers, AreSilentForAMoment) {
  SilentBrokers brokers;
  EXPECT_FALSE(brokers.is_silent(2, begin));
  brokers.on_silence(2, begin);
  EXPECT_TRUE(brokers.is_silent(2, begin));
  EXPECT_FALSE(brokers.is_silent(3, begin));
  EXPECT_TRUE(brokers.is_silent(2, begin + milliseconds(999)));
  EXPECT_FALSE(brokers.is_silent(2, begin + seconds(1)));
}

TEST(SilentBrokers, AreSilentNoMoreWhenTheyAnswer) {
  SilentBrokers brokers;
  brokers.on_silence(2, begin);
  brokers.on_answer(2);
  EXPECT_FALSE(brokers.is_silent(2, begin + milliseconds(1)));
}

// A line that only these two use, and that comes and goes, hides nobody for long.
TEST(SilentBrokers, AreNotSilentAgainSoon) {
  SilentBrokers brokers;
  brokers.on_silence(2, begin);
  brokers.on_answer(2);
  brokers.on_silence(2, begin + seconds(9));
  EXPECT_FALSE(brokers.is_silent(2, begin + seconds(9)));
  brokers.on_silence(2, begin + seconds(10));
  EXPECT_TRUE(brokers.is_silent(2, begin + seconds(10)));
}

}  // namespace
}  // namespace isthmus::broker
