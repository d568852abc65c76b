// When what a reader has before it was written, by the headers of batches.
#include "broker/log/unread_time.h"

#include "tests/broker/log/log_world.h"

namespace isthmus::broker {
namespace {

using kafka::ControlType;

class Unread : public ::testing::Test {
 protected:
  void SetUp() override {
    w.config.segment_bytes = 2000;
    w.config.index_interval_bytes = 200;
    w.open();
  }
  // -1 = a batch without a time; -2 = nothing is to be read.
  int64_t time_at(Offset from, Offset bound = INT64_MAX) {
    auto found = w.run(w.log->unread_time(from, bound, w.process->env().workers));
    EXPECT_TRUE(found) << found.error().text;
    return found ? found->value_or(-2) : -3;
  }
  void mirror(Slice batch) {
    auto done = w.log->append_verbatim(batch, w.now_ms, {});
    ASSERT_TRUE(done) << done.error().text;
  }
  LogWorld w;
};

TEST_F(Unread, IsAsOldAsTheFirstRecordOfItsBatch) {
  for (int i = 0; i < 100; ++i) w.append_one({.records = 3, .timestamp = 1000 + i * 10});
  ASSERT_GT(w.log->segment_count(), 3u);
  for (Offset from = 0; from < 300; ++from) ASSERT_EQ(time_at(from), 1000 + from / 3 * 10) << from;
  EXPECT_EQ(time_at(300), -2);
  EXPECT_EQ(time_at(1000), -2);
  EXPECT_EQ(time_at(30, 31), 1100);
  EXPECT_EQ(time_at(30, 30), -2);
  EXPECT_EQ(time_at(30, 7), -2);
}

TEST_F(Unread, BelowTheLogsStartItIsTheFirstThatIsThere) {
  for (int i = 0; i < 100; ++i) w.append_one({.timestamp = 1000 + i});
  ASSERT_TRUE(w.log->move_start_to(60));
  EXPECT_EQ(time_at(0), 1060);
  EXPECT_EQ(time_at(59), 1060);
  ASSERT_TRUE(w.log->move_start_to(100));
  EXPECT_EQ(time_at(0), -2);
}

// As compaction leaves them, also over the end of a segment.
TEST_F(Unread, AHoleIsPassed) {
  for (Offset i = 0; i < 60; ++i) {
    mirror(make_batch({.base_offset = i * 10, .epoch = 1, .timestamp = 1000 + i}));
  }
  ASSERT_GT(w.log->segment_count(), 1u);
  for (Offset i = 1; i < 60; ++i) ASSERT_EQ(time_at(i * 10 - 5), 1000 + i) << i;
  EXPECT_EQ(time_at(591), -2);
  EXPECT_EQ(time_at(585, 588), -2) << "what is there is not to be read yet";
}

TEST_F(Unread, MarkersAreNothingToBeRead) {
  w.append_one({.producer_id = 7, .sequence = 0, .transactional = true, .timestamp = 4000});
  for (Offset i = 1; i < 80; ++i) mirror(make_marker(7, 0, ControlType::commit, 0, i, 1));
  ASSERT_GT(w.log->segment_count(), 1u);
  EXPECT_EQ(time_at(0), 4000);
  EXPECT_EQ(time_at(1), -2);
  w.append_one({.timestamp = 5000});
  EXPECT_EQ(time_at(1), 5000);
  EXPECT_EQ(time_at(1, 80), -2);
}

TEST_F(Unread, AfterSoManyHeadersTheLastOneCounts) {
  w.config.segment_bytes = 1 << 20;
  w.log->configure(w.config);
  for (Offset i = 0; i < 1200; ++i) mirror(make_marker(7, 0, ControlType::commit, 0, i, 1));
  EXPECT_EQ(time_at(0), 1000) << "as markers say here";
  EXPECT_EQ(time_at(600), -2);
}

TEST_F(Unread, ATopicOfTheBrokersClockHasThatOfTheAppend) {
  w.config.timestamp_type = kafka::TimestampType::log_append_time;
  w.log->configure(w.config);
  w.append_one({.timestamp = 1000});
  EXPECT_EQ(time_at(0), w.now_ms);
}

TEST_F(Unread, ARecordWithoutATimeSaysSo) {
  w.append_one({.timestamp = -1});
  EXPECT_EQ(time_at(0), -1);
}

TEST_F(Unread, IsLookedUpBesideTheLoop) {
  for (int i = 0; i < 100; ++i) w.append_one({.timestamp = 1000 + i});
  w.process->workers().take(std::chrono::seconds(1));
  EXPECT_EQ(time_at(50), 1050);
  EXPECT_EQ(w.process->workers().jobs(), 1u);
}

}  // namespace
}  // namespace isthmus::broker
