#include <cerrno>

#include "tests/broker/log/log_world.h"

namespace isthmus::broker {
namespace {

class Trim : public ::testing::Test {
 protected:
  void SetUp() override {
    w.config.segment_bytes = 300;
    w.open();
    for (int i = 0; i < 10; ++i) w.append_one({.records = 3, .timestamp = 1000 + i * 100});
    ASSERT_GE(w.log->segment_count(), 5u);
  }
  LogWorld w;
};

TEST_F(Trim, TruncationCutsAtABatchAndAppendsGoOnThere) {
  for (Offset offset : {29, 27, 15, 14, 1}) {
    auto end = w.log->truncate_to(offset);
    ASSERT_TRUE(end) << end.error().text;
    EXPECT_EQ(*end, offset / 3 * 3);
    EXPECT_EQ(w.log->end_offset(), *end);
    EXPECT_EQ(w.log->durable_offset(), *end);
  }
  w.append_one({.records = 2});
  EXPECT_EQ(w.offsets(), (std::vector<Offset>{0}));
  EXPECT_EQ(w.log->end_offset(), 2);
  w.sync();
  w.crash();
  w.open();
  EXPECT_EQ(w.log->end_offset(), 2);
}

TEST_F(Trim, TruncationSurvivesACrash) {
  w.sync();
  ASSERT_TRUE(w.log->truncate_to(12));
  w.hints.recovery_point = w.log->recovery_point();
  w.crash();
  w.open();
  EXPECT_EQ(w.offsets(), (std::vector<Offset>{0, 3, 6, 9}));
}

TEST_F(Trim, TruncationAboveTheEndDoesNothing) {
  EXPECT_EQ(w.log->truncate_to(30), 30);
  EXPECT_EQ(w.log->truncate_to(99), 30);
}

TEST_F(Trim, TruncationNeverChangesWhatAReaderHolds) {
  auto rope = w.log->read(0, UINT64_MAX, INT64_MAX, true);
  ASSERT_TRUE(rope);
  const Slice before = rope->flatten().value();
  ASSERT_TRUE(w.log->truncate_to(4));
  w.append_one({.records = 7, .value_size = 50});
  EXPECT_TRUE(std::ranges::equal(rope->flatten()->view(), before.view()));
  EXPECT_EQ(w.offsets(), (std::vector<Offset>{0, 3}));
  EXPECT_EQ(w.read(3)[0].record_count, 7);
}

TEST_F(Trim, TruncationSeesAReaderWhoseFileTheCacheHasDropped) {
  w.stop();
  w.cache_capacity = 1;
  w.open();
  auto rope = w.log->read(0, 1, INT64_MAX, true);
  auto whole = w.log->read(0, UINT64_MAX, 6, true);
  ASSERT_TRUE(rope && whole);
  const Slice before = whole->flatten().value();
  ASSERT_EQ(w.offsets().size(), 10u);  // opens every other segment
  ASSERT_TRUE(w.log->truncate_to(3));
  w.append_one({.records = 2, .value_size = 100});
  EXPECT_TRUE(std::ranges::equal(whole->flatten()->view(), before.view()));
}

TEST_F(Trim, TruncationTakesEpochsBackToo) {
  w.append(make_batch({}), 5);
  w.append(make_batch({}), 7);
  ASSERT_TRUE(w.log->truncate_to(30));
  EXPECT_EQ(w.log->epochs().latest(), 1);
  w.append(make_batch({}), 6);
  const std::vector<EpochEntry> expected{{1, 0, 0}, {6, 30, 0}};
  EXPECT_EQ(w.log->epochs().entries(), expected);
}

TEST_F(Trim, TruncationIntoAGapForgetsTheGap) {
  ASSERT_TRUE(w.log->leave_gap(1000, 2, 0));
  EXPECT_EQ(w.log->truncate_to(500), 30);
  w.crash();
  w.open();
  EXPECT_EQ(w.log->end_offset(), 30);
}

TEST_F(Trim, TruncationRestoresProducersAndTheTimeIndex) {
  LogWorld v;
  v.config.segment_bytes = 300;
  v.open();
  for (int i = 0; i < 9; ++i) {
    v.append_one({.producer_id = 4, .sequence = i, .timestamp = 1000 + i});
  }
  ASSERT_TRUE(v.log->truncate_to(5));
  EXPECT_EQ(v.log->producers().find(4)->last_sequence(), 4);
  EXPECT_EQ(**v.find_latest(), (TimestampOffset{1004, 4, 1}));
  EXPECT_EQ(v.append_one({.producer_id = 4, .sequence = 5}).first_offset, 5);
}

TEST_F(Trim, RestartForgetsEverything) {
  w.append_one({.producer_id = 4, .sequence = 0});
  ASSERT_TRUE(w.log->restart_at(5000));
  EXPECT_EQ(w.log->start_offset(), 5000);
  EXPECT_EQ(w.log->end_offset(), 5000);
  EXPECT_EQ(w.log->size_bytes(), 0u);
  EXPECT_TRUE(w.log->producers().all().empty());
  EXPECT_TRUE(w.log->epochs().empty());
  EXPECT_EQ(w.append_one().first_offset, 5000);
  EXPECT_EQ(w.sync(), 5001);
  w.crash();
  w.open();
  EXPECT_EQ(w.offsets(), (std::vector<Offset>{5000}));
}

TEST_F(Trim, MovingTheStartRemovesWholeSegmentsOnly) {
  const uint64_t before = w.log->size_bytes();
  ASSERT_TRUE(w.log->move_start_to(1));
  EXPECT_EQ(w.log->size_bytes(), before);
  ASSERT_TRUE(w.log->move_start_to(16));
  EXPECT_LT(w.log->size_bytes(), before);
  EXPECT_EQ(w.log->start_offset(), 16);
  EXPECT_EQ(w.read(16, 1)[0].base_offset, 15);
  ASSERT_TRUE(w.log->move_start_to(3));
  EXPECT_EQ(w.log->start_offset(), 16);
  EXPECT_FALSE(w.log->move_start_to(31));
  EXPECT_EQ(w.log->epochs().entries()[0].start_offset, 16);
  w.stop();
  w.open();
  EXPECT_EQ(w.log->start_offset(), 16);
}

TEST_F(Trim, AStartAboveAllThatACrashLeftBeginsAnew) {
  w.kill();
  w.hints = {.log_start = 400};
  w.open();
  EXPECT_EQ(w.log->start_offset(), 400);
  EXPECT_EQ(w.log->end_offset(), 400);
}

TEST_F(Trim, RetentionByTimeTakesOldSegmentsOnly) {
  w.config.retention_ms = 500;
  w.log->configure(w.config);
  auto removed = w.log->apply_retention(1900, 30);
  ASSERT_TRUE(removed);
  EXPECT_GT(*removed, 0u);
  // Records up to timestamp 1399 may go, with their whole segments.
  EXPECT_GT(w.log->start_offset(), 0);
  EXPECT_LE(w.log->start_offset(), 12);
  for (const auto& header : w.read(w.log->start_offset())) EXPECT_GE(header.max_timestamp, 1300);
}

TEST_F(Trim, RetentionBySizeKeepsAtLeastThatMuch) {
  w.config.retention_bytes = 600;
  w.log->configure(w.config);
  ASSERT_TRUE(w.log->apply_retention(1900, 30));
  EXPECT_GE(w.log->size_bytes(), 600u);
  EXPECT_LT(w.log->size_bytes(), 900u);
}

TEST_F(Trim, RetentionNeverPassesTheHighWatermark) {
  w.config.retention_ms = 0;
  w.log->configure(w.config);
  ASSERT_TRUE(w.log->apply_retention(1'000'000, 10));
  EXPECT_LE(w.log->start_offset(), 10);
  EXPECT_GT(w.log->start_offset(), 0);
}

TEST_F(Trim, RetentionMayEmptyTheLogAndKeepsItsEnd) {
  w.config.retention_ms = 0;
  w.log->configure(w.config);
  ASSERT_TRUE(w.log->apply_retention(1'000'000, 30));
  EXPECT_EQ(w.log->start_offset(), 30);
  EXPECT_EQ(w.log->size_bytes(), 0u);
  EXPECT_EQ(w.append_one().first_offset, 30);
  EXPECT_EQ(w.log->apply_retention(1'000'000, 30), 0u);
}

TEST_F(Trim, ACompactedTopicIsExemptFromRetention) {
  w.config.retention_ms = 0;
  w.config.delete_old = false;
  w.config.compact = true;
  w.log->configure(w.config);
  EXPECT_EQ(w.log->apply_retention(1'000'000, 30), 0u);
}

// Four batches of three records to a segment, three segments, all synced; then the power goes
// before the operation of this number of what `change` does. False where it does no more than that.
bool lose_power_within(LogWorld& v, uint64_t number, auto change) {
  v.config.segment_bytes = static_cast<int32_t>(4 * make_batch({.records = 3}).size());
  v.open();
  for (int i = 0; i < 12; ++i) v.append_one({.records = 3});
  EXPECT_EQ(v.log->segment_count(), 3u);
  v.sync();
  v.hints.recovery_point = v.log->recovery_point();
  sim::Volume& disk = v.host.disk();
  const uint64_t before = disk.operations();
  disk.fail_operations_from(before + number, EIO);
  const bool done = change(*v.log).has_value();
  const bool hit = disk.operations() >= before + number;
  EXPECT_NE(done, hit) << number;
  disk.forget_planned_failures();
  v.crash();
  return hit;
}

// The power may go anywhere in a cut: what it brings back of the removed segments is no damage.
TEST_F(Trim, ACutThatAPowerLossEndsLeavesAtLeastWhatWasToStay) {
  const auto cut = [](Log& log) { return log.truncate_to(6); };
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    bool hit = true;
    for (uint64_t number = 1; hit; ++number) {
      LogWorld v(seed);
      hit = lose_power_within(v, number, cut);
      auto opened = v.try_open();
      ASSERT_TRUE(opened) << "seed " << seed << ", " << number << ": " << opened.error().text;
      const Offset end = v.log->end_offset();
      ASSERT_GE(end, 6) << seed << ", " << number;
      if (!hit) EXPECT_EQ(end, 6);
      std::vector<Offset> expected;
      for (Offset at = 0; at < end; at += 3) expected.push_back(at);
      EXPECT_EQ(v.offsets(), expected) << seed << ", " << number;
    }
  }
}

TEST_F(Trim, ARestartThatAPowerLossEndsLeavesALogThatOpens) {
  for (Offset target : {0, 6, 100}) {
    const auto restart = [target](Log& log) { return log.restart_at(target); };
    for (uint64_t seed = 1; seed <= 5; ++seed) {
      bool hit = true;
      for (uint64_t number = 1; hit; ++number) {
        LogWorld v(seed);
        hit = lose_power_within(v, number, restart);
        auto opened = v.try_open();
        ASSERT_TRUE(opened) << target << ", seed " << seed << ", " << number << ": "
                            << opened.error().text;
        if (!hit) EXPECT_EQ(v.log->end_offset(), target);
        Offset next = v.log->start_offset();
        for (const auto& header : v.read(next)) {
          ASSERT_EQ(header.base_offset, next) << target << ", " << seed << ", " << number;
          next = header.next_offset();
        }
        EXPECT_EQ(next, v.log->end_offset()) << target << ", " << seed << ", " << number;
      }
    }
  }
}

// A disk may take names back in any order: the new segment beside some of the old ones.
TEST_F(Trim, ARestartWhoseRemovalsThePowerTookBackIsNoDamage) {
  LogWorld v;
  lose_power_within(v, UINT64_MAX / 2, [](Log&) { return Result<void>{}; });
  {
    FileCache cache(v.disk(), 1);
    SyncedEnd slot(cache, SyncedEnd::path_in(v.folder));
    slot.load().value();
    slot.settle(0).value();
  }
  ASSERT_TRUE(v.disk().remove(v.path(0, ".log")));
  ASSERT_TRUE(v.disk().open(v.path(6, ".log"), io::Disk::Open::create));
  v.open();
  EXPECT_EQ(v.log->start_offset(), 6);
  EXPECT_EQ(v.log->end_offset(), 6);
}

// The batches are gone from the log: only a snapshot knows that they are retries.
TEST_F(Trim, WhatRetentionTakesLeavesItsProducersKnownAfterACrash) {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    LogWorld v(seed);
    v.config.segment_bytes = 300;
    v.open();
    for (int i = 0; i < 20; ++i) v.append_one({.producer_id = 4, .sequence = i});
    if (seed % 3 != 0) v.append_one();  // else nothing comes after the last roll
    v.sync();
    v.now_ms += v.config.retention_ms + 10'000;
    ASSERT_GT(v.log->apply_retention(v.now_ms, v.log->end_offset()).value(), 2u);
    const ProducerState known = *v.log->producers().find(4);
    v.crash();
    v.hints.log_start = v.hints.recovery_point = 0;
    v.open();
    ASSERT_NE(v.log->producers().find(4), nullptr) << seed;
    EXPECT_EQ(*v.log->producers().find(4), known) << seed;
  }
}

// A start reads the last segment, and believes no snapshot beyond where that begins.
TEST_F(Trim, ProducersOutliveAKillThenTheirSegmentsThenAKill) {
  LogWorld v;
  v.config.segment_bytes = 300;
  v.open();
  v.append_one({.producer_id = 4, .sequence = 0});
  while (v.log->segment_count() < 5) v.append_one();
  v.append_one();
  v.sync();
  v.kill();
  v.open();
  ASSERT_TRUE(v.log->move_start_to(v.log->end_offset()));
  EXPECT_EQ(v.log->segment_count(), 1u);
  v.hints.log_start = v.log->start_offset();
  v.kill();
  v.open();
  ASSERT_NE(v.log->producers().find(4), nullptr);
  EXPECT_EQ(v.log->producers().find(4)->last_sequence(), 0);
}

TEST_F(Trim, SegmentsStayWhereNoSnapshotKnowsTheirProducers) {
  LogWorld v;
  v.config.segment_bytes = 300;
  v.open();
  v.append_one({.producer_id = 4, .sequence = 0});
  while (v.log->segment_count() < 4) v.append_one();
  v.append_one();
  v.sync();
  v.kill();
  for (const auto& name : v.disk().list(v.folder).value()) {
    if (name.ends_with(".snapshot")) ASSERT_TRUE(v.disk().remove(v.folder + "/" + name));
  }
  v.host.disk().capacity = v.host.disk().used();  // none can be written
  v.open();
  ASSERT_TRUE(v.log->move_start_to(v.log->end_offset()));
  EXPECT_EQ(v.log->segment_count(), 4u);
  v.hints.log_start = v.log->start_offset();
  v.host.disk().capacity = UINT64_MAX;
  v.kill();
  v.open();
  ASSERT_NE(v.log->producers().find(4), nullptr);
}

// A roll saves the epochs if they are others than on the disk; the start of the first is no reason.
TEST_F(Trim, AMovedStartCostsTheNextRollNoSync) {
  LogWorld v;
  v.open();
  const auto fill = [&v] {
    v.append_one();
    ASSERT_TRUE(v.log->roll());
    v.append_one();
    v.sync();
  };
  fill();
  ASSERT_TRUE(v.log->move_start_to(1));
  const uint64_t before = v.host.disk().syncs_on_loop();
  fill();
  ASSERT_TRUE(v.log->move_start_to(3));
  EXPECT_EQ(v.host.disk().syncs_on_loop(), before);
  const std::vector<EpochEntry> moved{{1, 3, 0}};
  EXPECT_EQ(v.log->epochs().entries(), moved);
  v.hints.log_start = 3;
  v.crash();
  v.open();
  EXPECT_EQ(v.log->epochs().entries(), moved);
}

// After a clean stop the snapshot where the log ends is safe, and the segment there is new.
TEST_F(Trim, RetentionRemovesNothingBeforeTheLastSegmentIsOnTheDisk) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    LogWorld v(seed);
    v.open();
    v.append_one();
    v.stop();
    v.open();
    v.host.disk().fail_next_name_change(v.path(0, ".log"), EIO);
    v.now_ms += v.config.retention_ms + 10'000;
    ASSERT_TRUE(v.log->apply_retention(v.now_ms, v.log->end_offset()));
    ASSERT_TRUE(v.disk().exists(v.path(0, ".log"))) << "it would be gone here";
    v.crash();
    EXPECT_TRUE(v.disk().exists(v.path(1, ".log"))) << seed;
  }
}

TEST_F(Trim, RetentionKeepsASnapshotForWhatRemains) {
  LogWorld v;
  v.config.segment_bytes = 300;
  v.open();
  for (int i = 0; i < 30; ++i) v.append_one({.producer_id = 4, .sequence = i});
  ASSERT_TRUE(v.log->move_start_to(20));
  v.sync();
  v.hints.log_start = 20;
  v.crash();
  v.open();
  EXPECT_EQ(v.log->producers().find(4)->last_sequence(), 29);
}

}  // namespace
}  // namespace isthmus::broker
