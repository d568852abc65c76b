// Routes with compression.type: what a node is sent, in which order, and what is counted of it.
#include "router/compression.h"

#include "tests/router/router_world.h"

namespace isthmus::router::compressing {
namespace {

using kafka::Compression;
using kafka::ErrorCode;
using kafka::Recompression;

// Text of which the codecs make a third or less.
Slice text_batch(size_t size, kafka::BatchBuilder::Options options = {}) {
  constexpr std::string_view words[] = {"order ", "shipped ", "customer ", "17 ", "warehouse "};
  uint64_t state = size;
  kafka::BatchBuilder batch(options);
  while (batch.uncompressed_size() < size) {
    std::string value;
    while (value.size() < 500) value += words[(state = state * 6364136223846793005u + 1) % 5];
    batch.add(1'000, as_bytes("key"), as_bytes(value));
  }
  return std::move(batch).finish();
}
Slice numbered(int32_t sequence, size_t size) {
  kafka::BatchBuilder::Options options;
  options.producer_id = 7;
  options.producer_epoch = 0;
  options.base_sequence = sequence;
  return text_batch(size, options);
}

kafka::ProduceRequest of(const std::string& topic, Slice batch, int16_t acks = -1) {
  kafka::ProduceRequest request;
  request.acks = acks;
  request.timeout_ms = 1234;
  request.topic_data.push_back({topic, {{0, Rope(std::move(batch))}}});
  return request;
}

using Waiting = io::Task<Result<Slice>>;
Waiting send(client::Connection& connection, const kafka::ProduceRequest& request,
             int16_t version = 9) {
  kafka::Writer body;
  request.encode(body, version);
  return connection.call_raw({0, version, "c", std::move(body).finish(), request.acks != 0},
                             io::soon(8000));
}
io::Task<ErrorCode> error_in(Waiting waiting, int16_t version = 9) {
  auto answer = co_await waiting;
  EXPECT_TRUE(answer.has_value()) << answer.error().text;
  if (!answer) co_return ErrorCode::network_exception;
  co_return error_of(client::decode_response<kafka::ProduceResponse>(std::move(*answer), version));
}

// What a node was sent; it answers with `answer`.
struct Node {
  explicit Node(SiteBroker& broker) {
    broker.on<kafka::ProduceRequest>([this](const kafka::ProduceRequest& request) {
      EXPECT_EQ(request.timeout_ms, 1234);
      for (const auto& topic : request.topic_data) {
        for (const auto& partition : topic.partition_data) {
          batches.push_back(*partition.records.flatten());
        }
      }
      return std::optional(produced(request, 0, answer));
    });
  }
  kafka::BatchHeader header(size_t i) const { return kafka::decode_batch_header(batches.at(i)); }

  ErrorCode answer = ErrorCode::none;
  std::vector<Slice> batches;
};

io::Task<void> until_sent(RouterWorld* w, const Node& node, size_t count) {
  const io::Instant deadline = io::soon(60'000);
  while (node.batches.size() < count && w->world.loop().now() < deadline) {
    co_await io::sleep(w->world.loop(), io::milliseconds(5));
  }
  EXPECT_EQ(node.batches.size(), count);
}

std::string records_of(Bytes batch) {
  auto reader = kafka::RecordReader::open(batch);
  EXPECT_TRUE(reader.has_value());
  if (!reader) return "";
  std::string all;
  kafka::Record record;
  while (reader->next(record)) {
    all += std::to_string(record.offset) + std::string(as_text(*record.key)) +
           std::string(as_text(*record.value));
  }
  EXPECT_TRUE(reader->ok());
  return all;
}

void compress_all(RouterWorld& w, Compression codec) {
  w.config.routes.back().compression.type = codec;
  for (const char* topic : {"orders", "logs"}) {
    w.seoul.add_topic(topic);
    w.tokyo.add_topic(topic);
  }
}

const Compressed& counted(RouterWorld* w, Compression codec, const std::string& site = "seoul") {
  static const Compressed nothing;
  const auto found = w->router->picture().compressed.find({site, codec});
  return found == w->router->picture().compressed.end() ? nothing : found->second;
}
uint64_t batches(const Compressed& counts, Recompression what) {
  return counts.batches[static_cast<size_t>(what)];
}

io::Task<void> off(RouterWorld* w) {
  Node seoul(w->seoul.broker);
  auto connection = co_await w->at(101);
  const Slice batch = text_batch(100'000);
  EXPECT_EQ(co_await error_in(send(*connection, of("orders", batch))), ErrorCode::none);
  EXPECT_EQ(seoul.batches, std::vector<Slice>{batch});
  EXPECT_TRUE(w->router->picture().compressed.empty());
}
TEST(RouterCompression, IsOffByDefault) {
  RouterWorld w;
  compress_all(w, Compression::none);
  w.run(off(&w));
}

io::Task<void> on(RouterWorld* w, Compression codec) {
  Node seoul(w->seoul.broker);
  auto connection = co_await w->at(101);
  const Slice batch = numbered(41, 100'000);
  EXPECT_EQ(co_await error_in(send(*connection, of("orders", batch))), ErrorCode::none);
  EXPECT_EQ(seoul.batches.size(), 1u);
  if (seoul.batches.size() != 1) co_return;
  const Slice& sent = seoul.batches[0];
  EXPECT_TRUE(kafka::check_batch(sent).has_value());
  EXPECT_EQ(seoul.header(0).compression(), codec);
  EXPECT_EQ(seoul.header(0).base_sequence, 41);
  EXPECT_EQ(seoul.header(0).producer_id, 7);
  EXPECT_EQ(records_of(sent), records_of(batch));
  EXPECT_LT(sent.size(), batch.size() / 2);
  const Compressed& counts = counted(w, codec);
  EXPECT_EQ(batches(counts, Recompression::compressed), 1u);
  EXPECT_EQ(counts.bytes_in, batch.size());
  EXPECT_EQ(counts.bytes_out, sent.size());
  EXPECT_GT(counts.cpu_seconds, 0);
  EXPECT_EQ(w->router->picture().requests.used(), 0u);
}
TEST(RouterCompression, ANodeIsSentTheSameRecordsCompressed) {
  for (const auto codec : {Compression::gzip, Compression::lz4, Compression::zstd}) {
    RouterWorld w;
    compress_all(w, codec);
    w.run(on(&w, codec));
  }
}

// One request, several topics and partitions: each is as its own route says.
io::Task<void> mixed(RouterWorld* w) {
  Node seoul(w->seoul.broker);
  auto connection = co_await w->at(101);
  const Slice plain = text_batch(20'000), small = text_batch(10),
              packed = text_batch(20'000, {.compression = Compression::gzip});
  kafka::ProduceRequest request = of("orders", plain);
  for (const Slice& batch : {small, packed, Slice::copy_of("no batch"), Slice()}) {
    auto& partitions = request.topic_data[0].partition_data;
    partitions.push_back({static_cast<PartitionIndex>(partitions.size()), Rope(batch)});
  }
  request.topic_data.push_back(of("logs", plain).topic_data[0]);
  request.transactional_id = "tx";
  (void)co_await error_in(send(*connection, request));
  EXPECT_EQ(seoul.batches.size(), 6u);
  if (seoul.batches.size() != 6) co_return;
  EXPECT_EQ(seoul.header(0).compression(), Compression::zstd);
  EXPECT_EQ(records_of(seoul.batches[0]), records_of(plain));
  EXPECT_EQ(seoul.batches[1], small);
  EXPECT_EQ(seoul.batches[2], packed);
  EXPECT_EQ(as_text(seoul.batches[3]), "no batch") << "the broker says what is wrong with it";
  EXPECT_TRUE(seoul.batches[4].empty());
  EXPECT_EQ(seoul.batches[5], plain) << "another route";
  const Compressed& counts = counted(w, Compression::zstd);
  EXPECT_EQ(batches(counts, Recompression::compressed), 1u);
  EXPECT_EQ(batches(counts, Recompression::too_small), 1u);
  EXPECT_EQ(batches(counts, Recompression::compressed_before), 1u);
  EXPECT_EQ(batches(counts, Recompression::invalid), 2u);
  EXPECT_EQ(w->router->picture().compressed.size(), 1u);
}
TEST(RouterCompression, EachTopicIsTreatedAsItsRouteSaysAndWhatIsPackedOrWrongPasses) {
  RouterWorld w;
  compress_all(w, Compression::zstd);
  w.config.routes.push_back({.topic = "logs", .cluster = "seoul"});
  w.run(mixed(&w));
}

// A node refuses zstd before Produce v7.
io::Task<void> old_requests(RouterWorld* w, Compression codec, int16_t version, bool compressed) {
  Node seoul(w->seoul.broker);
  auto connection = co_await w->at(101);
  const auto error =
      co_await error_in(send(*connection, of("orders", text_batch(9000)), version), version);
  EXPECT_EQ(error, ErrorCode::none);
  EXPECT_EQ(seoul.header(0).compression(), compressed ? codec : Compression::none);
  const Compressed& counts = counted(w, codec);
  EXPECT_EQ(batches(counts, Recompression::compressed), compressed ? 1u : 0u);
  EXPECT_EQ(counts.too_old, compressed ? 0u : 1u);
}
TEST(RouterCompression, ARequestOfAnOldVersionHasOnlyTheCodecsOfItsTime) {
  struct {
    Compression codec;
    int16_t version;
    bool compressed;
  } cases[] = {{Compression::zstd, 6, false},
               {Compression::zstd, 7, true},
               {Compression::lz4, 3, true},
               {Compression::gzip, 3, true}};
  for (const auto& c : cases) {
    SCOPED_TRACE(c.version);
    RouterWorld w;
    compress_all(w, c.codec);
    w.run(old_requests(&w, c.codec, c.version, c.compressed));
  }
}

// Those that need no worker do not overtake one that waits for it.
io::Task<void> pipelined(RouterWorld* w) {
  Node seoul(w->seoul.broker);
  auto connection = co_await w->at(101);
  std::vector<Waiting> waiting;
  constexpr size_t sizes[] = {3'000'000, 100, 200'000, 100, 1'000'000, 100};
  for (int i = 0; i < 6; ++i) {
    waiting.push_back(send(*connection, of("orders", numbered(i, sizes[i]))));
  }
  for (auto& one : waiting) EXPECT_EQ(co_await error_in(std::move(one)), ErrorCode::none);
  EXPECT_EQ(seoul.batches.size(), 6u);
  for (size_t i = 0; i < seoul.batches.size(); ++i) {
    EXPECT_EQ(seoul.header(i).base_sequence, static_cast<int32_t>(i));
  }
}
TEST(RouterCompression, TheOrderOfAConnectionStays) {
  RouterWorld w;
  compress_all(w, Compression::zstd);
  w.config.routes.back().compression.zstd_level = 9;
  w.run(pipelined(&w));
}

io::Task<void> silent(RouterWorld* w) {
  Node seoul(w->seoul.broker);
  auto connection = co_await w->at(101);
  auto none = co_await send(*connection, of("orders", text_batch(9000), 0));
  EXPECT_TRUE(none.has_value());
  co_await until_sent(w, seoul, 1);
  EXPECT_EQ(seoul.header(0).compression(), Compression::lz4);
}
TEST(RouterCompression, WithoutAcksToo) {
  RouterWorld w;
  compress_all(w, Compression::lz4);
  w.run(silent(&w));
}

// What a move takes elsewhere goes on as it was sent first.
io::Task<void> moved(RouterWorld* w) {
  Node seoul(w->seoul.broker), tokyo(w->tokyo.broker);
  seoul.answer = ErrorCode::not_leader_or_follower;
  w->seoul.broker.delay = io::milliseconds(200);
  auto connection = co_await w->at(101);
  auto first = send(*connection, of("orders", numbered(0, 20'000)));
  co_await until_sent(w, seoul, 1);
  w->tokyo.learn_of_takeover();
  EXPECT_EQ(co_await error_in(std::move(first)), ErrorCode::none);
  auto second = send(*connection, of("orders", numbered(1, 20'000)));
  EXPECT_EQ(co_await error_in(std::move(second)), ErrorCode::none);
  EXPECT_EQ(tokyo.batches.size(), 2u);
  if (tokyo.batches.size() != 2) co_return;
  EXPECT_EQ(tokyo.batches[0], seoul.batches.at(0));
  EXPECT_EQ(tokyo.header(1).compression(), Compression::zstd);
  EXPECT_EQ(batches(counted(w, Compression::zstd), Recompression::compressed), 1u);
  EXPECT_EQ(batches(counted(w, Compression::zstd, "tokyo"), Recompression::compressed), 1u)
      << "each is counted once, where it went when it came";
  EXPECT_EQ(batches(counted(w, Compression::zstd), Recompression::compressed_before), 0u);
}
TEST(RouterCompression, WhatAMoveTakesElsewhereIsCompressedOnce) {
  RouterWorld w;
  compress_all(w, Compression::zstd);
  w.run(moved(&w));
}

// Jobs are done when the test says so, on the loop.
class HeldWorkers : public io::Workers {
 public:
  void submit(Job job) override {
    ++submitted;
    jobs_.push_back(std::move(job));
    if (!held) let_go();
  }
  void let_go() {
    for (auto& job : std::exchange(jobs_, {})) job();
  }
  io::Task<void> until_submitted(RouterWorld* w, int count) {
    const io::Instant deadline = io::soon(60'000);
    while (submitted < count && w->world.loop().now() < deadline) {
      co_await io::sleep(w->world.loop(), io::milliseconds(5));
    }
    EXPECT_EQ(submitted, count);
  }

  bool held = true;
  int submitted = 0;

 private:
  std::vector<Job> jobs_;
};

// What comes behind a request that is given back must not be written before its retry. These have
// no sequence by which anybody else could tell.
io::Task<void> given_back(RouterWorld* w, HeldWorkers* workers) {
  Node seoul(w->seoul.broker);
  seoul.answer = ErrorCode::not_leader_or_follower;
  auto connection = co_await w->at(101);
  auto first = send(*connection, of("orders", text_batch(10)));
  auto second = send(*connection, of("orders", text_batch(20'000)));
  co_await workers->until_submitted(w, 1);
  EXPECT_EQ(co_await error_in(std::move(first)), ErrorCode::not_leader_or_follower);
  seoul.answer = ErrorCode::none;
  workers->let_go();
  EXPECT_EQ(co_await error_in(std::move(second)), ErrorCode::not_leader_or_follower);
  EXPECT_EQ(seoul.batches.size(), 1u);
}
TEST(RouterCompression, WhatIsGivenBackMeanwhileComesFirstWhenItComesAgain) {
  HeldWorkers workers;
  RouterWorld w;
  compress_all(w, Compression::zstd);
  w.workers = &workers;
  w.run(given_back(&w, &workers));
}

io::Task<void> bounded(RouterWorld* w, HeldWorkers* workers) {
  Node seoul(w->seoul.broker);
  auto connection = co_await w->at(101);
  const auto& requests = w->router->picture().requests;
  auto first = send(*connection, of("orders", text_batch(500'000)));
  auto second = send(*connection, of("orders", text_batch(500'000)));
  co_await workers->until_submitted(w, 1);
  const io::Instant deadline = io::soon(60'000);
  while (requests.used() < 1'000'000u && w->world.loop().now() < deadline) {
    co_await io::sleep(w->world.loop(), io::milliseconds(5));
  }
  co_await io::sleep(w->world.loop(), io::milliseconds(100));
  EXPECT_EQ(workers->submitted, 1) << "of a connection one at a time";
  EXPECT_GE(requests.used(), 1'000'000u) << "what came, and what is made of it";
  EXPECT_LT(requests.used(), 1'500'000u);
  w->seoul.broker.delay = io::milliseconds(300);
  workers->held = false;
  workers->let_go();
  co_await until_sent(w, seoul, 2);
  EXPECT_EQ(requests.used(), 0u);
  EXPECT_GT(requests.parked(), 0u);
  EXPECT_LT(requests.parked(), 500'000u) << "what came is kept no longer";
  EXPECT_EQ(co_await error_in(std::move(first)), ErrorCode::none);
  EXPECT_EQ(co_await error_in(std::move(second)), ErrorCode::none);
  EXPECT_EQ(requests.used(), 0u);
  EXPECT_EQ(requests.parked(), 0u);
}
TEST(RouterCompression, WhatIsUnderWayCountsForTheBudget) {
  HeldWorkers workers;
  RouterWorld w;
  compress_all(w, Compression::lz4);
  w.workers = &workers;
  w.run(bounded(&w, &workers));
}

kafka::ProduceRequest three_of_a_megabyte() {
  kafka::ProduceRequest request = of("orders", text_batch(1 << 20));
  for (const PartitionIndex p : {1, 2}) {
    request.topic_data[0].partition_data.push_back({p, Rope(text_batch(1 << 20))});
  }
  return request;
}

// Many small batches are one job, large ones a job each.
io::Task<void> turns(RouterWorld* w, HeldWorkers* workers) {
  workers->held = false;
  Node seoul(w->seoul.broker);
  auto connection = co_await w->at(101);
  (void)co_await error_in(send(*connection, three_of_a_megabyte()));
  EXPECT_EQ(workers->submitted, 3);
  kafka::ProduceRequest many = of("orders", text_batch(1000));
  for (PartitionIndex p = 1; p < 100; ++p) {
    many.topic_data[0].partition_data.push_back({p, Rope(text_batch(1000))});
  }
  (void)co_await error_in(send(*connection, many));
  EXPECT_EQ(workers->submitted, 4);
  EXPECT_EQ(batches(counted(w, Compression::lz4), Recompression::compressed), 103u);
}
TEST(RouterCompression, LargeRequestsTakeTurns) {
  HeldWorkers workers;
  RouterWorld w;
  compress_all(w, Compression::lz4);
  w.workers = &workers;
  w.run(turns(&w, &workers));
}

// The router ends meanwhile: nobody would hear of it.
io::Task<void> ending(RouterWorld* w, HeldWorkers* workers) {
  auto connection = co_await w->at(101);
  auto waiting = send(*connection, three_of_a_megabyte());
  co_await workers->until_submitted(w, 1);
  (void)w->world.loop().run_at(io::soon(3000), [workers] {
    workers->held = false;
    workers->let_go();
  });
}
TEST(RouterCompression, WhatIsLeftWhenTheRouterEndsIsNotDone) {
  HeldWorkers workers;
  RouterWorld w;
  compress_all(w, Compression::lz4);
  w.workers = &workers;
  w.run(ending(&w, &workers));
  EXPECT_EQ(workers.submitted, 1);
  EXPECT_EQ(w.seoul.broker.asked[kafka::ApiKey::produce], 0);
  EXPECT_EQ(w.router->picture().requests.used(), 0u);
}

io::Task<void> told(RouterWorld* w) {
  Node seoul(w->seoul.broker);
  auto connection = co_await w->at(101);
  const Slice batch = text_batch(50'000);
  EXPECT_EQ(co_await error_in(send(*connection, of("orders", batch))), ErrorCode::none);
  const Samples samples = co_await w->router->measure();
  const auto number = [&](const Metric& metric, Samples::LabelValues labels) {
    const auto found = samples.all().find(&metric);
    if (found == samples.all().end() || !found->second.contains(labels)) return -1.0;
    return found->second.at(labels).number;
  };
  EXPECT_EQ(number(metric::compression_bytes, {"seoul", "zstd", "in"}),
            static_cast<double>(batch.size()));
  EXPECT_EQ(number(metric::compression_bytes, {"seoul", "zstd", "out"}),
            static_cast<double>(seoul.batches.at(0).size()));
  EXPECT_EQ(number(metric::compression_batches, {"seoul", "zstd", "compressed"}), 1);
  EXPECT_EQ(number(metric::compression_batches, {"seoul", "zstd", "not_smaller"}), 0);
  EXPECT_EQ(number(metric::compression_batches, {"seoul", "zstd", "request_too_old"}), 0);
  EXPECT_GT(number(metric::compression_cpu_seconds, {"seoul", "zstd"}), 0);
  const auto status = co_await w->router->status();
  EXPECT_NE(status.json.find("\"compression\""), std::string::npos) << status.json;
  EXPECT_NE(status.json.find("zstd"), std::string::npos) << status.json;
}
TEST(RouterCompression, MetricsAndStatusTellOfIt) {
  RouterWorld w;
  compress_all(w, Compression::zstd);
  w.run(told(&w));
}

}  // namespace
}  // namespace isthmus::router::compressing
