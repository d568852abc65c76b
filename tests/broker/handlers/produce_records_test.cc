// Produce, of batches that lie or take long to look into: what is answered, and who waits.
#include "tests/broker/handlers/broker_world.h"
#include "tests/kafka/lies.h"

namespace isthmus::broker {
namespace {

using kafka::BatchHeader;
using kafka::Compression;

class ProduceRecords : public BrokerWorld {
 protected:
  std::optional<std::string> error_of_first(const Produced& answer) {
    if (answer.record_errors.empty()) return std::nullopt;
    return answer.record_errors[0].batch_index_error_message;
  }
  // A batch of one record at `timestamp`, which says that its maximum is `max`.
  static Slice at_time(int64_t timestamp, int64_t max) {
    BatchHeader header = kafka::usual_header(1);
    header.base_timestamp = timestamp;
    header.max_timestamp = max;
    return kafka::raw_batch(header, kafka::raw_records(kafka::usual_records(1)));
  }
  // The batch that lies at `offset`.
  BatchHeader stored(Offset offset) {
    auto bytes = fetch("t", {.offset = offset}).records.flatten();
    auto header = kafka::BatchIterator(*bytes, true).next();
    EXPECT_TRUE(header) << "and its CRC is good";
    return header ? header->header : BatchHeader();
  }
  // More than a loop looks into by itself.
  static Slice large_packed_batch() {
    kafka::RawRecord record;
    record.value = std::string(4 << 20, 'x');
    const auto packed = kafka::compress(Compression::gzip, record.bytes());
    return kafka::packed_batch(Compression::gzip, kafka::usual_header(1), packed);
  }
};
ON_ONE_LOOP_AND_ON_TWO(ProduceRecords);

TEST_P(ProduceRecords, WhatLiesIsRefusedAndMovesNothing) {
  start();
  create("t");
  using Change = std::function<void(BatchHeader&)>;
  const std::vector<Change> changes = {
      [](auto& h) { h.record_count = 0; }, [](auto& h) { h.record_count = 2; },
      [](auto& h) { h.record_count = 4; }, [](auto& h) { h.last_offset_delta = INT32_MAX; },
      [](auto& h) { h.base_offset = 7; },  [](auto& h) { h.attributes = BatchHeader::control_bit; },
  };
  for (const Change& change : changes) {
    auto answer = produce("t", kafka::batch_with(3, change));
    EXPECT_EQ(answer.error_code, ErrorCode::invalid_record);
    EXPECT_NE(answer.error_message.value_or(""), "");
  }
  EXPECT_EQ(list_offset("t", -1).offset, 0) << "nothing of all this was stored";
}

TEST_P(ProduceRecords, ABodyThatDoesNotDecompressIsNotStored) {
  start();
  create("t");
  const auto payload = kafka::raw_records(kafka::usual_records(50));
  for (auto codec : {Compression::gzip, Compression::snappy, Compression::lz4, Compression::zstd}) {
    const Slice packed = kafka::compress(codec, payload);
    const Bytes cut = packed.view().first(packed.size() - 9);
    auto answer = produce("t", kafka::packed_batch(codec, kafka::usual_header(50), cut));
    EXPECT_EQ(answer.error_code, ErrorCode::invalid_record);
  }
  EXPECT_EQ(list_offset("t", -1).offset, 0);
}

// KIP-467: which record it was, so that the application hears of that one.
TEST_P(ProduceRecords, AKeylessRecordInACompactedTopicIsNamed) {
  start();
  create("t", 1, {{"cleanup.policy", "compact"}});
  auto records = kafka::usual_records(3);
  records[1].key = std::nullopt;
  const Slice batch = kafka::raw_batch(kafka::usual_header(3), kafka::raw_records(records));
  auto answer = produce("t", batch);
  EXPECT_EQ(answer.error_code, ErrorCode::invalid_record);
  ASSERT_EQ(answer.record_errors.size(), 1u);
  EXPECT_EQ(answer.record_errors[0].batch_index, 1);
  EXPECT_NE(error_of_first(answer).value_or(""), "");
  EXPECT_EQ(list_offset("t", -1).offset, 0);
}

TEST_P(ProduceRecords, OneBadPartitionOfARequestIsAlone) {
  start();
  create("t", 2);
  auto request = produce_request("t", kafka::batch_with(2, [](auto& h) { h.record_count = 1; }));
  request.topic_data[0].partition_data.push_back({1, Rope(make_batch({{}}))});
  auto answers = ask(request).responses.at(0).partition_responses;
  EXPECT_EQ(answers.at(0).error_code, ErrorCode::invalid_record);
  EXPECT_EQ(answers.at(1).error_code, ErrorCode::none);
  EXPECT_EQ(list_offset("t", -1, -1, 1).offset, 1);
}

TEST_P(ProduceRecords, ATimestampFarAheadIsRefusedAndNamed) {
  start();
  create("t");
  create("any", 1, {{"message.timestamp.after.max.ms", std::to_string(INT64_MAX)}});
  create("fresh", 1, {{"message.timestamp.before.max.ms", "1000"}});
  const int64_t now = site_ms();
  constexpr int64_t hour = 3'600'000;
  EXPECT_EQ(produce("t", at_time(now + hour - 10'000, now)).error_code, ErrorCode::none);
  for (int64_t ahead : {now + hour + 10'000, now * 1000, INT64_MAX, INT64_MIN}) {
    auto answer = produce("t", at_time(ahead, now));
    EXPECT_EQ(answer.error_code, ErrorCode::invalid_timestamp) << ahead;
    EXPECT_EQ(answer.record_errors.size(), 1u);
  }
  EXPECT_EQ(produce("any", at_time(now * 1000, now)).error_code, ErrorCode::none);
  EXPECT_EQ(produce("fresh", at_time(now - 60'000, now)).error_code, ErrorCode::invalid_timestamp);
  EXPECT_EQ(list_offset("t", -1).offset, 1);
}

// As sarama did up to 1.45.0: it says -1. Retention and lookups by time go by the maximum.
TEST_P(ProduceRecords, AMaximumThatTheProducerLeftOutIsSet) {
  start();
  create("t");
  const int64_t now = site_ms();
  for (int64_t said : {int64_t{-1}, int64_t{0}, now + 1'000'000, INT64_MAX}) {
    auto answer = produce("t", at_time(now, said));
    ASSERT_EQ(answer.error_code, ErrorCode::none) << said;
    EXPECT_EQ(stored(answer.base_offset).max_timestamp, now) << said;
  }
  EXPECT_EQ(list_offset("t", now).offset, 0);
  EXPECT_EQ(list_offset("t", now + 1).offset, -1);
  auto newest = list_offset("t", -3);
  EXPECT_EQ(newest.offset, 0);
  EXPECT_EQ(newest.timestamp, now);
}

TEST_P(ProduceRecords, TheBrokersDefaultMayBeLogAppendTime) {
  config.broker.log_message_timestamp_type = process::TimestampType::log_append_time;
  start();
  create("t");
  auto answer = produce("t", at_time(INT64_MAX, -1));
  EXPECT_EQ(answer.error_code, ErrorCode::none);
  EXPECT_EQ(answer.log_append_time_ms, stored(0).max_timestamp);
}

TEST_P(ProduceRecords, ABombIsRefused) {
  config.broker.message_max_bytes = 100'000;  // of which 16 MiB may come
  start();
  create("t");
  for (auto codec : {Compression::gzip, Compression::zstd}) {
    EXPECT_EQ(produce("t", kafka::bomb(codec, 20 << 20)).error_code, ErrorCode::message_too_large);
  }
  EXPECT_EQ(produce("t", large_packed_batch()).error_code, ErrorCode::none);
  EXPECT_EQ(list_offset("t", -1).offset, 1);
}

TEST_P(ProduceRecords, ALargeBatchIsLookedIntoBesideTheLoopAndASmallOneOnIt) {
  start();
  create("t");
  EXPECT_EQ(produce("t", make_batch({{}})).error_code, ErrorCode::none);
  EXPECT_EQ(workers().jobs(), 0u);
  EXPECT_EQ(produce("t", large_packed_batch()).error_code, ErrorCode::none);
  EXPECT_EQ(workers().jobs(), 1u);
}

TEST_P(ProduceRecords, WhatIsSentBehindALargeBatchIsAppendedBehindIt) {
  start();
  create("t");
  workers().take(std::chrono::seconds(5));
  std::optional<kafka::ProduceResponse> large;
  std::optional<kafka::ProduceResponse> small;
  client()->spawn("large", call(*connection, produce_request("t", large_packed_batch()), large));
  client()->spawn("small", call(*connection, produce_request("t", make_batch({{}})), small));
  world.run_for(std::chrono::seconds(4));
  EXPECT_FALSE(large || small);
  world.run_for(std::chrono::seconds(4));
  ASSERT_TRUE(large && small);
  EXPECT_EQ(large->responses.at(0).partition_responses.at(0).base_offset, 0);
  EXPECT_EQ(small->responses.at(0).partition_responses.at(0).base_offset, 1);
}

TEST_P(ProduceRecords, WhileOneClientsBatchIsUnpackedTheOthersGoOn) {
  start();
  create("t");
  workers().take(std::chrono::seconds(5));
  std::optional<kafka::ProduceResponse> large;
  client()->spawn("large", call(*connection, produce_request("t", large_packed_batch()), large));
  world.run_for(std::chrono::seconds(1));
  auto other = dial({"site", 9092});
  std::optional<kafka::ProduceResponse> small;
  client()->spawn("small", call(*other, produce_request("t", make_batch({{}})), small));
  world.run_for(std::chrono::seconds(1));
  ASSERT_TRUE(small);
  EXPECT_FALSE(large);
  EXPECT_EQ(small->responses.at(0).partition_responses.at(0).base_offset, 0);
  world.run_for(std::chrono::seconds(5));
  EXPECT_EQ(large->responses.at(0).partition_responses.at(0).base_offset, 1);
}

}  // namespace
}  // namespace isthmus::broker
