#include <algorithm>

#include "base/leader_epoch.h"
#include "tests/broker/log/log_world.h"

namespace isthmus::broker {
namespace {

TEST(TornTail, AtEveryByteOfTheLastBatchIsCut) {
  LogWorld w;
  w.open();
  for (int i = 0; i < 5; ++i) w.append_one({.records = 3});
  const uint64_t size = w.log->size_bytes() / 5;
  w.stop();
  w.hints = {.recovery_point = 12};
  const std::vector<uint8_t> whole = io::read_whole(w.disk(), w.path(0, ".log")).value();
  for (uint64_t kept = 0; kept < size; ++kept) {
    w.was_synced_to(12);
    {
      auto file = file_of(w, w.path(0, ".log"));
      ASSERT_TRUE(file->truncate(0));
      ASSERT_TRUE(file->append(Bytes(whole).first(4 * size + kept)));
    }
    w.open();
    EXPECT_EQ(w.log->end_offset(), 12);
    EXPECT_EQ(w.log->recovery().bytes_cut, kept);
    EXPECT_EQ(w.log->durable_offset(), 12);
    EXPECT_EQ(w.append_one().first_offset, 12);
    w.kill();
    w.try_open().value();
    EXPECT_EQ(w.offsets().size(), 5u);
    w.kill();
  }
}

TEST(TornTail, OfZerosWhereTheLengthWasWrittenBeforeTheBytes) {
  LogWorld w;
  w.open();
  for (int i = 0; i < 5; ++i) w.append_one();
  w.stop();
  w.hints = {.recovery_point = 5};
  const std::vector<uint8_t> zeros(5000, 0);
  ASSERT_TRUE(file_of(w, w.path(0, ".log"))->append(zeros));
  w.open();
  EXPECT_EQ(w.log->end_offset(), 5);
  EXPECT_EQ(w.log->recovery().bytes_cut, 5000u);
  EXPECT_EQ(w.log->recovery().cut_file, "") << "nothing in it to look at";
}

// The pages of what was not synced reach a disk in any order: nobody was told of either batch.
TEST(TornTail, WithAGoodBatchBehindTheBadOneIsCutAtTheBadOneAndKept) {
  LogWorld w;
  w.open();
  for (int i = 0; i < 5; ++i) w.append_one({.records = 3});
  const uint64_t size = w.log->size_bytes() / 5;
  w.stop();
  w.hints = {.recovery_point = 6};
  w.was_synced_to(6);
  w.host.disk().flip_bit(w.path(0, ".log"), 2 * size + 70, 3);
  const auto before = io::read_whole(w.disk(), w.path(0, ".log")).value();
  w.open();
  EXPECT_EQ(w.log->end_offset(), 6);
  const RecoveryReport& report = w.log->recovery();
  EXPECT_EQ(report.bytes_cut, 3 * size);
  EXPECT_EQ(report.cut_file, w.path(6, ".cut"));
  const auto kept = io::read_whole(w.disk(), report.cut_file).value();
  EXPECT_TRUE(std::ranges::equal(kept, Bytes(before).subspan(2 * size)));
}

// A record's value may be anything, also record batches with good checksums.
TEST(TornTail, WithARecordBatchInsideARecordsValueIsCut) {
  LogWorld w;
  w.open();
  w.append_one({.records = 3});
  const uint64_t size = w.log->size_bytes();
  kafka::BatchBuilder builder({});
  const Slice inner = make_batch({.base_offset = 100, .records = 2, .epoch = 1});
  builder.add(1000, std::nullopt, inner);
  w.sync();
  w.append(std::move(builder).finish());
  w.kill();
  w.host.disk().flip_bit(w.path(0, ".log"), size + kafka::batch_header_size + 1, 0);
  w.open();
  EXPECT_EQ(w.log->end_offset(), 3);
}

TEST(CutBytes, AreFewAndGoWithTheirAge) {
  LogWorld w;
  w.open();
  for (int i = 0; i < 20; ++i) {
    w.append_one({.records = 3});
    w.kill();
    w.host.disk().flip_bit(w.path(0, ".log"), 70, 3);
    w.open();
    EXPECT_EQ(w.log->end_offset(), 0);
  }
  const auto cuts = [&] {
    size_t count = 0;
    for (const auto& name : w.disk().list(w.folder).value()) count += name.ends_with(".cut");
    return count;
  };
  EXPECT_EQ(cuts(), 8u);
  w.kill();
  w.open();
  EXPECT_EQ(cuts(), 8u) << "a start sweeps them away";
  const int64_t now = w.process->env().main_loop().wall_ms();
  w.log->apply_retention(now, 0).value();
  EXPECT_EQ(cuts(), 8u);
  w.log->apply_retention(now + w.config.retention_ms + 1, 0).value();
  EXPECT_EQ(cuts(), 0u);
}

TEST(OlderFormat, IsNamedAndNotCut) {
  LogWorld w;
  w.open();
  w.stop();
  // A message of format 1, with empty key and value: offset, length, CRC, magic, ...
  std::vector<uint8_t> message(12 + 22, 0);
  store_be<int32_t>(message.data() + 8, 22);
  message[16] = 1;
  ASSERT_TRUE(file_of(w, w.path(0, ".log"))->append(message));
  w.hints = {};
  auto opened = w.try_open();
  ASSERT_FALSE(opened);
  EXPECT_NE(opened.error().text.find("message format 1"), std::string::npos) << opened.error().text;
}

TEST(Indexes, AreRebuiltWhenMissingOrDamaged) {
  for (const char* suffix : {".index", ".timeindex"}) {
    for (bool damaged : {false, true}) {
      LogWorld w;
      w.config.index_interval_bytes = 100;
      w.config.segment_bytes = 1000;
      w.open();
      for (int i = 0; i < 40; ++i) w.append_one({.timestamp = 1000 + i});
      w.stop();
      ASSERT_GT(w.path(0, suffix).size(), 0u);
      if (damaged) {
        ASSERT_TRUE(file_of(w, w.path(0, suffix))->append(as_bytes("x")));
      } else {
        ASSERT_TRUE(w.disk().remove(w.path(0, suffix)));
      }
      w.open();
      EXPECT_GT(w.log->recovery().segments_scanned, 0u);
      EXPECT_EQ(w.offsets().size(), 40u);
      EXPECT_EQ((**w.find_time(1003)).offset, 3);
    }
  }
}

TEST(Indexes, AreTheSameAfterARebuild) {
  LogWorld w;
  w.config.index_interval_bytes = 100;
  w.open();
  for (int i = 0; i < 40; ++i) w.append_one({.timestamp = 1000 + i});
  w.stop();
  const auto offsets = io::read_whole(w.disk(), w.path(0, ".index")).value();
  const auto times = io::read_whole(w.disk(), w.path(0, ".timeindex")).value();
  EXPECT_GT(offsets.size(), 8u);
  w.hints = {};
  w.open();
  EXPECT_EQ(w.log->recovery().segments_scanned, 1u);
  w.stop();
  EXPECT_EQ(io::read_whole(w.disk(), w.path(0, ".index")).value(), offsets);
  EXPECT_EQ(io::read_whole(w.disk(), w.path(0, ".timeindex")).value(), times);
}

TEST(CleanStop, ReadsNothingAgain) {
  LogWorld w;
  w.config.segment_bytes = 300;
  w.open();
  for (int i = 0; i < 20; ++i) w.append_one();
  w.stop();
  w.open();
  EXPECT_EQ(w.log->recovery().segments_scanned, 0u);
  EXPECT_EQ(w.log->end_offset(), 20);
  EXPECT_EQ(w.log->durable_offset(), 20);
  EXPECT_EQ(w.append_one().first_offset, 20);
}

TEST(Recovery, ScansFromTheSegmentOfTheRecoveryPoint) {
  LogWorld w;
  w.config.segment_bytes = 300;
  w.open();
  for (int i = 0; i < 20; ++i) w.append_one();
  w.sync();
  const size_t segments = w.log->segment_count();
  w.kill();
  w.hints.recovery_point = 20;
  w.open();
  EXPECT_EQ(w.log->recovery().segments_scanned, 1u);
  w.kill();
  w.hints.recovery_point = 0;
  w.open();
  EXPECT_EQ(w.log->recovery().segments_scanned, segments);
}

// A sync that began before a segment was complete, and ended after: its records are safe, and its
// indexes are not.
TEST(Recovery, DoesNotBelieveTheIndexesOfASegmentThatEndsAtTheRecoveryPoint) {
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    LogWorld w(seed);
    w.config.index_interval_bytes = 100;
    w.open();
    for (int i = 0; i < 40; ++i) w.append_one({.timestamp = 1000 + i});
    w.sync();
    ASSERT_TRUE(w.log->roll());
    w.hints.recovery_point = w.log->recovery_point();
    EXPECT_EQ(w.hints.recovery_point, 40);
    w.disk().sync_folder(w.folder).value();  // as whoever syncs it for something else
    w.crash();
    w.open();
    EXPECT_EQ(w.offsets().size(), 40u);
    ASSERT_TRUE(*w.find_time(1030)) << seed;
    EXPECT_EQ((**w.find_time(1030)).offset, 30) << seed;
  }
}

// All below the start of the log is deleted, and what tells of its producers is still needed.
TEST(Recovery, DoesNotBelieveAnIndexThatIsAheadOfItsSegment) {
  LogWorld w;
  w.config.index_interval_bytes = 1;
  w.open();
  for (int i = 0; i < 10; ++i) w.append_one({.producer_id = 4, .sequence = i});
  w.sync();
  const uint64_t synced = w.log->size_bytes();
  w.append_one({.producer_id = 4, .sequence = 10});
  ASSERT_TRUE(w.log->roll());
  w.kill();
  // As a power loss may leave it.
  ASSERT_TRUE(w.disk().remove(w.path(11, ".log")));
  ASSERT_TRUE(file_of(w, w.path(0, ".log"))->truncate(synced));
  w.hints = {.recovery_point = 10, .log_start = 10};
  w.open();
  EXPECT_EQ(w.log->end_offset(), 10);
  ASSERT_NE(w.log->producers().find(4), nullptr);
  EXPECT_EQ(w.log->producers().find(4)->last_sequence(), 9);
}

// A checkpoint of 36 was written, then the log was cut, and grew again.
TEST(Recovery, DoesNotBelieveASegmentForACheckpointFromBeforeACut) {
  size_t shortened = 0;
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    LogWorld w(seed);
    w.open();
    for (int i = 0; i < 12; ++i) w.append_one({.records = 3, .value_size = 300});
    w.sync();
    w.hints.recovery_point = w.log->recovery_point();
    ASSERT_TRUE(w.log->truncate_to(6));
    for (int i = 2; i < 8; ++i) w.append_one({.records = 3, .value_size = 300});
    ASSERT_TRUE(w.log->roll());
    w.append_one();
    w.disk().sync_folder(w.folder).value();  // as whoever syncs it for something else
    w.crash();
    w.open();
    ASSERT_GE(w.log->end_offset(), 6) << seed;
    shortened += w.log->end_offset() < 24;
    Offset next = 0;
    for (const auto& header : w.read(0)) {
      ASSERT_EQ(header.base_offset, next) << "seed " << seed;
      next = header.next_offset();
    }
    ASSERT_EQ(next, w.log->end_offset()) << seed;
    w.kill();
    w.hints = {};
    ASSERT_TRUE(w.try_open());
    EXPECT_EQ(w.log->end_offset(), next) << "what a start believed was not there: " << seed;
  }
  EXPECT_GT(shortened, 10u) << "the disk lost too little to show anything";
}

constexpr LeaderEpoch promoted = 1 << election_bits;

// With durability page_cache a power loss may take the tail of a segment and leave the next one.
class TailBelowARoll : public ::testing::Test {
 protected:
  // Twelve batches of three records, four to a segment; of the first segment `kept` bytes are left.
  void lose(Durability durability, uint64_t kept_batches, uint64_t torn_bytes = 0) {
    w.config.durability = durability;
    w.config.segment_bytes = 4 * batch_size;
    w.open();
    for (int i = 0; i < 4; ++i) put(i, 1);
    // A planned promotion, just where the tail may be lost: what begins there is no failover's gap.
    for (int i = 4; i < 12; ++i) put(i, promoted);
    ASSERT_EQ(w.log->segment_count(), 3u);
    w.kill();
    const uint64_t kept = kept_batches * batch_size + torn_bytes;
    ASSERT_TRUE(file_of(w, w.path(12, ".log"))->truncate(kept));
  }
  void put(int i, LeaderEpoch epoch) {
    const VerbatimAppend source{.owner = 2};
    auto done = w.log->append_verbatim(
        make_batch({.base_offset = 3 * i, .records = 3, .epoch = epoch}), 0, source);
    ASSERT_TRUE(done) << done.error().text;
  }
  static inline const uint64_t batch_size = make_batch({.records = 3}).size();
  LogWorld w;
};

TEST_F(TailBelowARoll, IsCutAtTheLastContiguousOffsetAndFetchedAgain) {
  for (uint64_t torn : {0, 50}) {
    SCOPED_TRACE(torn);
    w.hints = {};
    lose(Durability::page_cache, 2, torn);
    w.open();
    EXPECT_EQ(w.log->end_offset(), 18);
    EXPECT_EQ(w.log->recovery().bytes_cut, 4 * batch_size + torn);
    EXPECT_EQ(w.offsets().size(), 6u);
    EXPECT_EQ(w.log->epochs().latest(), promoted);
    // What the source has from there on fits again, to the byte.
    for (int i = 6; i < 12; ++i) put(i, promoted);
    EXPECT_EQ(w.offsets().size(), 12u);
    w.stop();
    w.open();
    EXPECT_EQ(w.log->end_offset(), 36);
    w.crash();
    ASSERT_TRUE(w.disk().remove_folder(w.folder));
  }
}

TEST_F(TailBelowARoll, ThatTakesAWholeEpochIsNoFailoversGap) {
  lose(Durability::page_cache, 0);
  w.open();
  EXPECT_EQ(w.log->end_offset(), 12);
  EXPECT_EQ(w.log->epochs().latest(), 1) << "the epoch would cover records that others write";
  // A start is an election: clients write under a later epoch, at offsets that were lost.
  EXPECT_EQ(w.append(make_batch({}), promoted + 1).first_offset, 12);
  w.sync();
  w.kill();
  w.open();
  const std::vector<EpochEntry> expected{{1, 0, 2}, {promoted + 1, 12, 0}};
  EXPECT_EQ(w.log->epochs().entries(), expected);
}

TEST_F(TailBelowARoll, WhereSegmentsAreSyncedInOrderIsCorruption) {
  lose(Durability::fsync, 2);
  auto opened = w.try_open();
  ASSERT_FALSE(opened);
  EXPECT_NE(opened.error().text.find("offset 18"), std::string::npos) << opened.error().text;
  EXPECT_NE(opened.error().text.find("begins at offset 24"), std::string::npos)
      << opened.error().text;
  w.hints.cut_from = 18;
  w.open();
  EXPECT_EQ(w.log->end_offset(), 18);
}

// Nobody was told of what the new segment holds before the old one was synced.
TEST_F(TailBelowARoll, OfASegmentThatWasNotSyncedYetIsTorn) {
  w.config.segment_bytes = 4 * batch_size;
  w.open();
  put(0, 1);
  w.sync();
  for (int i = 1; i < 6; ++i) put(i, 1);
  ASSERT_EQ(w.log->segment_count(), 2u);
  EXPECT_EQ(w.log->durable_offset(), 3);
  w.kill();
  ASSERT_TRUE(file_of(w, w.path(0, ".log"))->truncate(2 * batch_size + 50));
  w.open();
  EXPECT_EQ(w.log->end_offset(), 6);
  EXPECT_EQ(w.log->segment_count(), 1u);
  for (int i = 2; i < 6; ++i) put(i, 1);
  EXPECT_EQ(w.offsets().size(), 6u);
}

// With page_cache a segment is begun whether those before it are synced or not; what a start with
// fsync finds of it is judged so. From then on segments are begun in order.
TEST_F(TailBelowARoll, IsJudgedByTheDurabilityThatItWasWrittenWith) {
  const auto shorten_the_first = [this] {
    w.was_synced_to(0);
    ASSERT_TRUE(file_of(w, w.path(0, ".log"))->truncate(2 * batch_size));
  };
  lose(Durability::page_cache, 4);
  shorten_the_first();
  w.config.durability = Durability::fsync;
  w.open();
  EXPECT_EQ(w.log->end_offset(), 6);
  for (int i = 2; i < 12; ++i) put(i, promoted);
  EXPECT_EQ(w.log->segment_count(), 3u);
  w.sync();
  w.kill();
  shorten_the_first();
  EXPECT_FALSE(w.try_open());
}

TEST(Durabilities, AreKnownToTheNextStartWhenALogIsOpen) {
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    LogWorld w(seed);
    for (const Durability durability :
         {Durability::page_cache, Durability::page_cache, Durability::fsync, Durability::fsync,
          Durability::page_cache}) {
      w.config.durability = durability;
      w.open();
      w.crash();
      FileCache cache(w.disk(), 1);
      SyncedEnd slot(cache, SyncedEnd::path_in(w.folder));
      slot.load().value();
      EXPECT_EQ(slot.trusts_names(), durability == Durability::fsync) << seed;
    }
  }
}

TEST_F(TailBelowARoll, InAFolderOfKafkasIsWhatItsCompactionLeft) {
  lose(Durability::page_cache, 2);
  ASSERT_TRUE(w.disk().remove(w.folder + "/epoch-owners"));
  w.open();
  EXPECT_EQ(w.log->end_offset(), 36);
  EXPECT_EQ(w.offsets().size(), 10u);
}

TEST_F(TailBelowARoll, OfWhatWasSyncedIsNotLost) {
  w.config.durability = Durability::page_cache;
  w.open();
  put(0, 1);
  ASSERT_TRUE(w.log->leave_gap(1000, promoted, w.now_ms));
  w.append(make_batch({}), promoted);
  ASSERT_TRUE(w.run(w.log->flush()));
  w.crash();
  w.open();
  EXPECT_EQ(w.log->end_offset(), 1001);
}

// Whatever a power loss leaves of a log that was never synced: a beginning of it, without a hole.
TEST_F(TailBelowARoll, LeavesABeginningOfTheLogWhateverTheDiskKept) {
  size_t shortened = 0;
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    LogWorld v(seed);
    v.config.durability = Durability::page_cache;
    v.config.segment_bytes = 600;
    v.open();
    Offset synced = 0;
    for (int round = 0; round < 3; ++round) {
      const uint64_t appends = 1 + v.world.random().below(40);
      for (uint64_t i = 0; i < appends; ++i) {
        v.append(make_batch({.records = 1 + static_cast<int>(v.world.random().below(4))}),
                 round + 1);
        if (v.world.random().below(20) == 0) synced = v.run(v.log->flush()).value();
      }
      const Offset end = v.log->end_offset();
      v.hints.recovery_point = v.world.random().below(2) ? synced : v.hints.recovery_point;
      v.crash();
      auto opened = v.try_open();
      ASSERT_TRUE(opened) << "seed " << seed << ": " << opened.error().text;
      ASSERT_GE(v.log->end_offset(), synced) << "seed " << seed;
      ASSERT_LE(v.log->end_offset(), end) << "seed " << seed;
      shortened += v.log->end_offset() < end;
      Offset next = 0;
      for (const auto& header : v.read(0)) {
        ASSERT_EQ(header.base_offset, next) << "seed " << seed;
        ASSERT_EQ(v.log->epochs().epoch_of(next), header.partition_leader_epoch);
        next = header.next_offset();
      }
      ASSERT_EQ(next, v.log->end_offset()) << "seed " << seed;
      synced = v.log->recovery_point();
    }
  }
  EXPECT_GT(shortened, 100u) << "the disk lost too little to show anything";
}

// Whatever a power loss leaves: what was synced is there, in order, and the log goes on.
TEST(Crash, KeepsWhatWasSyncedAndAPrefixOfTheRest) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    LogWorld w(seed);
    w.config.segment_bytes = 600;
    w.open();
    Offset synced = 0;
    for (int round = 0; round < 3; ++round) {
      const uint64_t appends = 1 + w.world.random().below(20);
      for (uint64_t i = 0; i < appends; ++i) {
        w.append_one({.records = 1 + static_cast<int>(w.world.random().below(4))});
        if (w.world.random().below(8) == 0) synced = w.sync();
      }
      const Offset end = w.log->end_offset();
      w.hints.recovery_point = w.world.random().below(2) ? synced : w.hints.recovery_point;
      w.crash();
      auto opened = w.try_open();
      ASSERT_TRUE(opened) << "seed " << seed << ": " << opened.error().text;
      ASSERT_GE(w.log->end_offset(), synced) << "seed " << seed;
      ASSERT_LE(w.log->end_offset(), end) << "seed " << seed;
      Offset next = 0;
      for (const auto& header : w.read(0)) {
        ASSERT_EQ(header.base_offset, next) << "seed " << seed;
        next = header.next_offset();
      }
      ASSERT_EQ(next, w.log->end_offset());
      synced = w.log->durable_offset();
    }
  }
}

}  // namespace
}  // namespace isthmus::broker
