#include "kafka/batch.h"

#include <gtest/gtest.h>

#include "kafka/errors.h"
#include "tests/kafka/fill.h"

namespace isthmus::kafka {
namespace {

std::vector<uint8_t> bytes_of(const Slice& slice) {
  return {slice.view().begin(), slice.view().end()};
}

std::vector<uint8_t> joined(std::initializer_list<Slice> slices) {
  std::vector<uint8_t> all;
  for (const Slice& s : slices) all.insert(all.end(), s.view().begin(), s.view().end());
  return all;
}

Slice batch_at(Offset base, int records, Compression codec = Compression::none) {
  BatchBuilder::Options options;
  options.base_offset = base;
  options.compression = codec;
  BatchBuilder builder(options);
  for (int i = 0; i < records; ++i) {
    const RecordHeader headers[] = {{"h", as_bytes("v")}, {"null", std::nullopt}};
    builder.add(1000 + i, as_bytes("key"), as_bytes("value " + std::to_string(i)), headers);
  }
  return std::move(builder).finish();
}

TEST(BatchHeader, FieldsAreWhereKafkaPutsThem) {
  std::vector<uint8_t> bytes(batch_header_size);
  BatchHeader h;
  h.base_offset = 0x0101010101010101;
  h.batch_length = 49;
  h.partition_leader_epoch = 0x03030303;
  h.crc = 0x04040404;
  h.attributes = BatchHeader::transactional_bit | BatchHeader::control_bit;
  h.last_offset_delta = 6;
  h.base_timestamp = 0x0707070707070707;
  h.max_timestamp = 0x0808080808080808;
  h.producer_id = 0x0909090909090909;
  h.producer_epoch = 0x0a0a;
  h.base_sequence = 0x0b0b0b0b;
  h.record_count = 0;
  write_batch_header(bytes, h);
  const std::vector<uint8_t> expected = {1, 1, 1, 1,  1,  1,  1,    1,  0,  0, 0, 49, 3, 3, 3, 3,
                                         2, 4, 4, 4,  4,  0,  0x30, 0,  0,  0, 6, 7,  7, 7, 7, 7,
                                         7, 7, 7, 8,  8,  8,  8,    8,  8,  8, 8, 9,  9, 9, 9, 9,
                                         9, 9, 9, 10, 10, 11, 11,   11, 11, 0, 0, 0,  0};
  EXPECT_EQ(bytes, expected);
  const auto back = read_batch_header(bytes);
  ASSERT_TRUE(back) << back.error().text;
  EXPECT_EQ(*back, h);
  EXPECT_TRUE(back->is_transactional());
  EXPECT_TRUE(back->is_control());
  EXPECT_EQ(back->next_offset(), h.base_offset + 7);
  EXPECT_EQ(back->total_size(), batch_header_size);
}

TEST(BatchHeader, AttributesAndSequences) {
  BatchHeader h;
  h.attributes = 4 | BatchHeader::log_append_time_bit;
  EXPECT_EQ(h.compression(), Compression::zstd);
  EXPECT_EQ(h.timestamp_type(), TimestampType::log_append_time);
  EXPECT_EQ(h.delete_horizon(), std::nullopt);
  h.attributes |= BatchHeader::delete_horizon_bit;
  h.base_timestamp = 99;
  EXPECT_EQ(h.delete_horizon(), 99);
  h.base_sequence = 0x7ffffffe;
  h.last_offset_delta = 3;
  EXPECT_EQ(h.last_sequence(), 1) << "sequences wrap to 0";
}

TEST(BatchHeader, RefusesNonsense) {
  const auto good = bytes_of(batch_at(5, 3));
  ASSERT_TRUE(read_batch_header(good));
  struct Case {
    const char* what;
    size_t at;
    std::vector<uint8_t> bytes;
  };
  for (const auto& [what, at, bytes] : std::initializer_list<Case>{
           {"length below the header", 8, {0, 0, 0, 48}},
           {"negative length", 8, {0xff, 0xff, 0xff, 0xff}},
           {"magic 3", 16, {3}},
           {"negative offset delta", 23, {0xff, 0xff, 0xff, 0xff}},
           {"negative record count", 57, {0xff, 0xff, 0xff, 0xff}},
           {"more records than offsets", 57, {0, 0, 0, 4}},
           {"negative base offset", 0, {0xff}},
           {"offsets beyond the last", 0, {0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}}}) {
    auto bad = good;
    std::copy(bytes.begin(), bytes.end(), bad.begin() + static_cast<long>(at));
    const auto header = read_batch_header(bad);
    ASSERT_FALSE(header) << what;
    EXPECT_EQ(header.error().kind, Error::Kind::corrupt) << what;
  }
  auto many = good;  // a delta and count that agree with each other, but not with the bytes
  many[24] = many[58] = 0x7f;
  EXPECT_FALSE(read_batch_header(many));
  EXPECT_FALSE(read_batch_header(Bytes(good).first(batch_header_size - 1)));
}

TEST(BatchHeader, OldFormatsAndCodecsHaveErrorsOfTheirOwn) {
  auto bytes = bytes_of(batch_at(0, 1));
  for (uint8_t magic : {0, 1}) {
    bytes[16] = magic;
    const auto header = read_batch_header(Bytes(bytes).first(30));
    ASSERT_FALSE(header);
    EXPECT_TRUE(is(header.error(), ErrorCode::unsupported_for_message_format));
  }
  bytes[16] = 2;
  bytes[22] = 5;
  const auto header = read_batch_header(bytes);
  ASSERT_FALSE(header);
  EXPECT_TRUE(is(header.error(), ErrorCode::unsupported_compression_type));
}

TEST(CheckBatch, NoticesEveryFlippedBitThatTheCrcCovers) {
  const auto good = bytes_of(batch_at(5, 3));
  ASSERT_TRUE(check_batch(good));
  for (size_t bit = 8 * batch_crc_start; bit < 8 * good.size(); ++bit) {
    auto bad = good;
    bad[bit / 8] ^= static_cast<uint8_t>(1u << bit % 8);
    EXPECT_FALSE(check_batch(bad)) << "bit " << bit;
  }
  EXPECT_FALSE(check_batch(Bytes(good).first(good.size() - 1)));
  auto longer = good;
  longer.push_back(0);
  EXPECT_FALSE(check_batch(longer));
}

TEST(Batch, LeaderSetsOffsetAndEpochWithoutTouchingTheCrc) {
  auto batch = bytes_of(batch_at(0, 3));
  set_base_offset(batch, 1234567);
  set_leader_epoch(batch, 89);
  const auto header = check_batch(batch);
  ASSERT_TRUE(header) << header.error().text;
  EXPECT_EQ(header->base_offset, 1234567);
  EXPECT_EQ(header->partition_leader_epoch, 89);
  EXPECT_EQ(header->last_offset(), 1234569);
}

TEST(Batch, LogAppendTimeIsEveryRecordsTime) {
  auto batch = bytes_of(batch_at(0, 2));
  set_log_append_time(batch, 777);
  ASSERT_TRUE(check_batch(batch));
  auto records = RecordReader::open(batch);
  ASSERT_TRUE(records);
  Record record;
  while (records->next(record)) EXPECT_EQ(record.timestamp, 777);
  EXPECT_TRUE(records->ok());
}

TEST(BatchIterator, WalksToACleanEnd) {
  const auto bytes = joined({batch_at(0, 3), batch_at(3, 1), batch_at(9, 2)});
  BatchIterator batches(bytes, true);
  std::vector<Offset> bases;
  size_t position = 0;
  while (auto batch = batches.next()) {
    bases.push_back(batch->header.base_offset);
    EXPECT_EQ(batch->position, position);
    position += batch->bytes.size();
    EXPECT_EQ(batches.position(), position);
  }
  EXPECT_EQ(bases, (std::vector<Offset>{0, 3, 9}));
  EXPECT_EQ(batches.end(), BatchIterator::End::clean);
}

TEST(BatchIterator, TellsPartialFromCorrupt) {
  const Slice first = batch_at(0, 3);
  const auto bytes = joined({first, batch_at(3, 1)});
  for (size_t size = first.size() + 1; size < bytes.size(); ++size) {
    BatchIterator batches(Bytes(bytes).first(size), true);
    EXPECT_TRUE(batches.next());
    EXPECT_FALSE(batches.next());
    EXPECT_EQ(batches.end(), BatchIterator::End::partial) << size;
    EXPECT_EQ(batches.position(), first.size());
  }
  auto damaged = bytes;
  damaged.back() ^= 1;
  BatchIterator checked(damaged, true);
  EXPECT_TRUE(checked.next());
  EXPECT_FALSE(checked.next());
  EXPECT_EQ(checked.end(), BatchIterator::End::corrupt);
  EXPECT_NE(checked.error().text, "");
  BatchIterator unchecked(damaged, false);
  EXPECT_TRUE(unchecked.next());
  EXPECT_TRUE(unchecked.next()) << "without CRC, headers alone are looked at";

  std::vector<uint8_t> old(20);  // a message set of one small message
  BatchIterator message_set(old, true);
  EXPECT_FALSE(message_set.next());
  EXPECT_EQ(message_set.end(), BatchIterator::End::corrupt);
  EXPECT_TRUE(is(message_set.error(), ErrorCode::unsupported_for_message_format));
}

TEST(Records, RoundTripWithEveryCodec) {
  for (auto codec : {Compression::none, Compression::gzip, Compression::snappy, Compression::lz4,
                     Compression::zstd}) {
    SCOPED_TRACE(compression_name(codec));
    const Slice batch = batch_at(100, 50, codec);
    const auto header = check_batch(batch);
    ASSERT_TRUE(header) << header.error().text;
    EXPECT_EQ(header->compression(), codec);
    EXPECT_EQ(header->max_timestamp, 1049);
    auto records = RecordReader::open(batch);
    ASSERT_TRUE(records) << records.error().text;
    Record record;
    for (int i = 0; i < 50; ++i) {
      ASSERT_TRUE(records->next(record)) << records->error().text;
      EXPECT_EQ(record.offset, 100 + i);
      EXPECT_EQ(record.timestamp, 1000 + i);
      EXPECT_EQ(as_text(record.key.value()), "key");
      EXPECT_EQ(as_text(record.value.value()), "value " + std::to_string(i));
      ASSERT_EQ(record.headers.size(), 2u);
      EXPECT_EQ(as_text(record.headers[0].value.value()), "v");
      EXPECT_FALSE(record.headers[1].value.has_value());
    }
    EXPECT_FALSE(records->next(record));
    EXPECT_TRUE(records->ok());
  }
}

TEST(Records, NullIsNotEmpty) {
  BatchBuilder builder({});
  builder.add(1, std::nullopt, Bytes());
  builder.add(0, Bytes(), std::nullopt);
  const Slice batch = std::move(builder).finish();
  auto records = RecordReader::open(batch);
  ASSERT_TRUE(records);
  Record record;
  ASSERT_TRUE(records->next(record));
  EXPECT_FALSE(record.key.has_value());
  EXPECT_TRUE(record.value.has_value());
  ASSERT_TRUE(records->next(record));
  EXPECT_TRUE(record.key.has_value());
  EXPECT_FALSE(record.value.has_value());
  EXPECT_EQ(record.timestamp, 0) << "deltas may be negative";
  EXPECT_EQ(records->header().max_timestamp, 1);
}

TEST(Records, CompactionLeavesGaps) {
  BatchBuilder::Options options;
  options.base_offset = 10;
  BatchBuilder builder(options);
  builder.add_at(12, 5, as_bytes("k"), as_bytes("v"));
  builder.keep_last_offset(19);
  const Slice batch = std::move(builder).finish();
  const auto header = check_batch(batch);
  ASSERT_TRUE(header) << header.error().text;
  EXPECT_EQ(header->base_offset, 10);
  EXPECT_EQ(header->last_offset(), 19);
  EXPECT_EQ(header->record_count, 1);

  BatchBuilder empty(options);  // all that is left of a producer's last batch
  empty.keep_last_offset(19);
  const Slice nothing = std::move(empty).finish();
  ASSERT_TRUE(check_batch(nothing));
  auto records = RecordReader::open(nothing);
  ASSERT_TRUE(records);
  Record record;
  EXPECT_FALSE(records->next(record));
  EXPECT_TRUE(records->ok());
}

TEST(Records, TruncationAndDamageAreNoticed) {
  const Slice batch = batch_at(0, 5);
  Fill fill(1);
  for (int round = 0; round < 2000; ++round) {
    auto bad = bytes_of(batch);
    const size_t at = batch_header_size + fill.pick(bad.size() - batch_header_size);
    bad[at] = static_cast<uint8_t>(fill.pick(256));
    auto records = RecordReader::open(bad);
    if (!records) continue;
    Record record;
    int count = 0;
    while (records->next(record)) ++count;
    EXPECT_LE(count, 5);
    if (records->ok()) {
      EXPECT_EQ(count, 5);
    }
  }
  auto short_by_one = bytes_of(batch);
  store_be<int32_t>(short_by_one.data() + 8, static_cast<int32_t>(batch.size() - 12 - 1));
  auto records = RecordReader::open(Bytes(short_by_one).first(batch.size() - 1));
  ASSERT_TRUE(records);
  Record record;
  while (records->next(record)) {
  }
  EXPECT_FALSE(records->ok());
}

TEST(Records, LeftOverBytesAreAnError) {
  auto batch = bytes_of(batch_at(0, 2));
  store_be<int32_t>(batch.data() + 57, 1);
  auto records = RecordReader::open(batch);
  ASSERT_TRUE(records);
  Record record;
  EXPECT_TRUE(records->next(record));
  EXPECT_FALSE(records->next(record));
  EXPECT_FALSE(records->ok());
}

TEST(Marker, IsAControlBatchOfOneRecord) {
  BatchBuilder::Options options;
  options.base_offset = 7;
  options.producer_id = 4000;
  options.producer_epoch = 3;
  for (auto type : {ControlType::abort, ControlType::commit}) {
    const Slice batch = build_marker(options, {type, 12}, 5000);
    EXPECT_EQ(batch.size(), 78u) << "as in every Kafka log";
    const auto header = check_batch(batch);
    ASSERT_TRUE(header);
    EXPECT_TRUE(header->is_control());
    EXPECT_TRUE(header->is_transactional());
    EXPECT_EQ(header->producer_id, 4000);
    EXPECT_EQ(header->producer_epoch, 3);
    EXPECT_EQ(header->base_sequence, -1);
    auto records = RecordReader::open(batch);
    ASSERT_TRUE(records);
    Record record;
    ASSERT_TRUE(records->next(record));
    const auto control = read_control(record);
    ASSERT_TRUE(control);
    ASSERT_TRUE(control->marker.has_value());
    EXPECT_EQ(control->marker->type, type);
    EXPECT_EQ(control->marker->coordinator_epoch, 12);
    EXPECT_FALSE(control->is_gap);
  }
}

TEST(Marker, OtherControlRecordsAreNone) {
  Record record;
  const std::vector<uint8_t> leader_change = {0, 0, 0, 2};
  record.key = leader_change;
  const auto other = read_control(record);
  ASSERT_TRUE(other);
  EXPECT_FALSE(other->marker.has_value());
  EXPECT_FALSE(other->is_gap);
  record.key = Bytes(leader_change).first(3);
  EXPECT_FALSE(read_control(record));
  const std::vector<uint8_t> commit = {0, 0, 0, 1};
  record.key = commit;
  EXPECT_FALSE(read_control(record)) << "a marker without a value";
}

// As client libraries read over it: one control record at its far end, which ends no transaction.
TEST(Gap, IsAControlBatchOfOneRecordAtItsFarEnd) {
  for (Offset last : {Offset{7}, Offset{1'000'006}, 7 + Offset{INT32_MAX}}) {
    const Slice batch = build_gap({.base_offset = 7, .leader_epoch = 1 << 20}, last);
    const auto header = check_batch(batch);
    ASSERT_TRUE(header) << header.error().text;
    EXPECT_TRUE(header->is_control());
    EXPECT_FALSE(header->is_transactional());
    EXPECT_FALSE(header->has_producer());
    EXPECT_EQ(header->base_offset, 7);
    EXPECT_EQ(header->last_offset(), last);
    EXPECT_EQ(header->partition_leader_epoch, 1 << 20);
    EXPECT_EQ(header->record_count, 1);
    EXPECT_EQ(header->max_timestamp, -1) << "no search by time finds it";
    auto records = RecordReader::open(batch);
    ASSERT_TRUE(records);
    Record record;
    ASSERT_TRUE(records->next(record));
    EXPECT_EQ(record.offset, last);
    ASSERT_TRUE(record.key);
    EXPECT_EQ(record.key->size(), 4u) << "librdkafka and kafka-python take no other key";
    const auto control = read_control(record);
    ASSERT_TRUE(control);
    EXPECT_TRUE(control->is_gap);
    EXPECT_FALSE(control->marker.has_value());
    EXPECT_FALSE(records->next(record));
    EXPECT_TRUE(records->ok());
  }
}

}  // namespace
}  // namespace isthmus::kafka
