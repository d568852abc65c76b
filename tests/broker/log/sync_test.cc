#include <fmt/format.h>

#include <cerrno>
#include <map>

#include "tests/broker/log/log_world.h"

namespace isthmus::broker {
namespace {

io::Task<void> sync_into(Log* log, std::vector<Result<Offset>>* results) {
  Result<Offset> durable = co_await log->sync();
  results->push_back(std::move(durable));
}

TEST(Sync, NothingIsDurableBeforeIt) {
  LogWorld w;
  w.open();
  w.append_one({.records = 4});
  EXPECT_EQ(w.log->durable_offset(), 0);
  EXPECT_EQ(w.sync(), 4);
  EXPECT_EQ(w.log->durable_offset(), 4);
  EXPECT_EQ(w.sync(), 4);
  EXPECT_EQ(w.log->sync_rounds(), 1u);
}

TEST(Sync, ManyCallersShareOneFsyncAndTheNextCoversAllWhoWaited) {
  LogWorld w;
  w.open();
  std::vector<Result<Offset>> results;
  for (int i = 0; i < 100; ++i) {
    w.append_one();
    w.process->spawn("sync", sync_into(w.log.get(), &results));
  }
  ASSERT_TRUE(w.world.run_until([&] { return results.size() == 100; }, std::chrono::seconds(5)));
  EXPECT_EQ(w.log->sync_rounds(), 2u);
  for (size_t i = 0; i < results.size(); ++i) {
    ASSERT_TRUE(results[i]);
    EXPECT_GE(*results[i], static_cast<Offset>(i + 1));
  }
}

TEST(Sync, ARoundUnderWayDoesNotVouchForLaterAppends) {
  LogWorld w;
  w.open();
  std::vector<Result<Offset>> results;
  w.append_one();
  w.process->spawn("sync", sync_into(w.log.get(), &results));
  w.append_one();
  EXPECT_EQ(w.log->durable_offset(), 0);
  ASSERT_TRUE(w.world.run_until([&] { return results.size() == 1; }, std::chrono::seconds(5)));
  EXPECT_EQ(w.log->durable_offset(), 1);
}

TEST(Sync, ARoundUnderWayDoesNotVouchForWhatWasCutMeanwhile) {
  LogWorld w;
  w.open();
  for (int i = 0; i < 10; ++i) w.append_one();
  std::vector<Result<Offset>> results;
  w.process->spawn("sync", sync_into(w.log.get(), &results));
  ASSERT_TRUE(w.log->truncate_to(4));
  w.append_one();
  w.append_one();
  ASSERT_TRUE(w.world.run_until([&] { return results.size() == 1; }, std::chrono::seconds(5)));
  EXPECT_EQ(w.log->durable_offset(), 4);
  EXPECT_EQ(w.sync(), 6);
}

TEST(Sync, CoversEverySegmentThatWasFilledSinceTheLast) {
  for (Durability durability : {Durability::fsync, Durability::page_cache}) {
    LogWorld w;
    w.config.segment_bytes = 100;
    w.config.durability = durability;
    w.open();
    for (int i = 0; i < 10; ++i) w.append_one();
    ASSERT_GT(w.log->segment_count(), 5u);
    ASSERT_TRUE(w.run(w.log->flush()));
    w.crash();
    w.open();
    EXPECT_EQ(w.offsets().size(), 10u);
    EXPECT_EQ(w.log->recovery().bytes_cut, 0u);
  }
}

TEST(Roll, HoldsNoLoopForTheDisk) {
  for (Durability durability : {Durability::fsync, Durability::page_cache}) {
    LogWorld w;
    w.config.durability = durability;
    w.config.segment_bytes = 300;
    w.open();
    w.append_one();  // an epoch begins
    ASSERT_TRUE(w.log->roll());
    w.append_one();
    ASSERT_TRUE(w.run(w.log->flush()));
    const uint64_t before = w.host.disk().syncs_on_loop();
    for (size_t segments = 3; segments < 9; ++segments) {
      while (w.log->segment_count() < segments) w.append_one();
      ASSERT_TRUE(w.run(w.log->flush()));
    }
    EXPECT_EQ(w.host.disk().syncs_on_loop(), before);
    const std::vector<Offset> all = w.offsets();
    w.crash();
    w.open();
    EXPECT_EQ(w.offsets(), all) << "a file or its name was lost";
  }
}

TEST(Roll, MakesNothingDurable) {
  LogWorld w;
  w.open();
  w.append_one();
  w.sync();
  w.append_one();
  ASSERT_TRUE(w.log->roll());
  w.append_one();
  EXPECT_EQ(w.log->durable_offset(), 1);
  EXPECT_EQ(w.log->recovery_point(), 1);
  EXPECT_EQ(w.sync(), 3);
}

TEST(Roll, WhileASyncIsUnderWayIsCoveredByTheNext) {
  LogWorld w;
  w.open();
  std::vector<Result<Offset>> results;
  w.append_one();
  w.process->spawn("sync", sync_into(w.log.get(), &results));
  w.append_one();
  ASSERT_TRUE(w.log->roll());
  w.append_one();
  ASSERT_TRUE(w.world.run_until([&] { return results.size() == 1; }, std::chrono::seconds(5)));
  EXPECT_EQ(w.log->durable_offset(), 1);
  w.host.disk().fail_next_sync(w.path(0, ".log"), EIO);
  EXPECT_FALSE(w.run(w.log->sync()));
  EXPECT_EQ(w.log->durable_offset(), 1) << "the new segment is safe, and the old one is not";
  ASSERT_NE(w.log->offline(), nullptr);
}

// One that is sealed may be without a sync, not two: what the next start makes of names
// (recovery.h).
TEST(Roll, WaitsForTheDiskWhereSegmentsFillFasterThanItSyncs) {
  LogWorld w;
  w.open();
  w.append_one();
  ASSERT_TRUE(w.log->roll());
  w.append_one();
  EXPECT_EQ(w.log->durable_offset(), 0);
  ASSERT_TRUE(w.log->roll());
  EXPECT_EQ(w.log->durable_offset(), 2);
  w.host.disk().fail_next_sync(".log", EIO);
  w.append_one();
  ASSERT_TRUE(w.log->roll());
  EXPECT_EQ(w.log->durable_offset(), 2);
  w.append_one();
  EXPECT_FALSE(w.log->roll());
  ASSERT_NE(w.log->offline(), nullptr);
}

TEST(Roll, OverAWideGapIsSafeBelowIt) {
  LogWorld w;
  w.open();
  const VerbatimAppend source{.owner = 2};
  ASSERT_TRUE(w.log->append_verbatim(make_batch({.base_offset = 0, .epoch = 1}), 0, source));
  const Offset far = Offset{1} << 40;
  ASSERT_TRUE(w.log->append_verbatim(make_batch({.base_offset = far, .epoch = 1}), 0, source));
  ASSERT_EQ(w.log->segment_count(), 2u);
  EXPECT_EQ(w.log->durable_offset(), 1);
}

// Appends, rolls, cuts and removals while rounds are under way, ended at any moment of them.
class AnyMoment {
 public:
  AnyMoment(uint64_t seed, Durability durability) : w(seed), random(w.world.random()) {
    w.config.durability = durability;
    w.config.segment_bytes = static_cast<int32_t>(random.between(150, 1500));
    w.config.index_interval_bytes = 100;
  }
  void live(LeaderEpoch epoch) {
    for (uint64_t left = random.between(20, 80); left > 0; --left) step(epoch);
    harvest();
  }
  void die() {
    const bool power_lost = random.below(2) == 0;
    end = w.log->end_offset();
    // The process first: its coroutines use the log.
    power_lost ? w.host.crash() : w.host.kill();
    power_lost ? w.crash() : w.kill();
    results.clear();
  }
  void start() {
    auto opened = w.try_open();
    ASSERT_TRUE(opened) << opened.error().text;
    ASSERT_GE(w.log->end_offset(), safe);
    ASSERT_LE(w.log->end_offset(), end);
    end = safe = w.log->end_offset();
    forget_from(end);
    check_records();
    for (const auto& [id, batches] : sequences) {
      const ProducerState* known = w.log->producers().find(id);
      if (batches.empty()) continue;
      ASSERT_NE(known, nullptr) << id;
      EXPECT_EQ(known->last_sequence(), std::ssize(batches) - 1);
    }
  }

 private:
  void step(LeaderEpoch epoch) {
    const uint64_t what = random.below(20);
    if (what == 0) {
      const Offset to = random.between(w.log->start_offset(), w.log->recovery_point());
      w.log->move_start_to(to).value();
      deleted_to = std::max(deleted_to, to);
    } else if (what == 1) {
      harvest();
      const Offset to = random.between(w.log->start_offset(), w.log->end_offset());
      if (random.below(4) == 0) safe = std::min(safe, w.log->truncate_to(to).value());
      forget_from(w.log->end_offset());
    } else if (what == 2) {
      w.hints.recovery_point = w.log->recovery_point();
      w.hints.log_start = w.log->start_offset();
    } else if (what < 6) {
      w.process->spawn("flush", flush());
    } else if (what < 9) {
      w.world.run_for(std::chrono::microseconds(random.below(3000)));
    } else {
      append(epoch);
    }
  }
  io::Task<void> flush() {
    Result<Offset> durable = co_await w.log->flush();
    results.push_back(durable.value());
  }
  void append(LeaderEpoch epoch) {
    const auto id = static_cast<ProducerId>(random.below(3));
    BatchSpec spec{.producer_id = id, .timestamp = 1000 + w.log->end_offset()};
    spec.sequence = static_cast<int32_t>(sequences[id].size());
    const AppendInfo info = w.append(make_batch(spec), epoch);
    sequences[id].push_back(info.first_offset);
  }
  void harvest() {
    for (Offset durable : results) safe = std::max(safe, durable);
    results.clear();
  }
  void forget_from(Offset offset) {
    for (auto& [id, batches] : sequences) {
      while (!batches.empty() && batches.back() >= offset) batches.pop_back();
    }
  }
  // In order, without a hole, found by their time, in the epoch that they name.
  void check_records() {
    Offset next = w.log->start_offset();
    for (const auto& header : w.read(next)) {
      ASSERT_EQ(header.base_offset, next);
      const LeaderEpoch epoch = w.log->epochs().epoch_of(next);
      // What was deleted once comes back without one, where the checkpoint of the start is older.
      if (next >= deleted_to) ASSERT_EQ(epoch, header.partition_leader_epoch);
      if (random.below(8) == 0) {
        const auto found = w.find_time(1000 + next).value();
        ASSERT_TRUE(found) << next;
        ASSERT_EQ(found->offset, next);
      }
      next = header.next_offset();
    }
    ASSERT_EQ(next, w.log->end_offset());
  }

  LogWorld w;
  sim::Prng& random;
  std::vector<Offset> results;
  std::map<ProducerId, std::vector<Offset>> sequences;  // a batch each, by offset
  Offset deleted_to = 0;
  Offset safe = 0;
  Offset end = INT64_MAX;
};

TEST(Crash, AtAnyMomentOfARoundKeepsWhatWasSynced) {
  for (Durability durability : {Durability::fsync, Durability::page_cache}) {
    for (uint64_t seed = 1; seed <= 60; ++seed) {
      SCOPED_TRACE(fmt::format("{} {}", static_cast<int>(durability), seed));
      AnyMoment log(seed, durability);
      for (LeaderEpoch epoch = 1; epoch <= 5; ++epoch) {
        log.start();
        if (::testing::Test::HasFailure()) return;
        log.live(epoch);
        log.die();
      }
    }
  }
}

TEST(Sync, PageCacheModeAnswersAtOnceAndKeepsTheRecoveryPointHonest) {
  LogWorld w;
  w.config.durability = Durability::page_cache;
  w.open();
  w.append_one();
  EXPECT_EQ(w.log->durable_offset(), 1);
  EXPECT_EQ(w.sync(), 1);
  EXPECT_EQ(w.log->sync_rounds(), 0u);
  EXPECT_EQ(w.log->recovery_point(), 0);
}

TEST(Offline, AFailedFsyncIsNeverRetried) {
  LogWorld w;
  w.open();
  w.append_one();
  w.host.disk().fail_next_sync(".log", EIO);
  auto failed = w.run(w.log->sync());
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, EIO);
  ASSERT_NE(w.log->offline(), nullptr);
  // The next fsync would succeed, over pages that the kernel has dropped.
  EXPECT_FALSE(w.run(w.log->sync()));
  EXPECT_EQ(w.log->durable_offset(), 0);
  EXPECT_FALSE(w.log->append_as_leader(make_batch({}), 1, 0));
  EXPECT_FALSE(w.log->truncate_to(0));
  EXPECT_FALSE(w.log->leave_gap(100, 2, 0));
}

// Of the old segment with two indexes, of the snapshot, of the new segment, of the folder. The slot
// beside them is no part of the log.
TEST(Offline, AnySyncOfARoundThatFailsIsFinal) {
  size_t failed = 0;
  for (uint64_t number = 1;; ++number) {
    LogWorld w;
    w.open();
    w.append_one();
    ASSERT_TRUE(w.log->roll());
    w.append_one();
    const uint64_t before = w.host.disk().operations();
    w.host.disk().fail_operation(before + number, EIO);
    const auto synced = w.run(w.log->sync());
    if (w.host.disk().operations() < before + number) break;
    EXPECT_EQ(w.log->offline() == nullptr, synced.has_value()) << number;
    if (synced) continue;
    ++failed;
    EXPECT_FALSE(w.run(w.log->sync()));
    EXPECT_FALSE(w.log->append_as_leader(make_batch({}), 1, 0));
  }
  EXPECT_EQ(failed, 6u);
}

TEST(Offline, EveryWaiterOfAFailedRoundIsTold) {
  LogWorld w;
  w.open();
  w.append_one();
  w.host.disk().fail_next_sync(".log", EIO);
  std::vector<Result<Offset>> results;
  for (int i = 0; i < 5; ++i) w.process->spawn("sync", sync_into(w.log.get(), &results));
  ASSERT_TRUE(w.world.run_until([&] { return results.size() == 5; }, std::chrono::seconds(5)));
  for (const auto& result : results) EXPECT_FALSE(result);
}

TEST(Offline, AFailedWriteEndsAppends) {
  LogWorld w;
  w.open();
  w.append_one();
  w.host.disk().fail_next_append(".log", EIO);
  auto failed = w.log->append_as_leader(make_batch({}), 1, 0);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, EIO);
  EXPECT_EQ(w.log->end_offset(), 1);
  EXPECT_FALSE(w.log->append_as_leader(make_batch({}), 1, 0));
  ASSERT_NE(w.log->offline(), nullptr);
}

TEST(Offline, WhatIsDurableIsReadAndDeletedAsBefore) {
  LogWorld w;
  w.config.segment_bytes = 100;
  w.config.retention_ms = 1;
  w.open();
  for (int i = 0; i < 6; ++i) w.append_one();
  w.sync();
  w.host.disk().fail_next_append(".log", EIO);
  ASSERT_FALSE(w.log->append_as_leader(make_batch({}), 1, 0));
  ASSERT_NE(w.log->offline(), nullptr);
  EXPECT_EQ(w.offsets(), (std::vector<Offset>{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ((*w.find_time(0))->offset, 0);
  ASSERT_TRUE(w.log->move_start_to(2));
  EXPECT_EQ(w.offsets(), (std::vector<Offset>{2, 3, 4, 5}));
  EXPECT_FALSE(w.disk().exists(w.path(0, ".log")));
  auto removed = w.log->apply_retention(1'000'000, 6);
  ASSERT_TRUE(removed) << removed.error().text;
  EXPECT_EQ(*removed, 3u) << "all but the active one";
  EXPECT_EQ(w.offsets(), (std::vector<Offset>{5}));
}

TEST(Offline, WhatAFailedSyncPutsInDoubtIsNotRead) {
  LogWorld w;
  w.config.durability = Durability::page_cache;
  w.open();
  w.append_one();
  ASSERT_TRUE(w.run(w.log->flush()));
  w.append_one();
  w.host.disk().fail_next_sync(".log", ENOSPC);
  ASSERT_FALSE(w.run(w.log->flush()));
  EXPECT_EQ(w.offsets(0), (std::vector<Offset>{0}));
  EXPECT_FALSE(w.log->read(1, 1000, 2, true));
  EXPECT_TRUE(w.log->read(2, 1000, 2, true)) << "at the end, where nothing is";
}

TEST(Offline, ASegmentThatCannotBeRemovedGoesWithALaterRetention) {
  LogWorld w;
  w.config.segment_bytes = 100;
  w.open();
  for (int i = 0; i < 6; ++i) w.append_one();
  w.host.disk().fail_next_name_change(".log", EIO);
  ASSERT_TRUE(w.log->move_start_to(2));
  EXPECT_EQ(w.log->start_offset(), 2);
  EXPECT_TRUE(w.disk().exists(w.path(0, ".log")));
  w.append_one();
  EXPECT_EQ(w.log->offline(), nullptr);
  ASSERT_TRUE(w.log->apply_retention(0, 6));
  EXPECT_FALSE(w.disk().exists(w.path(0, ".log")));
}

}  // namespace
}  // namespace isthmus::broker
