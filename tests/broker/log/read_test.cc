#include "tests/broker/log/log_world.h"

namespace isthmus::broker {
namespace {

class Read : public ::testing::Test {
 protected:
  void SetUp() override {
    w.config.segment_bytes = 2000;
    w.config.index_interval_bytes = 200;
    w.open();
    for (int i = 0; i < 100; ++i) w.append_one({.records = 3, .timestamp = 1000 + i * 10});
    size = make_batch({.records = 3}).size();
    ASSERT_GT(w.log->segment_count(), 3u);
  }
  LogWorld w;
  size_t size = 0;
};

TEST_F(Read, EveryOffsetGivesTheBatchThatHoldsIt) {
  for (Offset offset = 0; offset < 300; ++offset) {
    const auto headers = w.read(offset, 1);
    ASSERT_EQ(headers.size(), 1u);
    EXPECT_EQ(headers[0].base_offset, offset / 3 * 3);
  }
  EXPECT_TRUE(w.read(300).empty());
}

TEST_F(Read, EndsAtABatchWithinTheLimitAndCrossesSegments) {
  for (size_t batches : {1, 2, 7, 30, 100}) {
    EXPECT_EQ(w.read(0, batches * size).size(), batches);
    EXPECT_EQ(w.read(0, batches * size + size - 1).size(), batches);
  }
  EXPECT_TRUE(w.read(0, size - 1, INT64_MAX, false).empty());
  EXPECT_EQ(w.read(0, size - 1, INT64_MAX, true).size(), 1u);
}

TEST_F(Read, NeverReachesTheBound) {
  for (Offset bound = 0; bound <= 300; ++bound) {
    const auto headers = w.read(0, UINT64_MAX, bound);
    EXPECT_EQ(headers.size(), static_cast<size_t>(bound / 3)) << bound;
  }
  EXPECT_TRUE(w.read(10, UINT64_MAX, 5).empty());
}

TEST_F(Read, OutsideTheLogIsOutOfRange) {
  ASSERT_TRUE(w.log->move_start_to(30));
  for (Offset offset : {Offset{29}, Offset{301}, Offset{-1}}) {
    auto rope = w.log->read(offset, 1000, INT64_MAX, true);
    ASSERT_FALSE(rope);
    EXPECT_EQ(kafka::error_code(rope.error()), kafka::ErrorCode::offset_out_of_range);
  }
  EXPECT_EQ(w.read(30, 1).size(), 1u);
}

TEST_F(Read, IsFileRangesNotCopies) {
  auto rope = w.log->read(0, UINT64_MAX, INT64_MAX, true);
  ASSERT_TRUE(rope);
  EXPECT_EQ(rope->pieces().size(), w.log->segment_count());
  for (const Piece& piece : rope->pieces()) EXPECT_TRUE(std::holds_alternative<FileRange>(piece));
}

TEST_F(Read, WorksWithFewFilesOpenAndAfterAReopen) {
  w.stop();
  w.cache_capacity = 1;
  w.open();
  EXPECT_EQ(w.offsets().size(), 100u);
  EXPECT_EQ(w.files->size(), 1u);
}

TEST_F(Read, AHoleLeadsToTheNextBatch) {
  ASSERT_TRUE(w.log->append_verbatim(make_batch({.base_offset = 1000, .epoch = 1}), 0, {}));
  EXPECT_EQ(w.read(300)[0].base_offset, 1000);
  EXPECT_EQ(w.read(999)[0].base_offset, 1000);
  EXPECT_TRUE(w.read(300, UINT64_MAX, 900).empty());
}

TEST_F(Read, AcrossAFailoversGap) {
  ASSERT_TRUE(w.log->leave_gap(1000, 2, 0));
  w.append(make_batch({}), 2);
  EXPECT_EQ(w.read(299).size(), 3u);
  EXPECT_EQ(w.read(500)[0].base_offset, 300);
}

TEST_F(Read, TimestampsFindTheFirstRecordAtOrAfterThem) {
  const auto find = [&](int64_t timestamp) {
    auto found = w.find_time(timestamp);
    EXPECT_TRUE(found) << found.error().text;
    return found && *found ? (*found)->offset : -1;
  };
  // Batch i holds offsets 3i.. at 1000 + 10i, +1, +2.
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(find(1000 + i * 10), i * 3);
    EXPECT_EQ(find(1001 + i * 10), i * 3 + 1);
    EXPECT_EQ(find(1002 + i * 10), i * 3 + 2);
    EXPECT_EQ(find(1003 + i * 10), i == 99 ? -1 : i * 3 + 3);
  }
  EXPECT_EQ(find(0), 0);
  w.stop();
  w.open();
  EXPECT_EQ(find(1501), 151);
  ASSERT_TRUE(w.log->move_start_to(152));
  EXPECT_EQ(find(0), 152);
}

TEST(ReadTime, OutOfOrderTimestampsAndCompression) {
  LogWorld w;
  w.config.index_interval_bytes = 1;
  w.open();
  for (int64_t timestamp : {500, 900, 100, 300, 950, 200}) {
    w.append_one({.records = 2, .timestamp = timestamp, .compression = kafka::Compression::lz4});
  }
  EXPECT_EQ((**w.find_time(600)).offset, 2);
  EXPECT_EQ((**w.find_time(902)).offset, 8);
  EXPECT_EQ(**w.find_latest(), (TimestampOffset{951, 9, 1}));
  EXPECT_FALSE(*w.find_time(952));
}

TEST(ReadTime, AnEmptyLogHasNoTimestamps) {
  LogWorld w;
  w.open();
  EXPECT_FALSE(*w.find_time(0));
  EXPECT_FALSE(*w.find_latest());
  EXPECT_TRUE(w.read(0).empty());
}

}  // namespace
}  // namespace isthmus::broker
