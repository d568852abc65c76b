#include "client/read_ahead.h"

#include <gtest/gtest.h>

#include <random>

#include "kafka/batch.h"

namespace isthmus::client {
namespace {

using kafka::ErrorCode;
using Answer = ReadAhead::Answer;

constexpr uint64_t full = 4000;

Slice batch_at(Offset base, int count, size_t value_size) {
  kafka::BatchBuilder builder({.base_offset = base, .leader_epoch = 1});
  const std::vector<uint8_t> value(value_size, 'v');
  for (int i = 0; i < count; ++i) builder.add(1000, std::nullopt, Bytes(value));
  return std::move(builder).finish();
}

// A log, and what a broker answers of it.
class FakeLog {
 public:
  void add(int count, size_t value_size, Offset gap = 0) {
    const Offset base = end + gap;
    end = base + count;
    batches.push_back({base, end, batch_at(base, count, value_size)});
  }
  Answer fetch(Offset offset, uint64_t max_bytes) const {
    Answer answer;
    answer.high_watermark = end;
    uint64_t size = 0;
    for (const auto& batch : batches) {
      if (batch.end <= offset) continue;
      if (size > 0 && size + batch.bytes.size() > max_bytes) break;
      answer.records.append(batch.bytes);
      size += batch.bytes.size();
    }
    return answer;
  }

  struct Batch {
    Offset base, end;
    Slice bytes;
  };
  std::vector<Batch> batches;
  Offset end = 0;
};

std::vector<Offset> bases_in(const Answer& answer) {
  const Slice records = *answer.records.flatten();
  kafka::BatchIterator walk(records, true);
  std::vector<Offset> bases;
  while (auto batch = walk.next()) bases.push_back(batch->header.base_offset);
  return bases;
}

class ReadAheadTest : public testing::Test {
 protected:
  // 40 batches of 10 records and about 1,000 bytes.
  ReadAheadTest() {
    for (int i = 0; i < 40; ++i) log.add(10, 85);
    per_batch = log.batches[0].bytes.size();
  }
  ReadAhead at(Offset wanted) { return {wanted, 30, 3 * per_batch, 3 * per_batch, log.end}; }
  std::vector<Offset> ask_all(ReadAhead& ahead, size_t depth) {
    std::vector<Offset> asked;
    while (auto ask = ahead.next(depth)) asked.push_back(ask->offset);
    return asked;
  }

  FakeLog log;
  uint64_t per_batch = 0;
};

TEST_F(ReadAheadTest, EachFetchBeginsWhereTheOneBeforeProbablyEnds) {
  ReadAhead ahead = at(30);
  EXPECT_EQ(ask_all(ahead, 4), (std::vector<Offset>{30, 60, 90, 120}));
  EXPECT_FALSE(ahead.take());
  EXPECT_TRUE(ahead.on_answer(60, log.fetch(60, 3 * per_batch)));
  EXPECT_FALSE(ahead.take()) << "not its turn";
  EXPECT_TRUE(ahead.on_answer(30, log.fetch(30, 3 * per_batch)));
  EXPECT_EQ(bases_in(*ahead.take()), (std::vector<Offset>{30, 40, 50}));
  EXPECT_EQ(ahead.wanted(), 60);
  EXPECT_EQ(bases_in(*ahead.take()), (std::vector<Offset>{60, 70, 80}));
  EXPECT_FALSE(ahead.take());
  EXPECT_EQ(ask_all(ahead, 4), (std::vector<Offset>{150, 180}));
}

TEST_F(ReadAheadTest, WhatIsFinishedEndsWithWhatItHasAskedFor) {
  ReadAhead ahead = at(340);
  EXPECT_FALSE(ahead.asked_for_all());
  EXPECT_EQ(ask_all(ahead, 4), (std::vector<Offset>{340, 370}));
  EXPECT_TRUE(ahead.asked_for_all());
  ahead.finish();
  log.add(10, 85);
  for (Offset asked : {340, 370}) ahead.on_answer(asked, log.fetch(asked, 3 * per_batch));
  EXPECT_FALSE(ahead.over());
  while (ahead.take()) {
  }
  EXPECT_TRUE(ask_all(ahead, 4).empty()) << "though the log goes on";
  EXPECT_TRUE(ahead.over());
}

TEST_F(ReadAheadTest, WhatIsHeldIsBounded) {
  ReadAhead ahead = at(30);
  ask_all(ahead, 3);
  for (Offset asked : {60, 90}) ahead.on_answer(asked, log.fetch(asked, 3 * per_batch));
  EXPECT_EQ(ask_all(ahead, 3), (std::vector<Offset>{120})) << "one more than under way";
  ahead.on_answer(120, log.fetch(120, 3 * per_batch));
  EXPECT_TRUE(ask_all(ahead, 3).empty());
}

TEST_F(ReadAheadTest, AHoleIsAskedForWhenItIsMet) {
  ReadAhead ahead = at(30);
  ask_all(ahead, 2);
  ahead.on_answer(60, log.fetch(60, 3 * per_batch));
  ahead.on_answer(30, log.fetch(30, per_batch));  // less than expected
  EXPECT_EQ(bases_in(*ahead.take()), std::vector<Offset>{30});
  EXPECT_FALSE(ahead.take()) << "40 to 60 is not here, and is never skipped";
  const auto hole = ahead.next(2);
  ASSERT_TRUE(hole);
  EXPECT_EQ(hole->offset, 40);
  EXPECT_TRUE(ahead.on_answer(40, log.fetch(40, 2 * per_batch)));
  EXPECT_EQ(bases_in(*ahead.take()), (std::vector<Offset>{40, 50}));
  EXPECT_EQ(bases_in(*ahead.take()), (std::vector<Offset>{60, 70, 80}));
}

TEST_F(ReadAheadTest, WhatLiesWhollyBehindIsDropped) {
  ReadAhead ahead = at(30);
  ask_all(ahead, 2);
  ahead.on_answer(30, log.fetch(30, 6 * per_batch));  // more than expected
  EXPECT_EQ(bases_in(*ahead.take()).size(), 6u);
  EXPECT_EQ(ahead.wanted(), 90);
  EXPECT_TRUE(ahead.on_answer(60, log.fetch(60, 3 * per_batch)));
  EXPECT_FALSE(ahead.take());
  EXPECT_EQ(ahead.next(2)->offset, 90);
}

TEST_F(ReadAheadTest, OffsetsThatCompactionHasLeftEmptyAreNoHole) {
  FakeLog sparse;
  for (int i = 0; i < 10; ++i) sparse.add(10, 85, 20);
  ReadAhead ahead(30, 30, per_batch, per_batch, sparse.end);
  EXPECT_EQ(ahead.next(1)->offset, 30);
  EXPECT_TRUE(ahead.on_answer(30, sparse.fetch(30, per_batch)));
  EXPECT_EQ(bases_in(*ahead.take()), std::vector<Offset>{50});
}

TEST_F(ReadAheadTest, AnythingUnusualEndsIt) {
  Answer error;
  error.error_code = ErrorCode::fenced_leader_epoch;
  EXPECT_FALSE(at(30).on_answer(30, error));
  Answer diverging;
  diverging.diverging_epoch = {1, 20};
  EXPECT_FALSE(at(30).on_answer(30, diverging));
  EXPECT_FALSE(at(30).on_answer(30, Answer()));
  Answer broken = log.fetch(30, per_batch);
  auto bytes = *broken.records.flatten();
  std::vector<uint8_t> changed(bytes.view().begin(), bytes.view().end());
  changed[16] = 9;  // no such format
  broken.records = Rope(Slice::take(std::move(changed)));
  EXPECT_FALSE(at(30).on_answer(30, broken));
}

TEST_F(ReadAheadTest, ItIsOverWhenAllThatIsKnownWasTaken) {
  ReadAhead ahead = at(340);
  EXPECT_EQ(ask_all(ahead, 4), (std::vector<Offset>{340, 370}));
  ahead.on_answer(340, log.fetch(340, 3 * per_batch));
  EXPECT_TRUE(ahead.take());
  EXPECT_FALSE(ahead.over());
  ahead.on_answer(370, log.fetch(370, 3 * per_batch));
  EXPECT_TRUE(ahead.take());
  EXPECT_EQ(ahead.wanted(), log.end);
  EXPECT_TRUE(ahead.over());
}

// Whatever batches there are and in whatever order answers come: each batch once, none left out.
TEST(ReadAheadOrders, EveryBatchIsTakenOnceAndInOrder) {
  for (uint32_t seed = 0; seed < 200; ++seed) {
    std::mt19937 random(seed);
    FakeLog log;
    for (int i = 0; i < 150; ++i) {
      log.add(1 + static_cast<int>(random() % 20), 1 + random() % 300, random() % 8 == 0 ? 5 : 0);
    }
    const Answer first = log.fetch(0, full);
    const auto extent = extent_of(*first.records.flatten());
    ReadAhead ahead(extent->end, extent->end, first.records.size(), full, log.end);
    std::vector<ReadAhead::Ask> under_way;
    std::vector<Offset> taken = bases_in(first);
    Offset next = extent->end;
    for (int step = 0; step < 10'000 && !ahead.over(); ++step) {
      while (auto ask = ahead.next(4)) under_way.push_back(*ask);
      ASSERT_FALSE(under_way.empty()) << "it stands still, seed " << seed;
      ASSERT_LE(ahead.under_way(), 5u);
      const size_t which = random() % under_way.size();
      const auto ask = under_way[which];
      under_way.erase(under_way.begin() + static_cast<ptrdiff_t>(which));
      ASSERT_TRUE(ahead.on_answer(ask.offset, log.fetch(ask.offset, ask.max_bytes)));
      while (auto answer = ahead.take()) {
        for (const Offset base : bases_in(*answer)) {
          if (base >= next) taken.push_back(base);
        }
        next = ahead.wanted();
      }
    }
    std::vector<Offset> all;
    for (const auto& batch : log.batches) all.push_back(batch.base);
    EXPECT_EQ(taken, all) << "seed " << seed;
  }
}

TEST(ReadAheadDepth, GrowsWhileThatIsFasterAndNoFurther) {
  using std::chrono::milliseconds;
  io::Instant now{std::chrono::seconds(10)};
  const double per_piece = 1e6;
  Depth depth(2, 8, 1e6, now);
  // A line that carries five pieces in the time of one.
  for (int i = 0; i < 200; ++i) {
    now += milliseconds(1000 / static_cast<int>(std::min<size_t>(depth.get(), 5)));
    depth.on_piece(static_cast<uint64_t>(per_piece), now);
  }
  EXPECT_GE(depth.get(), 5u);
  EXPECT_LE(depth.get(), 6u);
  EXPECT_EQ(Depth(9, 8, 1, now).get(), 8u);
}

TEST(ReadAheadDepth, WhatWasGivenBackIsNotTakenAgain) {
  io::Instant now{std::chrono::seconds(10)};
  Depth depth(4, 8, 1e6, now);
  depth.shrink_to(2);
  EXPECT_EQ(depth.get(), 2u);
  depth.shrink_to(3);
  EXPECT_EQ(depth.get(), 2u);
  for (int i = 0; i < 100; ++i) depth.on_piece(100'000'000, now += std::chrono::milliseconds(1));
  EXPECT_EQ(depth.get(), 2u) << "faster or not";
  depth.shrink_to(0);
  EXPECT_EQ(depth.get(), 1u);
}

}  // namespace
}  // namespace isthmus::client
