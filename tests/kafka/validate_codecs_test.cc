// Compressed batches that a consumer could not read: what is taken, and what Kafka takes too.
#include <gtest/gtest.h>

#include "tests/kafka/fill.h"
#include "tests/kafka/verdicts.h"

namespace isthmus::kafka {
namespace {

TEST(Validate, UnknownCodecsAreNamed) {
  for (int16_t codec : {5, 6, 7}) {
    expect_refused(batch_with(1, [&](auto& h) { h.attributes = codec; }),
                   ErrorCode::unsupported_compression_type);
  }
}

// A truncated gzip body makes librdkafka ask for the same batch for ever.
TEST(Validate, WhatDoesNotDecompressIsRefused) {
  const auto payload = raw_records(usual_records(50));
  for (auto codec : packing_codecs) {
    SCOPED_TRACE(compression_name(codec));
    const Slice packed = compress(codec, payload);
    expect_accepted(packed_batch(codec, usual_header(50), packed));
    for (size_t size = 0; size < packed.size(); ++size) {
      expect_refused(packed_batch(codec, usual_header(50), packed.view().first(size)),
                     ErrorCode::invalid_record);
    }
    expect_refused(packed_batch(codec, usual_header(50), payload), ErrorCode::invalid_record);
    auto longer = std::vector<uint8_t>(packed.view().begin(), packed.view().end());
    longer.insert(longer.end(), {'j', 'u', 'n', 'k', 0, 0, 0, 0});
    expect_refused(packed_batch(codec, usual_header(50), longer), ErrorCode::invalid_record);
    Fill fill(7);
    for (int round = 0; round < 300; ++round) {
      std::vector<uint8_t> damaged(packed.view().begin(), packed.view().end());
      damaged[fill.pick(damaged.size())] ^= static_cast<uint8_t>(1u << fill.pick(8));
      const Slice batch = packed_batch(codec, usual_header(50), damaged);
      if (judge(batch).accepted()) expect_readable(batch);
    }
  }
}

TEST(Validate, ZlibIsNotGzip) {
  // zlib's own framing around one stored block: 78 01, the block, Adler-32.
  const auto payload = raw_records(usual_records(1));
  const auto size = static_cast<uint8_t>(payload.size());
  std::vector<uint8_t> zlib = {0x78, 0x01, 0x01, size, 0, static_cast<uint8_t>(~size), 0xff};
  zlib.insert(zlib.end(), payload.begin(), payload.end());
  uint32_t a = 1;
  uint32_t b = 0;
  for (uint8_t byte : payload) b = (b + (a = (a + byte) % 65521)) % 65521;
  zlib.resize(zlib.size() + 4);
  store_be<uint32_t>(zlib.data() + zlib.size() - 4, b << 16 | a);
  expect_refused(packed_batch(Compression::gzip, usual_header(1), zlib), ErrorCode::invalid_record);
}

std::vector<uint8_t> one_after_the_other(std::initializer_list<Bytes> parts) {
  std::vector<uint8_t> all;
  for (Bytes part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

// librdkafka reads the first and stops there.
TEST(Validate, TwoGzipMembersAreOneTooMany) {
  const auto payload = raw_records(usual_records(4));
  const Bytes all = payload;
  const Slice front = compress(Compression::gzip, all.first(all.size() / 2));
  const Slice back = compress(Compression::gzip, all.subspan(all.size() / 2));
  expect_refused(
      packed_batch(Compression::gzip, usual_header(4), one_after_the_other({front, back})),
      ErrorCode::invalid_record);
}

// Java's client reads the first, librdkafka refuses what lies behind it.
TEST(Validate, TwoLz4FramesAreOneTooMany) {
  const auto payload = raw_records(usual_records(4));
  const Bytes all = payload;
  const Slice whole = compress(Compression::lz4, all);
  const Slice front = compress(Compression::lz4, all.first(all.size() / 2));
  const Slice back = compress(Compression::lz4, all.subspan(all.size() / 2));
  const Slice empty = compress(Compression::lz4, Bytes());
  for (const auto& frames :
       {one_after_the_other({front, back}), one_after_the_other({whole, empty})}) {
    expect_refused(packed_batch(Compression::lz4, usual_header(4), frames),
                   ErrorCode::invalid_record);
  }
}

// A frame of one stored block, put together by hand.
std::vector<uint8_t> lz4_frame(uint8_t flags, uint8_t header_checksum, Bytes block) {
  std::vector<uint8_t> frame = {0x04, 0x22, 0x4d, 0x18, flags, 0x40, header_checksum};
  const auto size = static_cast<uint32_t>(block.size()) | 0x80000000u;
  for (int shift = 0; shift < 32; shift += 8) frame.push_back(static_cast<uint8_t>(size >> shift));
  frame.insert(frame.end(), block.begin(), block.end());
  frame.insert(frame.end(), {0, 0, 0, 0});
  return frame;
}

TEST(Validate, Lz4WithoutAContentSizeIsUsualAndLinkedBlocksAreNot) {
  const auto payload = raw_records(usual_records(2));
  expect_accepted(packed_batch(Compression::lz4, usual_header(2), lz4_frame(0x60, 0x82, payload)));
  // The same with linked blocks, which Kafka's reader does not know.
  bool any_reads_it = false;
  for (int checksum = 0; checksum < 256; ++checksum) {
    const auto linked = lz4_frame(0x40, static_cast<uint8_t>(checksum), payload);
    any_reads_it |= decompress(Compression::lz4, linked, 1 << 20).has_value();
    expect_refused(packed_batch(Compression::lz4, usual_header(2), linked),
                   ErrorCode::invalid_record);
  }
  EXPECT_TRUE(any_reads_it) << "it is a good frame";
}

TEST(Validate, SnappyIsRawOrXerialsAndNotTheFramingFormat) {
  const auto payload = raw_records(usual_records(1));
  std::vector<uint8_t> raw = {static_cast<uint8_t>(payload.size()),
                              static_cast<uint8_t>((payload.size() - 1) << 2)};
  raw.insert(raw.end(), payload.begin(), payload.end());
  expect_accepted(packed_batch(Compression::snappy, usual_header(1), raw));
  // The stream identifier of the framing format, then one chunk of uncompressed data.
  std::vector<uint8_t> framed = {0xff, 6, 0, 0, 's', 'N', 'a', 'P', 'p', 'Y'};
  const auto size = static_cast<uint8_t>(payload.size() + 4);
  framed.insert(framed.end(), {1, size, 0, 0, 0, 0, 0, 0});
  framed.insert(framed.end(), payload.begin(), payload.end());
  expect_refused(packed_batch(Compression::snappy, usual_header(1), framed),
                 ErrorCode::invalid_record);
}

TEST(Validate, GarbageIsNoZstd) {
  const auto garbage = std::vector<uint8_t>(100, 0x5a);
  expect_refused(packed_batch(Compression::zstd, usual_header(1), garbage),
                 ErrorCode::invalid_record);
  std::vector<uint8_t> magic = {0x28, 0xb5, 0x2f, 0xfd};
  magic.insert(magic.end(), garbage.begin(), garbage.end());
  expect_refused(packed_batch(Compression::zstd, usual_header(1), magic),
                 ErrorCode::invalid_record);
}

TEST(Validate, ABombIsRefusedWhereTheLimitIs) {
  RecordRules rules;
  rules.max_unpacked = 1 << 20;
  for (auto codec : packing_codecs) {
    SCOPED_TRACE(compression_name(codec));
    // One record says how much it wants before it has it.
    expect_refused(bomb(codec, 8 << 20), ErrorCode::message_too_large, rules);
    expect_accepted(bomb(codec, 1 << 19), rules);
    // Many say it little by little.
    auto records = usual_records(64);
    for (RawRecord& record : records) record.value = std::string(1 << 16, '\0');
    const Slice batch =
        packed_batch(codec, usual_header(64), compress(codec, raw_records(records)));
    expect_refused(batch, ErrorCode::message_too_large, rules);
  }
}

TEST(Validate, TheLimitGrowsWithTheLargestBatchAndEnds) {
  EXPECT_EQ(max_decompressed_size_of(0), size_t{16} << 20);
  EXPECT_EQ(max_decompressed_size_of(1 << 20), size_t{128} << 20);
  EXPECT_EQ(max_decompressed_size_of(SIZE_MAX), size_t{256} << 20);
}

}  // namespace
}  // namespace isthmus::kafka
