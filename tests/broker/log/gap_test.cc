// The gap of a failover: a batch, and what earlier releases left in its place.
#include "broker/log/gap.h"

#include "base/leader_epoch.h"
#include "broker/log/text_checkpoint.h"
#include "tests/broker/log/log_world.h"

namespace isthmus::broker {
namespace {

constexpr LeaderEpoch promoted_once = 1 << election_bits;
constexpr LeaderEpoch promoted_twice = 2 << election_bits;

using Offsets = std::vector<Offset>;

TEST(Gap, IsABatchThatSurvivesRestartsAndCrashes) {
  LogWorld w;
  w.open();
  w.append_one({.records = 3});
  ASSERT_TRUE(w.log->leave_gap(1'000'000, promoted_once, w.now_ms));
  EXPECT_EQ(w.log->end_offset(), 1'000'000);
  EXPECT_EQ(w.sync(), 1'000'000);
  w.crash();
  w.open();
  EXPECT_EQ(w.log->end_offset(), 1'000'000);
  EXPECT_EQ(w.log->start_offset(), 0);
  EXPECT_EQ(w.log->epochs().entries().back(), (EpochEntry{promoted_once, 3, 0}));
  w.stop();
  w.open();
  EXPECT_EQ(w.append(make_batch({}), promoted_once).first_offset, 1'000'000);
  EXPECT_EQ(w.offsets(), (Offsets{0, 3, 1'000'000}));
  EXPECT_EQ(w.offsets(500), (Offsets{3, 1'000'000})) << "who stands inside is led over it";
  EXPECT_FALSE(w.log->leave_gap(5, promoted_once, w.now_ms));
  EXPECT_FALSE(w.log->leave_gap(2'000'000, promoted_once - 1, w.now_ms));
}

TEST(Gap, OfAnEmptyLogSurvives) {
  LogWorld w;
  w.open();
  ASSERT_TRUE(w.log->leave_gap(700, promoted_once, w.now_ms));
  w.sync();
  w.crash();
  w.open();
  EXPECT_EQ(w.log->end_offset(), 700);
  EXPECT_EQ(w.offsets(), Offsets{0});
}

TEST(Gap, TheEpochBeforeItBeginsBelowIt) {
  LogWorld w;
  w.open();
  w.append(make_batch({.records = 10}), 1);
  ASSERT_TRUE(w.log->leave_gap(1000, promoted_once, w.now_ms));
  w.sync();
  w.crash();
  w.open();
  w.append(make_batch({}), promoted_once + 1);
  EXPECT_EQ(w.log->epochs().end_offset_for(1, w.log->end_offset()), (EpochEnd{1, 10}));
}

TEST(Gap, IsWrittenWithoutWaitingForTheDisk) {
  for (Durability durability : {Durability::fsync, Durability::page_cache}) {
    LogWorld w;
    w.config.durability = durability;
    w.open();
    const Slice batch = make_batch({.records = 3, .epoch = 1});
    ASSERT_TRUE(w.log->append_verbatim(batch, w.now_ms, {.owner = 2}));
    w.host.disk().fail_next_sync("", EIO);
    EXPECT_TRUE(w.log->leave_gap(1'000'000, promoted_once, w.now_ms)) << "the loop was held";
    EXPECT_FALSE(w.run(w.log->flush())) << "nobody made it durable";
  }
}

TEST(Gap, WiderThanABatchIsTwo) {
  constexpr Offset far = Offset{1} << 50;
  LogWorld w;
  w.open();
  w.append_one({.records = 3});
  ASSERT_TRUE(w.log->leave_gap(far, promoted_once, w.now_ms));
  w.sync();
  for (bool clean : {false, true}) {
    if (clean) w.stop();
    if (!clean) w.crash();
    w.open();
    EXPECT_EQ(w.log->end_offset(), far);
    EXPECT_EQ(w.offsets(), (Offsets{0, 3, far - 1}));
    EXPECT_EQ(w.offsets(far / 2), Offsets{far - 1}) << "who stands inside is led over it";
    EXPECT_EQ(w.log->epochs().entries().back(), (EpochEntry{promoted_once, 3, 0}));
  }
  EXPECT_EQ(w.append(make_batch({}), promoted_once).first_offset, far);
  w.sync();
  w.crash();
  w.open();
  EXPECT_EQ(w.log->end_offset(), far + 1);
}

// Just what a batch reaches, from a segment that began before it.
TEST(Gap, AsWideAsABatchIsOne) {
  LogWorld w;
  w.open();
  w.append_one({.records = 3});
  ASSERT_TRUE(w.log->leave_gap(Offset{3} + INT32_MAX + 1, promoted_once, w.now_ms));
  EXPECT_EQ(w.offsets(), (Offsets{0, 3}));
  w.append(make_batch({}), promoted_once);
  w.sync();
  w.crash();
  w.open();
  EXPECT_EQ(w.log->end_offset(), Offset{3} + INT32_MAX + 2);
}

TEST(Gap, IsTheSameBatchAtAMirror) {
  LogWorld source;
  source.open();
  source.append_one({.records = 3});
  ASSERT_TRUE(source.log->leave_gap(1000, promoted_once, source.now_ms));
  source.append(make_batch({.timestamp = 2000}), promoted_once + 1);
  const Slice all = source.log->read(0, UINT64_MAX, INT64_MAX, true)->flatten().value();
  LogWorld mirror;
  mirror.open();
  ASSERT_TRUE(mirror.log->append_verbatim(all, mirror.now_ms, {.owner = 2}));
  mirror.sync();
  mirror.crash();
  mirror.open();
  EXPECT_EQ(mirror.log->read(0, UINT64_MAX, INT64_MAX, true)->flatten().value(), all);
  const std::vector<EpochEntry> expected{
      {1, 0, 2}, {promoted_once, 3, 2}, {promoted_once + 1, 1000, 2}};
  EXPECT_EQ(mirror.log->epochs().entries(), expected);
}

TEST(Gap, IsFoundByNoTime) {
  LogWorld w;
  w.config.index_interval_bytes = 1;
  w.open();
  w.append_one({.timestamp = 1000});
  ASSERT_TRUE(w.log->leave_gap(1000, promoted_once, w.now_ms));
  const auto offset_of = [](const LogWorld::Lookup& found) {
    return found && *found ? (*found)->offset : -1;
  };
  EXPECT_EQ(offset_of(w.find_latest()), 0);
  EXPECT_EQ(offset_of(w.find_time(1001)), -1);
  w.append(make_batch({.timestamp = 3000}), promoted_once);
  EXPECT_EQ(offset_of(w.find_time(1001)), 1000);
  EXPECT_EQ(offset_of(w.find_latest()), 1000);
}

TEST(Gap, EndsNoTransaction) {
  LogWorld w;
  w.open();
  w.append(make_batch({.producer_id = 4, .sequence = 0, .transactional = true}));
  ASSERT_TRUE(w.log->leave_gap(1000, promoted_once, w.now_ms));
  for (bool again : {false, true}) {
    if (again) w.stop();
    if (again) w.open();
    EXPECT_EQ(w.log->last_stable_offset(1000), 0);
    EXPECT_TRUE(w.log->aborted_in(0, 1000)->empty());
  }
  const Slice abort = make_marker(4, 0, kafka::ControlType::abort, 1);
  w.append(abort, promoted_once, {AppendOrigin::coordinator, false});
  EXPECT_EQ(w.log->last_stable_offset(1001), 1001);
  const std::vector<AbortedTxn> aborted{{4, 0, 1000, 1001}};
  EXPECT_EQ(w.log->aborted_in(0, 1001).value(), aborted);
}

// With what lies before it a mirror would lose the proof that nothing more is missing.
TEST(Gap, StaysWhenTheRecordsBeforeItAreOld) {
  LogWorld w;
  w.config.retention_ms = 1000;
  w.open();
  w.append_one({.records = 3});
  ASSERT_TRUE(w.log->leave_gap(1000, promoted_once, w.now_ms));
  ASSERT_TRUE(w.log->leave_gap(2000, promoted_twice, w.now_ms));
  w.sync();
  constexpr int64_t much_later = int64_t{1} << 45;
  EXPECT_EQ(w.log->apply_retention(much_later, w.log->end_offset()).value(), 1u);
  EXPECT_EQ(w.log->start_offset(), 3);
  EXPECT_EQ(w.log->apply_retention(much_later, w.log->end_offset()).value(), 0u);
  EXPECT_EQ(w.offsets(), (Offsets{3, 1000}));
  w.append(make_batch({}), promoted_twice);
  w.sync();
  EXPECT_EQ(w.log->apply_retention(much_later, w.log->end_offset()).value(), 2u);
  EXPECT_EQ(w.log->start_offset(), 2001);
}

// A hole before a new generation, as a compaction may leave it, is no gap.
TEST(Gap, IsNotEveryHole) {
  LogWorld w;
  w.open();
  w.append_one({.producer_id = 4, .sequence = 0});
  ASSERT_TRUE(w.log->append_verbatim(make_batch({.base_offset = 500, .epoch = promoted_once}), 0,
                                     {.owner = 2}));
  EXPECT_EQ(w.log->epochs().entries().back(), (EpochEntry{promoted_once, 500, 2}));
  EXPECT_FALSE(w.log->producers().find(4)->gap_allowed);
}

// As earlier releases left it after a failover at `end`: an empty segment where the gap ends, and
// its end beside the epoch.
class OldGap : public ::testing::Test {
 protected:
  // Ten records of producer 4, unless the log is to be empty.
  void fill(int records = 10) {
    w.config.segment_bytes = 400;
    w.open();
    for (int i = 0; i < records; ++i) w.append_one({.producer_id = 4, .sequence = i});
    w.stop();
    end = records;
    epochs = records > 0 ? std::vector<std::string>{"1 0"} : std::vector<std::string>{};
    owners = {"-1 0 0", "1 0 -1"};
  }
  void leave(LeaderEpoch epoch, Offset gap_end) {
    for (const char* suffix : {".log", ".index", ".timeindex"}) {
      auto file = w.disk().open(w.path(gap_end, suffix), io::Disk::Open::create).value();
      ASSERT_TRUE(file->sync_now());
    }
    epochs.push_back(std::to_string(epoch) + " " + std::to_string(end));
    owners.push_back(std::to_string(epoch) + " 0 " + std::to_string(gap_end));
    ASSERT_TRUE(write_checkpoint(w.disk(), w.folder + "/leader-epoch-checkpoint", epochs));
    ASSERT_TRUE(write_checkpoint(w.disk(), w.folder + "/epoch-owners", owners));
    w.was_synced_to(gap_end);
    w.hints.recovery_point = end = gap_end;
  }
  kafka::ErrorCode try_append(int32_t sequence) {
    return w.append_error(make_batch({.producer_id = 4, .sequence = sequence}), promoted_twice);
  }
  void expect_one_gap() {
    EXPECT_EQ(try_append(30), kafka::ErrorCode::none) << "its batches were lost";
    EXPECT_EQ(try_append(40), kafka::ErrorCode::out_of_order_sequence_number);
  }

  LogWorld w;
  Offset end = 0;
  std::vector<std::string> epochs, owners;
};

TEST_F(OldGap, IsFilledWithTheBatchThatBelongsThere) {
  for (bool clean : {true, false}) {
    SCOPED_TRACE(clean);
    w.crash();
    (void)w.disk().remove_folder(w.folder);
    w.hints = {};
    fill();
    leave(promoted_once, 1000);
    w.hints.clean_shutdown = clean;
    for (int starts = 0; starts < 3; ++starts) {
      w.open();
      EXPECT_EQ(w.log->end_offset(), 1000);
      EXPECT_EQ(w.offsets(9), (Offsets{9, 10}));
      EXPECT_EQ(w.read(10)[0].last_offset(), 999);
      const std::vector<EpochEntry> expected{{1, 0, 0}, {promoted_once, 10, 0}};
      EXPECT_EQ(w.log->epochs().entries(), expected);
      EXPECT_TRUE(w.log->epochs().old_gaps().empty());
      if (starts == 0) w.stop();
      if (starts == 1) w.crash();
    }
    const Slice gap = w.log->read(10, UINT64_MAX, INT64_MAX, true)->flatten().value();
    EXPECT_EQ(gap, make_gap(10, 1000, promoted_once)) << "each site that holds it makes the same";
    expect_one_gap();
    EXPECT_EQ(w.offsets(10), (Offsets{10, 1000}));
  }
}

TEST_F(OldGap, InAnEmptyLogAndBehindAnotherIsFilled) {
  fill(0);
  leave(promoted_once, 700);
  leave(promoted_twice, 5000);
  w.open();
  EXPECT_EQ(w.log->end_offset(), 5000);
  EXPECT_EQ(w.offsets(), (Offsets{0, 700}));
  const std::vector<EpochEntry> expected{{promoted_once, 0, 0}, {promoted_twice, 700, 0}};
  EXPECT_EQ(w.log->epochs().entries(), expected);
}

TEST_F(OldGap, WiderThanABatchIsFilledAtBothEnds) {
  constexpr Offset far = Offset{1} << 50;
  fill();
  leave(promoted_once, far);
  w.open();
  EXPECT_EQ(w.log->end_offset(), far);
  EXPECT_EQ(w.offsets(9), (Offsets{9, 10, far - 1}));
  expect_one_gap();
}

// The file of the epochs may still say where it began, and the snapshot there is all that is known
// of the producers.
TEST_F(OldGap, KeepsItsMeaningWhenTheRecordsBeforeItAreDeleted) {
  fill();
  leave(promoted_once, 1000);
  for (const std::string& name : w.disk().list(w.folder).value()) {
    const bool old = name.ends_with(".log") && name < "00000000000000001000";
    if (old) ASSERT_TRUE(w.disk().remove(w.folder + "/" + name));
  }
  w.hints.log_start = 1000;
  w.open();
  EXPECT_EQ(w.log->start_offset(), 1000);
  EXPECT_EQ(w.log->end_offset(), 1000);
  expect_one_gap();
}

TEST_F(OldGap, IsFilledInTheEndWhereverAStartBreaksOff) {
  size_t broken = 0;
  for (uint64_t number = 1; broken + 1 >= number; ++number) {
    for (Offset gap_end : {Offset{1000}, Offset{1} << 50}) {
      SCOPED_TRACE(std::to_string(number) + " " + std::to_string(gap_end));
      w.crash();
      (void)w.disk().remove_folder(w.folder);
      w.hints = {};
      fill();
      leave(promoted_once, gap_end);
      const uint64_t before = w.host.disk().operations();
      w.host.disk().fail_operations_from(before + number, EIO);
      const bool opened = w.try_open().has_value();
      if (!opened) broken = number;
      w.host.disk().forget_planned_failures();
      w.crash();
      ASSERT_TRUE(w.try_open());
      EXPECT_EQ(w.log->end_offset(), gap_end);
      EXPECT_EQ(w.read(10)[0].base_offset, 10) << "who reads to the end waits for ever";
      EXPECT_EQ(w.log->epochs().end_offset_for(1, gap_end), (EpochEnd{1, 10}));
    }
  }
  EXPECT_GT(broken, 10u) << "no start was broken off";
}

}  // namespace
}  // namespace isthmus::broker
