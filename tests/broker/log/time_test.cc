// Timestamps that are absurd, missing or wrong: rolling, retention and lookups by time.
#include "tests/broker/log/log_world.h"
#include "tests/kafka/lies.h"

namespace isthmus::broker {
namespace {

constexpr int64_t day_ms = int64_t{24} * 3600 * 1000;

// One record at `timestamp`, in a batch whose header says that the largest is `max`.
Slice saying(Offset offset, int64_t timestamp, int64_t max,
             kafka::Compression codec = kafka::Compression::none, size_t value_size = 5) {
  kafka::BatchHeader header = kafka::usual_header(1);
  header.base_offset = offset;
  header.partition_leader_epoch = 1;
  header.base_timestamp = timestamp;
  header.max_timestamp = max;
  kafka::RawRecord record;
  record.value = std::string(value_size, '\0');
  if (codec == kafka::Compression::none) return kafka::raw_batch(header, record.bytes());
  return kafka::packed_batch(codec, header, kafka::compress(codec, record.bytes()));
}

void mirror(LogWorld& w, const Slice& batch) {
  auto done = w.log->append_verbatim(batch, w.now_ms, {});
  ASSERT_TRUE(done) << done.error().text;
}

Offset found_at(LogWorld& w, int64_t timestamp) {
  auto found = w.find_time(timestamp);
  EXPECT_TRUE(found) << found.error().text;
  return found && *found ? (*found)->offset : -1;
}

// A mirror keeps the bytes; what follows from them goes by the records.
TEST(Times, MirroredBatchesWithoutAMaximumAreFoundByTime) {
  for (auto codec : {kafka::Compression::none, kafka::Compression::zstd}) {
    LogWorld w;
    w.config.index_interval_bytes = 1;
    w.open();
    for (Offset i = 0; i < 20; ++i) mirror(w, saying(i, 1000 + 10 * i, -1, codec));
    EXPECT_EQ(w.read(7)[0].max_timestamp, -1) << "not a byte is changed";
    const auto check = [&] {
      EXPECT_EQ(found_at(w, 0), 0);
      EXPECT_EQ(found_at(w, 1051), 6);
      EXPECT_EQ(found_at(w, 1190), 19);
      EXPECT_EQ(found_at(w, 1191), -1);
      EXPECT_EQ(**w.find_latest(), (TimestampOffset{1190, 19, 1}));
    };
    check();
    w.sync();
    w.crash();
    w.open();
    check();
    ASSERT_TRUE(w.log->truncate_to(10));
    EXPECT_EQ(**w.find_latest(), (TimestampOffset{1090, 9, 1}));
  }
}

TEST(Times, AMaximumThatIsTooHighIsNotBelieved) {
  LogWorld w;
  w.open();
  mirror(w, saying(0, 1000, 1000));
  mirror(w, saying(1, 1010, INT64_MAX));
  mirror(w, saying(2, 1020, 1020));
  EXPECT_EQ(found_at(w, 1005), 1);
  EXPECT_EQ(found_at(w, 1015), 2);
  EXPECT_EQ(found_at(w, 1021), -1);
  EXPECT_EQ((**w.find_latest()).timestamp, 1010) << "of the batch that claims the latest";
}

TEST(Times, WithoutAnyTimestampThereIsNothingToFind) {
  LogWorld w;
  w.open();
  mirror(w, saying(0, -1, -1));
  EXPECT_EQ(found_at(w, 0), -1);
  EXPECT_FALSE(*w.find_latest());
}

// What cannot be unpacked is the answer itself: nobody who begins there misses anything.
TEST(Times, ABombIsAnsweredWithItselfAndUnpackedOnce) {
  LogWorld w;
  w.config.max_message_bytes = 1000;  // of which 16 MiB may come
  w.open();
  mirror(w, saying(0, 1000, 1000));
  mirror(w, saying(1, 2000, 2000, kafka::Compression::gzip, size_t{20} << 20));
  mirror(w, saying(2, 3000, 3000));
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(**w.find_time(1500), (TimestampOffset{2000, 1, 1}));
    EXPECT_EQ(found_at(w, 2500), 2);
    EXPECT_EQ(found_at(w, 500), 0);
  }
}

TEST(Times, ASearchKnowsWhatCouldNotBeRead) {
  LogWorld w;
  w.open();
  kafka::BatchHeader header = kafka::usual_header(1);
  header.partition_leader_epoch = 1;
  const std::vector<uint8_t> garbage(50, 0x77);
  mirror(w, kafka::packed_batch(kafka::Compression::zstd, header, garbage));
  mirror(w, saying(1, 2000, 2000, kafka::Compression::zstd, 100'000));
  auto file = w.files->open(w.path(0, ".log"));
  ASSERT_TRUE(file);
  const TimeStretch stretch{*file, 0, (*file)->size(), 0};
  TimeQuery query{.timestamp = 900, .may_unpack = 1 << 20};
  auto found = search_time(stretch, query);
  ASSERT_TRUE(found && found->record);
  EXPECT_EQ(found->record->offset, 0);
  EXPECT_EQ(found->unreadable, 0);
  query.timestamp = 1500;
  found = search_time(stretch, query);
  ASSERT_TRUE(found && found->record);
  EXPECT_EQ(found->unreadable, -1);
  EXPECT_GT(found->unpacked, 100'000u);
  query.unreadable.add(1);
  found = search_time(stretch, query);
  ASSERT_TRUE(found && found->record);
  EXPECT_EQ(found->record->offset, 1);
  EXPECT_EQ(found->unpacked, 0u) << "it is not tried again";
  query.unreadable.clear();
  query.may_unpack = 1000;
  found = search_time(stretch, query);
  ASSERT_TRUE(found && found->record);
  EXPECT_EQ(found->unreadable, 1) << "all that a lookup may unpack is used up";
}

TEST(Times, LookupsRunBesideTheLoopAndOneAfterTheOther) {
  LogWorld w;
  w.open();
  for (int i = 0; i < 4; ++i) w.append_one({.timestamp = 1000 + i});
  w.process->workers().take(std::chrono::seconds(1));
  EXPECT_EQ(found_at(w, 1002), 2);
  EXPECT_EQ(w.process->workers().jobs(), 1u);
}

TEST(Times, MicrosecondsAndTheEndOfTimeRollNothing) {
  LogWorld w;
  w.config.segment_ms = 1000;
  w.now_ms = 1'000'000;
  w.open();
  for (int64_t i = 0; i < 10; ++i) {
    w.append_one({.timestamp = w.now_ms * 1000 + i * 1'000'000});
    w.append_one({.timestamp = INT64_MAX - 10});
    w.append_one({.timestamp = w.now_ms});
    w.append_one({.timestamp = INT64_MIN});
    w.append_one({.timestamp = -1});
  }
  EXPECT_EQ(w.log->segment_count(), 1u);
}

TEST(Times, SegmentsWithoutTimestampsRollByTheBrokersClock) {
  for (int64_t timestamp : {int64_t{-1}, INT64_MAX - 10}) {
    LogWorld w;
    w.config.segment_ms = 1000;
    w.open();
    w.append_one({.timestamp = timestamp});
    w.append_one({.timestamp = timestamp});
    w.now_ms += 900;
    w.append_one({.timestamp = timestamp});
    EXPECT_EQ(w.log->segment_count(), 1u);
    w.now_ms += 200;
    w.append_one({.timestamp = timestamp});
    EXPECT_EQ(w.log->segment_count(), 2u) << timestamp;
  }
}

TEST(Times, AFarFutureTimestampDoesNotEndRetention) {
  for (int64_t timestamp : {INT64_MAX - 10, int64_t{1'900'000'000'000'000}}) {
    LogWorld w;
    w.config.retention_ms = 1000;
    w.open();
    w.append_one({.timestamp = timestamp});
    const int64_t now = w.process->env().main_loop().wall_ms();
    EXPECT_EQ(*w.log->apply_retention(now + 900, 1), 0u) << "it was written just now";
    EXPECT_EQ(*w.log->apply_retention(now + 2000, 1), 1u) << timestamp;
    EXPECT_EQ(w.log->start_offset(), 1);
  }
}

TEST(Times, AClockThatIsSomewhatAheadIsBelieved) {
  LogWorld w;
  w.config.retention_ms = 1000;
  w.open();
  const int64_t now = w.process->env().main_loop().wall_ms();
  w.append_one({.timestamp = now + day_ms / 24});
  EXPECT_EQ(*w.log->apply_retention(now + 2000, 1), 0u);
  EXPECT_EQ(*w.log->apply_retention(now + day_ms / 24 + 2000, 1), 1u);
}

// A header that says -1 would have had the segment removed at once, or never.
TEST(Times, RetentionGoesByTheRecordsOfAMirroredBatch) {
  LogWorld w;
  w.config.retention_ms = 1000;
  w.open();
  const int64_t now = w.process->env().main_loop().wall_ms();
  mirror(w, saying(0, now - 5000, -1));
  EXPECT_EQ(*w.log->apply_retention(now, 1), 1u);
}

}  // namespace
}  // namespace isthmus::broker
