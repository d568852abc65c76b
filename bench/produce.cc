// Producing: `in_flight` requests at a time, or `rate` bytes per second for `seconds`. The offsets
// of the answers must be those that the order of sending gives.
#include "kafka/gen/produce.h"
#include "bench/load.h"

namespace isthmus::bench {

namespace {

// What stock librdkafka 2.0 speaks, and all that a floor understands.
constexpr int16_t produce_version = 7;

struct Producer {
  Target& target;
  const Batches batches;
  std::shared_ptr<client::Connection> connection;
  int16_t acks;
  bool samples;
  int32_t partitions;
  int64_t next = 0;     // the number of the batch to send
  int64_t end = 0;      // the number to stop at
  Offset first_offset;  // of batch 0, told by the first answer
  Measured measured;
  size_t under_way = 0;
  io::Event changed;
};

int32_t partition_of(const Producer& producer, int64_t number) {
  return producer.target.partition.partition + static_cast<int32_t>(number % producer.partitions);
}

kafka::ProduceRequest request_for(const Producer& producer, int64_t number, Slice batch) {
  kafka::ProduceRequest request;
  request.acks = producer.acks;
  request.timeout_ms = 30'000;
  auto& topic = request.topic_data.emplace_back();
  topic.name = producer.target.partition.topic;
  topic.partition_data.push_back({partition_of(producer, number), Rope(std::move(batch))});
  return request;
}

void verify(Producer& producer, int64_t number, const kafka::ProduceResponse& response) {
  const bool one =
      response.responses.size() == 1 && response.responses[0].partition_responses.size() == 1;
  if (!one) give_up("an answer for other partitions than were asked");
  const auto& answer = response.responses[0].partition_responses[0];
  if (answer.error_code != kafka::ErrorCode::none) {
    give_up("produce: " + std::string(kafka::error_name(answer.error_code)));
  }
  if (number == 0) producer.first_offset = answer.base_offset;
  const int64_t before = number / producer.partitions;  // of the same partition
  const Offset expected = producer.first_offset + before * producer.batches.records_per_batch();
  if (answer.index != partition_of(producer, number) || answer.base_offset != expected) {
    give_up("batch " + std::to_string(number) + " got offset " +
            std::to_string(answer.base_offset) + " instead of " + std::to_string(expected));
  }
}

// One batch, from the moment at which it was due.
io::Task<void> send(Producer& producer, int64_t number, Slice batch, io::Instant due) {
  const auto size = static_cast<int64_t>(batch.size());
  auto request = request_for(producer, number, std::move(batch));
  auto answered = co_await producer.connection->call(
      std::move(request), producer.target.loop.now() + patience, produce_version);
  const auto answer = must(std::move(answered), "produce");
  verify(producer, number, answer);
  producer.measured.latencies.push_back(producer.target.loop.now() - due);
  if (producer.samples) producer.measured.due.push_back(due);
  producer.measured.bytes += size;
  producer.measured.records += producer.batches.records_per_batch();
}

io::Task<void> send_some(Producer& producer) {
  while (!producer.target.enough && producer.next < producer.end) {
    const int64_t number = producer.next++;
    co_await send(producer, number, producer.batches.at(number), producer.target.loop.now());
  }
  --producer.under_way;
  producer.changed.notify_all();
}

io::Task<void> send_one(Producer& producer, int64_t number, Slice batch, io::Instant due) {
  co_await send(producer, number, std::move(batch), due);
  --producer.under_way;
  producer.changed.notify_all();
}

io::Task<void> send_at_rate(Producer& producer, int64_t rate, io::Instant began) {
  const auto size = static_cast<int64_t>(producer.batches.at(0).size());
  const auto interval = io::Duration(size * 1'000'000'000 / rate);
  while (!producer.target.enough && producer.next < producer.end) {
    const int64_t number = producer.next++;
    const io::Instant due = began + interval * number;
    if (due > producer.target.loop.now()) {
      co_await io::sleep(producer.target.loop, due - producer.target.loop.now());
    }
    ++producer.under_way;
    producer.target.gate.spawn(
        "send", send_one(producer, number, producer.batches.stamped(number, due), due));
  }
}

}  // namespace

io::Task<void> produce(Target& target, const Arguments& arguments) {
  auto connection = co_await connect(target);
  Producer producer{target,
                    make_batches(arguments),
                    std::move(connection),
                    static_cast<int16_t>(arguments.number("acks", -1)),
                    arguments.number("samples", 0) != 0,
                    static_cast<int32_t>(arguments.number("partitions", 1)),
                    0,
                    0,
                    -1,
                    {},
                    0,
                    io::Event(target.loop)};
  const auto size = static_cast<int64_t>(producer.batches.at(0).size());
  const int64_t rate = arguments.number("rate", 0);
  producer.end = (rate > 0 ? rate * arguments.number("seconds") : arguments.number("bytes")) / size;
  // The first request opens what is opened once (files, buffers) and tells the first offset.
  co_await send(producer, producer.next++, producer.batches.at(0), target.loop.now());
  producer.measured = {};
  producer.measured.began = target.loop.now();
  if (rate > 0) {
    co_await send_at_rate(producer, rate, producer.measured.began);
  } else {
    producer.under_way = static_cast<size_t>(arguments.number("in_flight", 5));
    for (size_t i = producer.under_way; i > 0; --i) {
      target.gate.spawn("producer", send_some(producer));
    }
  }
  while (producer.under_way > 0) co_await producer.changed.wait();
  producer.measured.ended = target.loop.now();
  producer.measured.end =
      producer.first_offset + producer.next * producer.batches.records_per_batch();
  print(producer.measured);
}

}  // namespace isthmus::bench
