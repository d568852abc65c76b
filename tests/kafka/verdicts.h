// What the tests of validate.h expect of a batch: taken and readable, or refused, and for what.
#pragma once

#include <gtest/gtest.h>

#include <vector>

#include "kafka/validate.h"
#include "tests/kafka/lies.h"

namespace isthmus::kafka {

inline constexpr int64_t now_ms = 1'000'000;
inline constexpr auto packing_codecs = {Compression::gzip, Compression::snappy, Compression::lz4,
                                        Compression::zstd};

inline Verdict judge(const Slice& batch, const RecordRules& rules = {}) {
  const ProducedHeader read = read_produced_header(batch);
  if (!read.verdict.accepted()) return read.verdict;
  return validate_records(batch, read.header, rules, now_ms);
}

// What a consumer makes of it: every record, at dense offsets.
inline void expect_readable(const Slice& batch) {
  auto reader = RecordReader::open(batch);
  ASSERT_TRUE(reader) << reader.error().text;
  Record record;
  Offset next = 0;
  while (reader->next(record)) EXPECT_EQ(record.offset, next++);
  EXPECT_TRUE(reader->ok()) << reader->error().text;
  EXPECT_EQ(next, reader->header().record_count);
}

inline void expect_accepted(const Slice& batch, const RecordRules& rules = {}) {
  const Verdict verdict = judge(batch, rules);
  EXPECT_TRUE(verdict.accepted()) << error_name(verdict.error) << ": " << verdict.text;
  expect_readable(batch);
}

inline void expect_refused(const Slice& batch, ErrorCode error, const RecordRules& rules = {}) {
  const Verdict verdict = judge(batch, rules);
  EXPECT_EQ(verdict.error, error) << verdict.text;
  EXPECT_NE(verdict.text, "");
}

// Refused, and says which record it was.
inline void expect_fault(const Slice& batch, int32_t index, const RecordRules& rules = {},
                         ErrorCode error = ErrorCode::invalid_record) {
  const Verdict verdict = judge(batch, rules);
  EXPECT_EQ(verdict.error, error) << verdict.text;
  ASSERT_FALSE(verdict.faults.empty()) << verdict.text;
  EXPECT_EQ(verdict.faults.front().index, index) << verdict.text;
  EXPECT_NE(verdict.faults.front().text, "");
}

inline Slice plain(const std::vector<RawRecord>& records) {
  return raw_batch(usual_header(static_cast<int32_t>(records.size())), raw_records(records));
}
// The same records under every codec that there is.
inline std::vector<Slice> everywhere(const std::vector<RawRecord>& records) {
  std::vector<Slice> all = {plain(records)};
  const auto header = usual_header(static_cast<int32_t>(records.size()));
  for (auto codec : packing_codecs) {
    all.push_back(packed_batch(codec, header, compress(codec, raw_records(records))));
  }
  return all;
}

}  // namespace isthmus::kafka
