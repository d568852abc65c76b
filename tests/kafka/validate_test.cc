#include <gtest/gtest.h>

#include "tests/kafka/fill.h"
#include "tests/kafka/verdicts.h"

namespace isthmus::kafka {
namespace {

constexpr int64_t lowest = INT64_MIN;
constexpr int64_t highest = INT64_MAX;

std::vector<RawRecord> with(int32_t count, size_t index,
                            const std::function<void(RawRecord&)>& change) {
  auto records = usual_records(count);
  change(records.at(index));
  return records;
}

TEST(Validate, WhatProducersSendIsAccepted) {
  for (const Slice& batch : everywhere(usual_records(1))) expect_accepted(batch);
  auto records = usual_records(3000);  // more than a window of unpacked bytes
  for (size_t i = 0; i < records.size(); ++i) records[i].value = std::string(i, 'x');
  records[7].key = std::nullopt;
  records[8].value_length = -1;
  records[8].value = "";
  records[9].header_count = 2;
  records[9].headers = {2, 'h', 2, 'v', 0, 1};  // "h" = "v", "" = null
  for (const Slice& batch : everywhere(records)) {
    expect_accepted(batch);
    EXPECT_EQ(judge(batch).max_timestamp, 3999);
  }
}

TEST(Validate, ABatchThatIsNotWholeIsCorrupt) {
  const Slice good = plain(usual_records(3));
  expect_refused(Slice(), ErrorCode::invalid_record);
  expect_refused(good.sub(0, 40), ErrorCode::corrupt_message);
  expect_refused(good.sub(0, good.size() - 1), ErrorCode::invalid_record);
  std::vector<uint8_t> bytes(good.view().begin(), good.view().end());
  store_be<int32_t>(bytes.data() + 8, 48);
  expect_refused(Slice::copy_of(bytes), ErrorCode::corrupt_message);
  bytes.assign(good.view().begin(), good.view().end());
  bytes.insert(bytes.end(), good.view().begin(), good.view().end());
  expect_refused(Slice::copy_of(bytes), ErrorCode::invalid_record);
}

// A producer may send again what changed on its way; not what it made wrong.
TEST(Validate, AFlippedBitIsCorruptAndNotInvalid) {
  const Slice good = plain(usual_records(3));
  for (size_t at = 17; at < good.size(); ++at) {
    std::vector<uint8_t> bytes(good.view().begin(), good.view().end());
    bytes[at] ^= 0x40;
    expect_refused(Slice::take(std::move(bytes)), ErrorCode::corrupt_message);
  }
}

TEST(Validate, MessageSetsAndUnknownFormatsAreRefused) {
  expect_refused(batch_with(1, [](auto& h) { h.magic = 0; }),
                 ErrorCode::unsupported_for_message_format);
  expect_refused(batch_with(1, [](auto& h) { h.magic = 1; }),
                 ErrorCode::unsupported_for_message_format);
  expect_refused(batch_with(1, [](auto& h) { h.magic = 3; }), ErrorCode::invalid_record);
}

TEST(Validate, ACountOfZero) {
  expect_refused(batch_with(3, [](auto& h) { h.record_count = 0; }), ErrorCode::invalid_record);
  expect_refused(raw_batch(usual_header(0), Bytes()), ErrorCode::invalid_record);
  BatchHeader nothing = usual_header(0);
  nothing.last_offset_delta = 0;
  expect_refused(raw_batch(nothing, Bytes()), ErrorCode::invalid_record);
  expect_refused(batch_with(3, [](auto& h) { h.record_count = -1; }), ErrorCode::invalid_record);
}

TEST(Validate, ACountThatIsNotTheLastDeltaPlusOne) {
  expect_refused(batch_with(3, [](auto& h) { h.record_count = 2; }), ErrorCode::invalid_record);
  expect_refused(batch_with(3, [](auto& h) { h.last_offset_delta = 3; }),
                 ErrorCode::invalid_record);
  expect_refused(batch_with(3, [](auto& h) { h.last_offset_delta = -1; }),
                 ErrorCode::invalid_record);
}

TEST(Validate, AHugeLastDeltaMovesNoEnd) {
  expect_refused(batch_with(1, [](auto& h) { h.last_offset_delta = INT32_MAX; }),
                 ErrorCode::invalid_record);
  // Nor does one that agrees with the count, and with nothing else.
  const auto agree = [](auto& h) {
    h.last_offset_delta = INT32_MAX - 1;
    h.record_count = INT32_MAX;
  };
  expect_refused(batch_with(1, agree), ErrorCode::invalid_record);
  for (auto codec : packing_codecs) {
    BatchHeader header = usual_header(1);
    agree(header);
    expect_refused(packed_batch(codec, header, compress(codec, raw_records(usual_records(1)))),
                   ErrorCode::message_too_large);
  }
}

TEST(Validate, ABaseOffsetThatIsNotZero) {
  expect_refused(batch_with(3, [](auto& h) { h.base_offset = 5; }), ErrorCode::invalid_record);
  expect_refused(batch_with(3, [](auto& h) { h.base_offset = -1; }), ErrorCode::invalid_record);
}

TEST(Validate, MoreOrFewerRecordsInsideThanTheCountSays) {
  for (int32_t inside : {2, 4}) {
    const auto payload = raw_records(usual_records(inside));
    expect_refused(raw_batch(usual_header(3), payload), ErrorCode::invalid_record);
    for (auto codec : packing_codecs) {
      expect_refused(packed_batch(codec, usual_header(3), compress(codec, payload)),
                     ErrorCode::invalid_record);
    }
  }
}

TEST(Validate, ARecordThatIsNotAsLongAsItSays) {
  for (int32_t off : {-3, -1, 1, 3, 100'000}) {
    for (size_t index : {0, 1, 2}) {
      const auto records = with(3, index, [&](RawRecord& r) { r.length_off = off; });
      // What follows may be taken into a record that says too much.
      for (const Slice& batch : everywhere(records)) {
        const Verdict verdict = judge(batch);
        EXPECT_EQ(verdict.error, ErrorCode::invalid_record) << off;
        ASSERT_FALSE(verdict.faults.empty());
        EXPECT_EQ(verdict.faults.front().index, static_cast<int32_t>(index)) << verdict.text;
      }
    }
  }
  for (const Slice& batch : everywhere(with(2, 1, [](RawRecord& r) { r.length_off = -1000; }))) {
    expect_fault(batch, 1);
  }
}

TEST(Validate, JunkBehindTheLastRecord) {
  for (size_t size : {1, 7, 70'000}) {
    auto payload = raw_records(usual_records(3));
    payload.resize(payload.size() + size, 0x2a);
    expect_fault(raw_batch(usual_header(3), payload), 2);
    for (auto codec : packing_codecs) {
      expect_fault(packed_batch(codec, usual_header(3), compress(codec, payload)), 2);
    }
  }
}

TEST(Validate, KeysValuesAndHeadersThatDoNotParse) {
  const std::vector<std::pair<const char*, std::function<void(RawRecord&)>>> cases = {
      {"a value longer than the record", [](RawRecord& r) { r.value_length = 1000; }},
      {"a value of INT32_MAX", [](RawRecord& r) { r.value_length = INT32_MAX; }},
      {"a value below null", [](RawRecord& r) { r.value_length = -5; }},
      {"a negative count of headers", [](RawRecord& r) { r.header_count = -1; }},
      {"more headers than bytes", [](RawRecord& r) { r.header_count = INT32_MAX; }},
      {"headers that are not there", [](RawRecord& r) { r.header_count = 1; }},
      {"a header with a null key",
       [](RawRecord& r) {
         r.header_count = 1;
         r.headers = {1, 2, 'v'};
       }},
      {"a header's key longer than the record",
       [](RawRecord& r) {
         r.header_count = 1;
         r.headers = {100, 'k', 1};
       }},
      {"a header's value below null",
       [](RawRecord& r) {
         r.header_count = 1;
         r.headers = {2, 'k', 3};
       }},
      {"a varint without an end",
       [](RawRecord& r) {
         r.header_count = 1;
         r.headers = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
       }},
      {"bytes behind the headers", [](RawRecord& r) { r.headers = {0, 0}; }},
  };
  for (const auto& [what, change] : cases) {
    SCOPED_TRACE(what);
    for (const Slice& batch : everywhere(with(3, 1, change))) expect_fault(batch, 1);
  }
}

TEST(Validate, OffsetsThatAreNotDense) {
  for (int32_t delta : {0, 2, -1, INT32_MAX, INT32_MIN}) {
    for (const Slice& batch : everywhere(with(3, 1, [&](auto& r) { r.offset_delta = delta; }))) {
      expect_fault(batch, 1);
    }
  }
  for (const Slice& batch : everywhere(with(1, 0, [](auto& r) { r.offset_delta = 1; }))) {
    expect_fault(batch, 0);
  }
}

TEST(Validate, ACompactedTopicNamesEveryRecordWithoutAKey) {
  auto records = usual_records(5);
  records[1].key = std::nullopt;
  records[3].key = std::nullopt;
  records[4].key = "";
  RecordRules rules;
  rules.keys_required = true;
  for (const Slice& batch : everywhere(records)) {
    expect_accepted(batch);
    const Verdict verdict = judge(batch, rules);
    EXPECT_EQ(verdict.error, ErrorCode::invalid_record);
    ASSERT_EQ(verdict.faults.size(), 2u);
    EXPECT_EQ(verdict.faults[0].index, 1);
    EXPECT_EQ(verdict.faults[1].index, 3);
  }
}

TEST(Validate, AnAnswerDoesNotOutgrowItsRequest) {
  auto records = usual_records(10'000);
  for (RawRecord& record : records) record.key = std::nullopt;
  RecordRules rules;
  rules.keys_required = true;
  const Verdict verdict = judge(plain(records), rules);
  EXPECT_EQ(verdict.faults.size(), Verdict::max_faults);
  EXPECT_NE(verdict.text.find("9999 more"), std::string::npos) << verdict.text;
}

TEST(Validate, ControlBatchesAndProducersWithoutSequences) {
  expect_refused(batch_with(1, [](auto& h) { h.attributes = BatchHeader::control_bit; }),
                 ErrorCode::invalid_record);
  expect_refused(batch_with(1, [](auto& h) { h.producer_id = 7; }), ErrorCode::invalid_record);
}

TEST(Validate, LogAppendTimeIsNotAProducersToSet) {
  RecordRules stamping;
  stamping.timestamp_type = TimestampType::log_append_time;
  const auto batch =
      batch_with(1, [](auto& h) { h.attributes = BatchHeader::log_append_time_bit; });
  expect_refused(batch, ErrorCode::invalid_timestamp);
  expect_refused(batch, ErrorCode::invalid_timestamp, stamping);
}

Slice at_time(int64_t base, const std::vector<int64_t>& deltas, int64_t max = 0) {
  auto records = usual_records(static_cast<int32_t>(deltas.size()));
  for (size_t i = 0; i < deltas.size(); ++i) records[i].timestamp_delta = deltas[i];
  BatchHeader header = usual_header(static_cast<int32_t>(deltas.size()));
  header.base_timestamp = base;
  header.max_timestamp = max;
  return raw_batch(header, raw_records(records));
}

TEST(Validate, TimestampsOutsideTheAllowedRangeAreNamed) {
  RecordRules rules;
  rules.before_max_ms = 500;
  rules.after_max_ms = 200;
  expect_accepted(at_time(now_ms, {-500, 200, 0}), rules);
  expect_fault(at_time(now_ms, {0, -501}), 1, rules, ErrorCode::invalid_timestamp);
  expect_fault(at_time(now_ms, {0, 0, 201}), 2, rules, ErrorCode::invalid_timestamp);
  expect_accepted(at_time(-1, {0}), rules);  // no timestamp at all
  rules.timestamp_type = TimestampType::log_append_time;
  expect_accepted(at_time(now_ms, {0, -501, 5000}), rules);
}

TEST(Validate, AbsurdTimestampsOverflowNothing) {
  RecordRules kafkas;  // the defaults of Kafka 4
  kafkas.after_max_ms = 3'600'000;
  expect_fault(at_time(highest, {0}), 0, kafkas, ErrorCode::invalid_timestamp);
  expect_fault(at_time(now_ms * 1000, {0}), 0, kafkas, ErrorCode::invalid_timestamp);  // in us
  expect_fault(at_time(lowest, {0}), 0, kafkas, ErrorCode::invalid_timestamp);
  expect_accepted(at_time(-5, {0}), kafkas);  // before 1970
  RecordRules none;
  none.timestamp_type = TimestampType::log_append_time;
  for (int64_t base : {lowest, highest, int64_t{0}}) {
    for (int64_t delta : {lowest, highest}) expect_accepted(at_time(base, {0, delta}), none);
  }
}

TEST(Validate, TheMaximumIsWhatTheRecordsSay) {
  for (int64_t said : {int64_t{-1}, int64_t{0}, lowest, highest, now_ms}) {
    const Verdict verdict = judge(at_time(now_ms, {0, 30, 7}, said));
    ASSERT_TRUE(verdict.accepted()) << verdict.text;
    EXPECT_EQ(verdict.max_timestamp, now_ms + 30) << said;
  }
  EXPECT_EQ(judge(at_time(-1, {0, 0}, 77)).max_timestamp, -1);
  EXPECT_EQ(judge(at_time(-100, {0, 5}, 77)).max_timestamp, -1) << "as in Kafka";
}

// Damage that the CRC was made to agree with: whatever is taken can be read to its end.
TEST(Validate, WhatIsAcceptedIsReadable) {
  auto records = usual_records(40);
  records[3].header_count = 1;
  records[3].headers = {2, 'h', 2, 'v'};
  Fill fill(3);
  int accepted = 0;
  for (const Slice& good : everywhere(records)) {
    for (int round = 0; round < 3000; ++round) {
      std::vector<uint8_t> bytes(good.view().begin(), good.view().end());
      const size_t at = batch_crc_start + fill.pick(bytes.size() - batch_crc_start);
      bytes[at] ^= static_cast<uint8_t>(1u << fill.pick(8));
      renew_batch_crc(bytes);
      const Slice batch = Slice::take(std::move(bytes));
      if (!judge(batch).accepted()) continue;
      ++accepted;
      expect_readable(batch);
    }
  }
  EXPECT_GT(accepted, 100) << "values and timestamps may be anything";
}

}  // namespace
}  // namespace isthmus::kafka
