// Batches and requests as the tests of the handlers write them, and what a fetch brought.
#pragma once

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "kafka/batch.h"
#include "kafka/gen/fetch.h"
#include "kafka/gen/produce.h"

namespace isthmus::broker {

struct Value {
  int64_t timestamp = 1000;
  std::string text = "value";
};

struct Producing {
  ProducerId id = -1;
  ProducerEpoch epoch = -1;
  int32_t sequence = -1;
};

inline Slice make_batch(const std::vector<Value>& values, Producing producer = {},
                        LeaderEpoch epoch = -1, Offset base_offset = 0) {
  kafka::BatchBuilder builder({.base_offset = base_offset,
                               .leader_epoch = epoch,
                               .producer_id = producer.id,
                               .producer_epoch = producer.epoch,
                               .base_sequence = producer.sequence});
  for (const Value& v : values) builder.add(v.timestamp, std::nullopt, as_bytes(v.text));
  return std::move(builder).finish();
}

inline kafka::ProduceRequest produce_request(const std::string& topic, Slice batch,
                                             int16_t acks = -1, PartitionIndex partition = 0) {
  kafka::ProduceRequest request;
  request.acks = acks;
  request.timeout_ms = 10'000;
  auto& t = request.topic_data.emplace_back();
  t.name = topic;
  t.partition_data.push_back({partition, Rope(std::move(batch))});
  return request;
}

struct Fetching {
  Offset offset = 0;
  LeaderEpoch current_epoch = -1;
  LeaderEpoch last_fetched_epoch = -1;
  int32_t max_bytes = 1 << 20;
  int32_t max_wait_ms = 0;
};

inline kafka::FetchRequest fetch_request(const std::string& topic, const Fetching& f) {
  kafka::FetchRequest request;
  request.max_wait_ms = f.max_wait_ms;
  request.min_bytes = 1;
  auto& t = request.topics.emplace_back();
  t.topic = topic;
  auto& p = t.partitions.emplace_back();
  p.fetch_offset = f.offset;
  p.current_leader_epoch = f.current_epoch;
  p.last_fetched_epoch = f.last_fetched_epoch;
  p.partition_max_bytes = f.max_bytes;
  return request;
}

// Base offsets of the batches in `data`.
inline std::vector<Offset> bases(const kafka::FetchResponse::PartitionData& data) {
  std::vector<Offset> all;
  auto bytes = data.records.flatten();
  kafka::BatchIterator walk(*bytes, true);
  while (auto batch = walk.next()) all.push_back(batch->header.base_offset);
  EXPECT_EQ(walk.end(), kafka::BatchIterator::End::clean);
  return all;
}

}  // namespace isthmus::broker
