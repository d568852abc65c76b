// Consuming: from the first offset until `records` have come, each batch checked: its offset
// follows the last one's, its CRC is right, and it is that of the batch that the producer made.
// With stamped=1 content is free, and the first record of each batch says when the batch was due.
#include "bench/load.h"
#include "kafka/batch.h"
#include "kafka/gen/fetch.h"

namespace isthmus::bench {

namespace {

constexpr int16_t fetch_version = 11;     // as librdkafka 2.0
constexpr int32_t fetch_bytes = 8 << 20;  // of the partition, if `fetch` does not say another

kafka::FetchRequest request_from(const Target& target, Offset offset, int32_t bytes) {
  kafka::FetchRequest request;
  request.max_wait_ms = 500;
  request.min_bytes = 1;
  request.max_bytes = 50 << 20;
  auto& topic = request.topics.emplace_back();
  topic.topic = target.partition.topic;
  auto& partition = topic.partitions.emplace_back();
  partition.fetch_offset = offset;
  partition.partition_max_bytes = bytes;
  return request;
}

Slice records_of(const kafka::FetchResponse& response) {
  if (response.responses.size() != 1 || response.responses[0].partitions.size() != 1) {
    give_up("an answer for other partitions than were asked");
  }
  const auto& answer = response.responses[0].partitions[0];
  if (answer.error_code != kafka::ErrorCode::none) {
    give_up("fetch: " + std::string(kafka::error_name(answer.error_code)));
  }
  return must(answer.records.flatten(), "fetch");
}

struct Check {
  const Batches& batches;
  bool stamped;
  Offset next = 0;
  int64_t number = 0;
};

void verify(Check& check, Bytes records, io::Instant now, Measured& measured) {
  kafka::BatchIterator iterator(records, true);
  while (auto batch = iterator.next()) {
    if (batch->header.base_offset != check.next) {
      give_up("a batch of offset " + std::to_string(batch->header.base_offset) + " instead of " +
              std::to_string(check.next));
    }
    if (!check.stamped && batch->header.crc != check.batches.crc_of(check.number)) {
      give_up("batch " + std::to_string(check.number) + " is not what was produced");
    }
    if (check.stamped && check.number > 0) {
      measured.latencies.push_back(now - check.batches.stamp_of(batch->bytes));
    }
    check.next = batch->header.next_offset();
    ++check.number;
    measured.bytes += static_cast<int64_t>(batch->bytes.size());
    measured.records += batch->header.record_count;
  }
  if (iterator.end() == kafka::BatchIterator::End::corrupt) {
    give_up("fetched batch: " + iterator.error().text);
  }
}

}  // namespace

io::Task<void> consume(Target& target, const Arguments& arguments) {
  auto connection = co_await connect(target);
  const Batches batches = make_batches(arguments);
  Check check{batches, arguments.number("stamped", 0) != 0};
  const int64_t wanted = arguments.number("records");
  const auto bytes = static_cast<int32_t>(arguments.number("fetch", fetch_bytes));
  Measured measured;
  measured.began = target.loop.now();
  while (measured.records < wanted) {
    const io::Instant asked = target.loop.now();
    auto answered = co_await connection->call(request_from(target, check.next, bytes),
                                              asked + patience, fetch_version);
    const auto answer = must(std::move(answered), "fetch");
    if (!check.stamped) measured.latencies.push_back(target.loop.now() - asked);
    verify(check, records_of(answer), target.loop.now(), measured);
  }
  measured.ended = target.loop.now();
  measured.end = check.next;
  print(measured);
}

}  // namespace isthmus::bench
