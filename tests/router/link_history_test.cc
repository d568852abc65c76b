#include "router/link_history.h"

#include <gtest/gtest.h>

namespace isthmus::router {
namespace {

using std::chrono::seconds;
using Sample = LinkHistory::Sample;

io::Instant at(int64_t s) { return io::Instant{seconds(s)}; }

TEST(LinkHistory, OfTenSecondsTheWorstIsKept) {
  LinkHistory history;
  history.note(at(100), {.lag_records = 5, .lag_ms = 300, .records_per_s = 10});
  history.note(at(104), {.lag_records = 7, .lag_ms = 100, .records_per_s = 3});
  history.note(at(109), {});  // nothing is known of it
  ASSERT_EQ(history.samples().size(), 1u);
  EXPECT_EQ(history.samples().back().lag_records, 7);
  EXPECT_EQ(history.samples().back().lag_ms, 300);
  EXPECT_EQ(history.samples().back().records_per_s, 10);
  history.note(at(110), {.lag_records = 0});
  ASSERT_EQ(history.samples().size(), 2u);
  EXPECT_EQ(history.samples().back().lag_records, 0);
  EXPECT_EQ(history.samples().back().lag_ms, std::nullopt);
  EXPECT_EQ(history.latest(), at(110));
}

TEST(LinkHistory, WhereNothingWasSeenThereIsAGap) {
  LinkHistory history;
  history.note(at(100), {.lag_records = 5});
  history.note(at(139), {.lag_records = 6});
  ASSERT_EQ(history.samples().size(), 4u);
  EXPECT_EQ(history.samples()[0].lag_records, 5);
  EXPECT_EQ(history.samples()[1].lag_records, std::nullopt);
  EXPECT_EQ(history.samples()[2].lag_records, std::nullopt);
  EXPECT_EQ(history.samples()[3].lag_records, 6);
}

TEST(LinkHistory, AnHourIsKept) {
  LinkHistory history;
  for (int64_t s = 0; s < 2 * 3600; s += 5) history.note(at(s), {.lag_records = s});
  EXPECT_EQ(history.samples().size(), LinkHistory::most_slots);
  EXPECT_EQ(history.samples().front().lag_records, 3605);
  EXPECT_EQ(history.samples().back().lag_records, 7195);
  // After a pause of more than that nothing of it is of the last hour.
  history.note(at(20'000), {.lag_records = 1});
  ASSERT_EQ(history.samples().size(), 1u);
  EXPECT_EQ(history.samples().back().lag_records, 1);
}

}  // namespace
}  // namespace isthmus::router
