// A compressed batch is the same one: records, header, and what a log says to it.
#include "kafka/recompress.h"

#include <gtest/gtest.h>

#include "tests/kafka/fill.h"
#include "tests/kafka/verdicts.h"

namespace isthmus::kafka {
namespace {

constexpr CompressionSettings codecs[] = {{Compression::gzip, 6},
                                          {Compression::lz4, 9},
                                          {Compression::zstd, 3},
                                          {Compression::snappy, 0}};

std::string text_of(size_t size, uint64_t seed) {
  Fill fill(seed);
  std::string text(size, '\0');
  for (char& c : text) c = "abcd efgh"[fill.pick(9)];
  return text;
}

// Of `count` records: without a key, without a value, with headers of which one has no value.
Slice batch_of(BatchBuilder::Options options, int count = 40, size_t value_size = 100) {
  BatchBuilder builder(options);
  for (int i = 0; i < count; ++i) {
    const std::string key = "key " + std::to_string(i);
    const std::string value = text_of(value_size, static_cast<uint64_t>(i));
    const RecordHeader headers[] = {{"trace", as_bytes("abc")}, {"none", std::nullopt}};
    const int64_t timestamp = 1'700'000'000'000 + (i * 37) % 100;  // not in their order
    if (i % 3 == 0) {
      builder.add(timestamp, std::nullopt, as_bytes(value), headers);
    } else {
      builder.add(timestamp, as_bytes(key),
                  i % 3 == 1 ? std::optional(as_bytes(value)) : std::nullopt);
    }
  }
  return std::move(builder).finish();
}

// All that a consumer sees, as one text.
std::string read_all(Bytes batch) {
  auto reader = RecordReader::open(batch);
  if (!reader) return reader.error().text;
  const auto shown = [](const std::optional<Bytes>& bytes) {
    return bytes ? "'" + std::string(as_text(*bytes)) + "'" : "null";
  };
  std::string all;
  Record record;
  while (reader->next(record)) {
    all += std::to_string(record.offset) + " " + std::to_string(record.timestamp) + " " +
           shown(record.key) + shown(record.value);
    for (const RecordHeader& header : record.headers) {
      all += std::string(header.key) + shown(header.value);
    }
    all += "\n";
  }
  return all + (reader->ok() ? "" : reader->error().text);
}

// The bytes of the header but for what must change: length, CRC, the codec's bits.
std::vector<uint8_t> lasting(Bytes batch) {
  std::vector<uint8_t> header(batch.begin(), batch.begin() + batch_header_size);
  std::fill_n(header.begin() + 8, 4, 0);
  std::fill_n(header.begin() + 17, 4, 0);
  header[22] &= static_cast<uint8_t>(~BatchHeader::compression_mask);
  return header;
}

void expect_same_batch(const Slice& before, CompressionSettings with) {
  SCOPED_TRACE(compression_name(with.type));
  const auto made = recompress(before, with);
  ASSERT_EQ(made.what, Recompression::compressed);
  EXPECT_LT(made.batch.size(), before.size());
  const auto header = check_batch(made.batch);
  ASSERT_TRUE(header) << header.error().text;
  EXPECT_EQ(header->compression(), with.type);
  EXPECT_EQ(lasting(made.batch), lasting(before));
  EXPECT_EQ(read_all(made.batch), read_all(before));
  const Verdict verdict = judge(made.batch);
  EXPECT_TRUE(verdict.accepted()) << verdict.text;
  EXPECT_EQ(verdict.max_timestamp, judge(before).max_timestamp);
}

void expect_passed(const Slice& batch, Recompression why) {
  for (const auto& with : codecs) {
    SCOPED_TRACE(compression_name(with.type));
    const auto made = recompress(batch, with);
    EXPECT_EQ(made.what, why);
    EXPECT_EQ(made.batch.data(), batch.data()) << "the very bytes";
    EXPECT_EQ(made.batch.size(), batch.size());
  }
}

TEST(Recompress, RecordsAndHeaderAreTheSame) {
  for (const auto& with : codecs) expect_same_batch(batch_of({}), with);
}

TEST(Recompress, AnIdempotentProducersBatchKeepsItsPlace) {
  BatchBuilder::Options options;
  options.producer_id = 0x0123456789ab;
  options.producer_epoch = 17;
  options.base_sequence = INT32_MAX - 3;  // wraps within the batch
  for (const auto& with : codecs) {
    expect_same_batch(batch_of(options), with);
    const auto header = read_batch_header(recompress(batch_of(options), with).batch);
    ASSERT_TRUE(header);
    EXPECT_EQ(header->producer_id, options.producer_id);
    EXPECT_EQ(header->producer_epoch, options.producer_epoch);
    EXPECT_EQ(header->base_sequence, options.base_sequence);
    EXPECT_EQ(header->last_offset_delta, 39);
    EXPECT_FALSE(header->is_transactional());
  }
}

TEST(Recompress, ATransactionalBatchStaysOne) {
  BatchBuilder::Options options;
  options.producer_id = 5;
  options.producer_epoch = 0;
  options.base_sequence = 0;
  options.transactional = true;
  for (const auto& with : codecs) {
    expect_same_batch(batch_of(options), with);
    EXPECT_TRUE(read_batch_header(recompress(batch_of(options), with).batch)->is_transactional());
  }
}

// A producer may have left the largest timestamp out; the leader epoch is whatever it wrote.
TEST(Recompress, WhatTheLeaderWillSetIsLeftToIt) {
  BatchHeader header = usual_header(40);
  header.max_timestamp = -1;
  header.partition_leader_epoch = 77;
  const Slice batch = raw_batch(header, raw_records(usual_records(40)));
  for (const auto& with : codecs) {
    expect_same_batch(batch, with);
    EXPECT_EQ(read_batch_header(recompress(batch, with).batch)->max_timestamp, -1);
  }
}

TEST(Recompress, EveryLevelIsReadable) {
  const Slice batch = batch_of({}, 400, 300);
  for (const auto codec : {Compression::gzip, Compression::lz4, Compression::zstd}) {
    const Levels levels = levels_of(codec);
    for (int level = levels.least; level <= levels.most; ++level) {
      SCOPED_TRACE(level);
      expect_same_batch(batch, {codec, level});
    }
    const size_t least = recompress(batch, {codec, levels.least}).batch.size();
    EXPECT_LT(recompress(batch, {codec, levels.most}).batch.size(), least);
  }
}

TEST(Recompress, Lz4sDefaultIsTheFastOneAndAnyOtherSearchesLonger) {
  const Slice batch = batch_of({}, 400, 300);
  const size_t fast = recompress(batch, {Compression::lz4, 9}).batch.size();
  EXPECT_EQ(levels_of(Compression::lz4).usual, 9);
  for (const int level : {1, 2, 8, 10, 17}) {
    EXPECT_LT(recompress(batch, {Compression::lz4, level}).batch.size(), fast) << level;
  }
}

TEST(Recompress, WhatIsCompressedStaysAsItsProducerChose) {
  for (const auto codec : packing_codecs) {
    expect_passed(batch_of({.compression = codec}), Recompression::compressed_before);
  }
}

TEST(Recompress, ControlBatchesPass) {
  BatchBuilder::Options options;
  options.producer_id = 5;
  options.producer_epoch = 0;
  expect_passed(build_marker(options, {ControlType::commit, 3}, 1000), Recompression::invalid);
  options.control = true;
  expect_passed(batch_of(options), Recompression::invalid);
}

TEST(Recompress, ABatchWithoutRecordsPasses) {
  expect_passed(std::move(BatchBuilder({})).finish(), Recompression::too_small);
  std::vector<uint8_t> zeros(1000);
  expect_passed(raw_batch(BatchHeader{}, zeros), Recompression::invalid);
}

TEST(Recompress, TheSizesBetweenWhichItIsTried) {
  const auto sized = [](size_t size) {
    RawRecord record;
    for (record.value = ""; batch_header_size + record.bytes().size() < size;) {
      record.value.resize(record.value.size() + size - batch_header_size - record.bytes().size());
      while (batch_header_size + record.bytes().size() > size) record.value.pop_back();
    }
    return raw_batch(usual_header(1), record.bytes());
  };
  ASSERT_EQ(sized(least_recompressed).size(), least_recompressed);
  expect_passed(sized(least_recompressed - 1), Recompression::too_small);
  expect_same_batch(sized(least_recompressed), codecs[1]);
  ASSERT_EQ(sized(most_recompressed).size(), most_recompressed);
  expect_same_batch(sized(most_recompressed), codecs[1]);
  expect_passed(sized(most_recompressed + 1), Recompression::too_large);
}

TEST(Recompress, WhatDoesNotGetSmallerPasses) {
  Fill fill(3);
  RawRecord record;
  record.value.resize(4000);
  for (char& c : record.value) fill.set(c);
  expect_passed(raw_batch(usual_header(1), record.bytes()), Recompression::not_smaller);
}

TEST(Recompress, ACutBatchPasses) {
  const Slice whole = batch_of({}, 4, 100);
  for (size_t size = 0; size < whole.size(); ++size) {
    const auto made = recompress(whole.sub(0, size), codecs[1]);
    EXPECT_EQ(made.batch.data(), whole.data());
    EXPECT_EQ(made.what, size >= batch_header_size && size < least_recompressed
                             ? Recompression::too_small
                             : Recompression::invalid);
  }
  std::vector<uint8_t> longer(whole.view().begin(), whole.view().end());
  longer.push_back(0);
  expect_passed(Slice::take(longer), Recompression::invalid);
}

// Otherwise a CRC made anew would turn what a line has damaged into something good.
TEST(Recompress, ADamagedBatchStaysDamaged) {
  const Slice whole = batch_of({});
  for (size_t at = 0; at < whole.size(); ++at) {
    std::vector<uint8_t> damaged(whole.view().begin(), whole.view().end());
    damaged[at] ^= 0x10;
    const Slice batch = Slice::take(std::move(damaged));
    const auto made = recompress(batch, codecs[1]);
    // The leader epoch is not covered by the CRC, and the base offset is checked for what it is.
    if (at >= 12 && at < 16) {
      EXPECT_EQ(made.what, Recompression::compressed) << at;
    } else {
      EXPECT_NE(made.what, Recompression::compressed) << at;
      EXPECT_EQ(made.batch.data(), batch.data());
    }
  }
}

// A good CRC, and wrong in one thing: the log names it, and goes on naming it.
TEST(Recompress, WhatALogWouldRefusePasses) {
  const auto lie = [](const std::function<void(RawRecord&)>& change) {
    auto records = usual_records(40);
    change(records[20]);
    return plain(records);
  };
  const Slice lies[] = {
      lie([](RawRecord& r) { r.offset_delta = 7; }),
      lie([](RawRecord& r) { r.value_length = 1000; }),
      lie([](RawRecord& r) { r.length_off = 1; }),
      lie([](RawRecord& r) { r.header_count = -1; }),
      batch_with(40, [](auto& h) { h.record_count = 39; }),
      batch_with(40, [](auto& h) { h.last_offset_delta = 40; }),
      batch_with(40, [](auto& h) { h.base_offset = 1; }),
      batch_with(40, [](auto& h) { h.producer_id = 3; }),
      batch_with(40, [](auto& h) { h.attributes = BatchHeader::log_append_time_bit; }),
      batch_with(40, [](auto& h) { h.magic = 1; }),
      batch_with(40, [](auto& h) { h.magic = 3; }),
  };
  for (const Slice& batch : lies) {
    EXPECT_FALSE(judge(batch).accepted());
    expect_passed(batch, Recompression::invalid);
  }
  for (const int16_t codec : {5, 6, 7}) {
    expect_passed(batch_with(40, [&](auto& h) { h.attributes = codec; }),
                  Recompression::compressed_before);
  }
}

TEST(Recompress, TwiceIsOnce) {
  for (const auto& with : codecs) {
    const Slice once = recompress(batch_of({}), with).batch;
    expect_passed(once, Recompression::compressed_before);
  }
}

TEST(Recompress, EveryOutcomeHasAName) {
  EXPECT_EQ(recompression_names[static_cast<size_t>(Recompression::compressed)], "compressed");
  EXPECT_EQ(recompression_names[static_cast<size_t>(Recompression::invalid)], "invalid");
  EXPECT_EQ(recompression_names.size(), static_cast<size_t>(Recompression::invalid) + 1);
}

}  // namespace
}  // namespace isthmus::kafka
