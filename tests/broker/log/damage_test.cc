// What was synced and is bad or gone: never cut, over any number of starts.
#include <cerrno>

#include "tests/broker/log/log_world.h"

namespace isthmus::broker {
namespace {

class Damage : public ::testing::Test {
 protected:
  // Five batches of three records, all synced.
  void SetUp() override {
    w.open();
    for (int i = 0; i < 5; ++i) w.append_one({.records = 3});
    size = w.log->size_bytes() / 5;
    w.stop();
    whole = io::read_whole(w.disk(), w.path(0, ".log")).value();
    w.hints = {};
  }
  Result<void> open_with_flip(uint64_t position) {
    w.host.disk().flip_bit(w.path(0, ".log"), position, 3);
    return w.try_open();
  }
  void restore() {
    w.log.reset();
    auto file = file_of(w, w.path(0, ".log"));
    ASSERT_TRUE(file->truncate(0));
    ASSERT_TRUE(file->append(whole));
    if (w.disk().exists(w.folder + "/quarantine")) {
      ASSERT_TRUE(w.disk().remove(w.folder + "/quarantine"));
    }
  }
  std::vector<uint8_t> content() { return io::read_whole(w.disk(), w.path(0, ".log")).value(); }
  // However often it is tried.
  void expect_closed(const std::string& part) {
    for (int start = 0; start < 3; ++start) {
      auto opened = w.try_open();
      ASSERT_FALSE(opened) << "start " << start;
      EXPECT_EQ(opened.error().kind, Error::Kind::corrupt);
      EXPECT_NE(opened.error().text.find(part), std::string::npos) << opened.error().text;
      EXPECT_NE(opened.error().text.find("isthmus partition describe orders-3"), std::string::npos);
      // What the next start believes: nothing, or a clean stop of a broker that never opened it.
      w.hints = {.clean_shutdown = start == 1};
      w.crash();
    }
  }

  LogWorld w;
  uint64_t size = 0;
  std::vector<uint8_t> whole;
};

TEST_F(Damage, BelowTheKnownEndIsNeverCutAtAnyBit) {
  for (uint64_t at = 0; at < size; ++at) {
    w.hints = {};
    auto opened = open_with_flip(3 * size + at);
    ASSERT_FALSE(opened) << at;
    EXPECT_EQ(opened.error().kind, Error::Kind::corrupt);
    EXPECT_EQ(content().size(), whole.size());
    restore();
  }
}

TEST_F(Damage, IsKnownFromTheCheckpointToo) {
  ASSERT_TRUE(w.disk().remove(w.folder + "/synced-end"));
  w.hints = {.recovery_point = 15};
  ASSERT_FALSE(open_with_flip(4 * size + 70));
  expect_closed("offset 12");
}

TEST_F(Damage, NamesWhereItIsAndHowFarAllWasSynced) {
  ASSERT_FALSE(open_with_flip(2 * size + 70));
  expect_closed("position " + std::to_string(2 * size) + " of segment 0, offset 6");
  expect_closed("everything below offset 15 was synced");
  EXPECT_EQ(content().size(), whole.size());
}

// Ten single records, the last one damaged: at the first start it is known, and at every later one.
TEST_F(Damage, OfTheLastRecordStaysOfflineOverManyStarts) {
  ASSERT_FALSE(open_with_flip(4 * size + 65));
  expect_closed("offset 12");
  w.host.disk().flip_bit(w.path(0, ".log"), 4 * size + 65, 3);
  expect_closed("offset 12");
}

TEST_F(Damage, WithoutAMarkIsFoundAgain) {
  w.host.disk().flip_bit(w.path(0, ".log"), 4 * size + 65, 3);
  w.host.disk().fail_next_append("quarantine", ENOSPC);
  ASSERT_FALSE(w.try_open());
  EXPECT_FALSE(w.disk().exists(w.folder + "/quarantine"));
  expect_closed("offset 12");
  EXPECT_TRUE(w.disk().exists(w.folder + "/quarantine"));
}

TEST_F(Damage, AfterACleanStopIsSeenAtTheEndOfTheLog) {
  w.hints = {.recovery_point = 15, .clean_shutdown = true};
  ASSERT_FALSE(open_with_flip(4 * size + 65));
  expect_closed("offset 12");
}

TEST_F(Damage, AMissingEndAtABatchsBoundaryIsDamage) {
  for (bool clean : {false, true}) {
    SCOPED_TRACE(clean);
    w.hints = {.recovery_point = 15, .clean_shutdown = clean};
    ASSERT_TRUE(file_of(w, w.path(0, ".log"))->truncate(3 * size));
    ASSERT_FALSE(w.try_open());
    expect_closed("offset 9: the log ends there; everything below offset 15 was synced");
    restore();
  }
}

TEST_F(Damage, AMissingSegmentIsDamage) {
  w.open();
  ASSERT_TRUE(w.log->roll());
  w.append_one();
  w.sync();
  w.kill();
  ASSERT_TRUE(w.disk().remove(w.path(15, ".log")));
  expect_closed("offset 15");
}

TEST_F(Damage, WithoutAnySegmentIsNoEmptyPartition) {
  for (const char* suffix : {".log", ".index", ".timeindex"}) {
    ASSERT_TRUE(w.disk().remove(w.path(0, suffix)));
  }
  expect_closed("all segments are gone");
}

TEST_F(Damage, IsCutOnAnOperatorsWordAtExactlyThatOffset) {
  ASSERT_FALSE(open_with_flip(2 * size + 70));
  w.hints.cut_from = 3;
  EXPECT_FALSE(w.try_open());
  w.hints.cut_from = 6;
  w.open();
  EXPECT_EQ(w.log->end_offset(), 6);
  EXPECT_EQ(w.log->recovery().bytes_cut, 3 * size);
  w.crash();
  w.hints = {.recovery_point = 15};
  w.open();  // a checkpoint from before the cut is not believed
  EXPECT_EQ(w.log->end_offset(), 6);
  EXPECT_EQ(w.append_one().first_offset, 6);
}

TEST_F(Damage, ThatOthersHaveIsCutWhereverItBegins) {
  w.hints.others_have_all = true;
  ASSERT_FALSE(open_with_flip(2 * size + 70)) << "it is marked first, and told of";
  EXPECT_TRUE(w.disk().exists(w.folder + "/quarantine"));
  w.open();
  EXPECT_EQ(w.log->end_offset(), 6);
  EXPECT_EQ(w.log->recovery().bytes_cut, 3 * size);
  EXPECT_FALSE(w.log->recovery().cut_file.empty());
  EXPECT_FALSE(w.disk().exists(w.folder + "/quarantine"));
  w.crash();
  w.hints = {.recovery_point = 15};
  w.open();  // a checkpoint from before the cut is not believed
  EXPECT_EQ(w.log->end_offset(), 6);
  EXPECT_EQ(w.append_one().first_offset, 6);
}

TEST_F(Damage, ThatOthersHaveMayBeAllOfIt) {
  for (const char* suffix : {".log", ".index", ".timeindex"}) {
    ASSERT_TRUE(w.disk().remove(w.path(0, suffix)));
  }
  ASSERT_FALSE(w.try_open());
  w.hints.others_have_all = true;
  w.open();
  EXPECT_EQ(w.log->end_offset(), 0);
  w.crash();
  w.hints = {};
  w.open();
}

// A mark that is left of something that is well again.
TEST_F(Damage, ThatIsNoneAnyMoreIsNotCut) {
  ASSERT_FALSE(open_with_flip(2 * size + 70));
  w.host.disk().flip_bit(w.path(0, ".log"), 2 * size + 70, 3);
  ASSERT_FALSE(w.try_open());
  w.hints.others_have_all = true;
  w.open();
  EXPECT_EQ(w.log->end_offset(), 15);
}

TEST_F(Damage, AnEndThatIsGoneIsGivenUpOnAnOperatorsWord) {
  ASSERT_TRUE(file_of(w, w.path(0, ".log"))->truncate(3 * size));
  ASSERT_FALSE(w.try_open());
  w.hints = {.recovery_point = 15, .cut_from = 9};
  w.open();
  EXPECT_EQ(w.log->end_offset(), 9);
  w.kill();
  w.hints = {.recovery_point = 15};
  w.open();
}

TEST_F(Damage, ThatAReadDoesNotReachLeavesNoMark) {
  w.host.disk().fail_next_read(w.path(0, ".log"), EIO);
  auto opened = w.try_open();
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().kind, Error::Kind::io);
  w.open();
  EXPECT_EQ(w.log->end_offset(), 15);
}

TEST_F(Damage, InALaterSegmentCountsAsAfter) {
  w.open();
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(w.log->roll());
    w.append_one();
    w.sync();
  }
  w.kill();
  // The slot may be old, but a segment is begun when all below the one before it is synced.
  w.was_synced_to(9);
  ASSERT_FALSE(open_with_flip(4 * size + 65));
}

TEST_F(Damage, ABatchThatGoesBackBehindTheKnownEndIsCut) {
  ASSERT_TRUE(file_of(w, w.path(0, ".log"))->append(make_batch({.base_offset = 3, .epoch = 1})));
  w.open();
  EXPECT_EQ(w.log->end_offset(), 15);
}

// Its base offset is not under a batch's checksum: a bit of it moves the record, and those that
// follow would seem to come too early.
TEST_F(Damage, OfABaseOffsetIsFoundWhereItIs) {
  ASSERT_FALSE(open_with_flip(3 * size + 6));
  expect_closed("offset 9");
}

TEST_F(Damage, OfALeaderEpochIsFoundWhereItIs) {
  ASSERT_FALSE(open_with_flip(3 * size + 14));
  expect_closed("offset 9");
}

// Fifteen batches of three records, five to a segment, all synced; of the first segment, which no
// start reads again, something is lost.
class SealedSegment : public Damage {
 protected:
  void SetUp() override {
    Damage::SetUp();
    w.config.segment_bytes = static_cast<int32_t>(5 * size);
    w.open();
    for (int i = 5; i < 15; ++i) w.append_one({.records = 3});
    ASSERT_EQ(w.log->segment_count(), 3u);
    w.stop();
  }
  void keep(Offset segment, uint64_t bytes) {
    ASSERT_TRUE(file_of(w, w.path(segment, ".log"))->truncate(bytes));
  }
  void start_again(bool clean) {
    clean ? w.stop() : w.kill();
    auto opened = w.try_open();
    ASSERT_TRUE(opened) << opened.error().text;
  }
};

TEST_F(SealedSegment, ThatLostItsTailIsDamageAtEveryStart) {
  for (bool clean : {false, true}) {
    for (Durability durability : {Durability::fsync, Durability::page_cache}) {
      for (uint64_t batches : {4, 2, 0}) {
        SCOPED_TRACE(batches);
        w.config.durability = durability;
        w.hints = {.recovery_point = 45, .clean_shutdown = clean};
        keep(0, batches * size);
        ASSERT_FALSE(w.try_open());
        expect_closed("offset " + std::to_string(3 * batches) +
                      ": it ends there, and the next segment begins at offset 15");
        restore();
      }
    }
  }
}

TEST_F(SealedSegment, WithATornTailIsDamage) {
  w.hints = {.recovery_point = 45};
  keep(0, 2 * size + 50);
  ASSERT_FALSE(w.try_open());
  expect_closed("offset 6");
}

TEST_F(SealedSegment, BelowTheStartOfTheLogIsNobodysToRead) {
  w.hints = {.recovery_point = 45, .log_start = 15};
  keep(0, 2 * size);
  w.open();
  EXPECT_EQ(w.log->end_offset(), 45);
}

TEST_F(SealedSegment, IsDamageWithoutAWordOfWhatWasSynced) {
  ASSERT_TRUE(w.disk().remove(w.folder + "/synced-end"));
  w.hints = {};
  keep(0, 4 * size);
  ASSERT_FALSE(w.try_open());
  expect_closed("offset 12: it ends there, and the next segment begins at offset 15");
}

// The slot itself is not synced with each group commit, but once after each roll.
TEST_F(SealedSegment, IsDamageAfterAPowerLossToo) {
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    LogWorld v(seed);
    v.config.segment_bytes = static_cast<int32_t>(5 * size);
    v.open();
    for (int i = 0; i < 6; ++i) {
      v.append_one({.records = 3});
      v.sync();
      v.keep();
    }
    ASSERT_EQ(v.log->segment_count(), 2u);
    v.crash();
    ASSERT_TRUE(file_of(v, v.path(0, ".log"))->truncate(4 * size));
    auto opened = v.try_open();
    ASSERT_FALSE(opened) << seed;
    EXPECT_NE(opened.error().text.find("offset 12"), std::string::npos) << opened.error().text;
  }
}

TEST_F(SealedSegment, IsCutOnAnOperatorsWord) {
  w.hints = {.recovery_point = 45};
  keep(0, 2 * size);
  ASSERT_FALSE(w.try_open());
  w.hints.cut_from = 6;
  w.open();
  EXPECT_EQ(w.log->end_offset(), 6);
}

TEST_F(SealedSegment, OfKafkasMayHaveBeenCompactedAndOursNot) {
  ASSERT_TRUE(w.disk().remove(w.folder + "/epoch-owners"));
  keep(0, 2 * size);
  w.open();
  for (int i = 0; i < 10; ++i) w.append(make_batch({.records = 3}), 2);
  w.sync();
  for (bool clean : {false, true, false}) start_again(clean);
  EXPECT_EQ(w.offsets().size(), 22u);
  w.stop();
  keep(45, 2 * size);
  w.hints = {.recovery_point = 75};
  ASSERT_FALSE(w.try_open());
  expect_closed("offset 51: it ends there, and the next segment begins at offset 60");
}

TEST_F(SealedSegment, MayBeFollowedByTheGapOfAFailover) {
  w.open();
  ASSERT_TRUE(w.log->leave_gap(1000, 1 << 20, 0));
  w.append(make_batch({}), 1 << 20);
  w.sync();
  for (bool clean : {true, false}) start_again(clean);
  ASSERT_TRUE(w.log->move_start_to(500));
  for (bool clean : {true, false, true}) start_again(clean);
  EXPECT_EQ(w.log->end_offset(), 1001);
}

TEST_F(SealedSegment, MayHoldWhatAMirrorsSourceLeftOut) {
  w.open();
  for (int i = 0; i < 12; ++i) {
    auto done = w.log->append_verbatim(
        make_batch({.base_offset = 50 + 10 * i, .records = 3, .epoch = 1}), 0, {.owner = 2});
    ASSERT_TRUE(done) << done.error().text;
  }
  w.sync();
  for (bool clean : {true, false, true}) start_again(clean);
  EXPECT_EQ(w.log->end_offset(), 163);
}

TEST(KnownEnd, IsExactAfterAKillAndABoundAfterAPowerLoss) {
  size_t behind = 0;
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    for (bool power_lost : {false, true}) {
      LogWorld w(seed);
      w.open();
      w.append_one({.records = 3});
      w.sync();
      w.append_one({.records = 3});
      w.sync();
      w.append_one({.records = 3});
      power_lost ? w.crash() : w.kill();
      FileCache cache(w.disk(), 10);
      SyncedEnd slot(cache, SyncedEnd::path_in(w.folder));
      slot.load().value();
      if (power_lost) {
        EXPECT_LE(slot.known(0), 6);
        behind += slot.known(0) < 6;
      } else {
        EXPECT_EQ(slot.known(0), 6);
      }
      EXPECT_EQ(slot.known(7), 7);
    }
  }
  EXPECT_GT(behind, 0u);
}

Offset known_end_of(LogWorld& w) {
  FileCache cache(w.disk(), 10);
  SyncedEnd slot(cache, SyncedEnd::path_in(w.folder));
  slot.load().value();
  return slot.known(0);
}

TEST(KnownEnd, IsOnTheDiskWhereARollWaitedForIt) {
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    LogWorld w(seed);
    w.open();
    for (int i = 0; i < 2; ++i) {
      w.append_one();
      ASSERT_TRUE(w.log->roll());
    }
    EXPECT_EQ(w.log->durable_offset(), 2);
    w.crash();
    EXPECT_EQ(known_end_of(w), 2) << seed;
  }
}

TEST(KnownEnd, IsMadeDurableWhenWhoWaitsForTheRecordsWasTold) {
  LogWorld w;
  w.open();
  w.append_one();
  ASSERT_TRUE(w.log->roll());
  w.append_one();
  w.host.disk().fail_next_sync("synced-end", EIO);
  EXPECT_EQ(w.sync(), 2);
  EXPECT_FALSE(w.world.faults().contains("disk: sync failed"));
  w.keep();
  EXPECT_EQ(w.world.faults().at("disk: sync failed"), 1u);
  w.keep();
  EXPECT_EQ(w.append_one().first_offset, 2) << "it is no part of the log";
}

// Its file takes nothing more then: there is a new one when it has to be right.
TEST(KnownEnd, ThatCouldNotBeKeptStillLetsALogBeCut) {
  for (bool before : {false, true}) {
    for (uint64_t seed = 1; seed <= 20; ++seed) {
      LogWorld w(seed);
      w.open();
      w.append_one();
      ASSERT_TRUE(w.log->roll());
      for (int i = 0; i < 5; ++i) w.append_one();
      w.sync();
      w.host.disk().fail_next_sync("synced-end", EIO);
      if (before) w.keep();
      auto end = w.log->truncate_to(3);
      ASSERT_TRUE(end) << end.error().text;
      EXPECT_EQ(w.world.faults().at("disk: sync failed"), 1u);
      w.append_one();
      w.sync();
      seed % 2 == 0 ? w.crash() : w.kill();
      EXPECT_GE(known_end_of(w), 3);
      if (seed % 2 != 0) EXPECT_EQ(known_end_of(w), 4) << "it is kept up to date again";
      w.hints.recovery_point = 6;
      w.open();
      EXPECT_EQ(w.log->end_offset(), 4);
    }
  }
}

TEST(KnownEnd, ThatFoundNoRoomIsWrittenTheNextTime) {
  LogWorld w;
  w.open();
  for (Offset end = 1; end <= 3; ++end) {
    w.append_one();
    if (end == 2) w.host.disk().fail_next_append("synced-end", ENOSPC);
    w.sync();
  }
  w.kill();
  EXPECT_EQ(known_end_of(w), 3);
}

TEST(KnownEnd, IsLoweredBeforeALogIsCutAndTheCheckpointDoubtedUntilTheNext) {
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    LogWorld w(seed);
    w.open();
    for (int i = 0; i < 5; ++i) w.append_one({.records = 3});
    w.sync();
    w.hints.recovery_point = 15;
    EXPECT_EQ(w.log->truncate_to(7).value(), 6);
    EXPECT_TRUE(w.log->synced_end().doubts_checkpoint());
    w.crash();
    w.open();
    EXPECT_EQ(w.log->end_offset(), 6);
    EXPECT_TRUE(w.log->synced_end().doubts_checkpoint());
    w.hints.recovery_point = 6;
    w.log->synced_end().checkpointed(w.log->synced_end().cuts());
    EXPECT_FALSE(w.log->synced_end().doubts_checkpoint());
    w.kill();
    w.open();
    EXPECT_FALSE(w.log->synced_end().doubts_checkpoint());
    EXPECT_TRUE(w.log->restart_at(4));
    w.hints.recovery_point = 6;
    w.crash();
    w.open();
    EXPECT_EQ(w.log->end_offset(), 4);
  }
}

}  // namespace
}  // namespace isthmus::broker
