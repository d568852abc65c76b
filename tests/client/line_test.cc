// Deadlines of requests over simulated lines: they follow what moves, not how much it is.
#include <gtest/gtest.h>

#include "client/connection.h"
#include "io/frames.h"
#include "kafka/gen/api_versions.h"
#include "tests/sim/world/world.h"

namespace isthmus::client {
namespace {

using io::Duration;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr size_t mib = size_t{1} << 20;
constexpr uint64_t rate = 128 << 10;  // 8 s for a MiB
constexpr seconds timeout{3};

Rope bytes_of(size_t size) { return Rope(Slice::take(std::vector<uint8_t>(size, 'x'))); }

struct Answers {
  size_t bytes = 10;  // of each
  bool silent = false;
};

io::Task<void> reply(io::Stream& stream, int32_t correlation_id, Rope payload) {
  kafka::Writer writer;
  writer.int32(static_cast<int32_t>(4 + payload.size()));
  writer.int32(correlation_id);
  Rope rope = std::move(writer).finish();
  rope.append(std::move(payload));
  (void)co_await stream.write(std::move(rope));
}

Rope api_versions() {
  kafka::ApiVersionsResponse response;
  response.api_keys = {{3, 0, 7}, {18, 0, 4}};
  kafka::Writer writer;
  response.encode(writer, 4);
  return std::move(writer).finish();
}

io::Task<void> serve(io::Env& env, const Answers& answers) {
  auto listener = *env.network.listen(env.main_loop(), {"0.0.0.0", 9092});
  auto stream = co_await listener->accept(env.main_loop());
  io::FrameReader frames(env.main_loop(), **stream, 64 * mib);
  for (;;) {
    auto more = co_await frames.fill();
    if (!more || !*more) co_return;
    for (;;) {
      auto frame = frames.next();
      if (!frame || !*frame) break;
      kafka::Reader reader(**frame);
      auto header = kafka::RequestHeader::decode(reader);
      if (header->api_key == 18) {
        co_await reply(**stream, header->correlation_id, api_versions());
      } else if (!answers.silent) {
        co_await reply(**stream, header->correlation_id, bytes_of(answers.bytes));
      }
    }
  }
}

class LineTest : public testing::Test {
 protected:
  struct Outcome {
    std::optional<Error> error;
    size_t bytes = 0;
    Duration took{};
    bool done = false;
  };

  LineTest() {
    server.spawn("serve", serve(server.env(), answers));
    auto* gate = &client.make<io::Gate>(client.env().main_loop());
    client.spawn("open", open(client.env(), *gate, connection));
    world.run_until([&] { return connection != nullptr; }, seconds(5));
    world.network().set_rate("a", "b", rate);
  }
  static io::Task<void> open(io::Env& env, io::Gate& gate, std::unique_ptr<Connection>& into) {
    auto opened =
        co_await Connection::open(env, gate, {"b", 9092}, {}, env.main_loop().now() + seconds(5));
    if (opened) into = std::move(*opened);
  }
  static io::Task<void> ask(io::Loop& loop, Connection& connection, size_t bytes, Outcome& out) {
    const io::Instant begun = loop.now();
    RawRequest request{3, 1, "test", bytes_of(bytes)};
    auto answer = co_await connection.call_raw(std::move(request), begun + timeout);
    out.done = true;
    out.took = loop.now() - begun;
    if (answer) out.bytes = answer->size();
    if (!answer) out.error = answer.error();
  }
  void ask(size_t bytes, Outcome& out) {
    client.spawn("ask", ask(client.env().main_loop(), *connection, bytes, out));
  }
  bool answered(const Outcome& out, Duration within) {
    return world.run_until([&] { return out.done; }, within);
  }
  // The last bytes that move are seen at one of the looks within the time of a request.
  static Duration at_most(Duration silence) { return silence + timeout + Duration(timeout) / 8; }

  Answers answers;
  sim::SimWorld world{1};
  sim::SimHost& a = world.add_host("a");
  sim::SimHost& b = world.add_host("b");
  sim::SimProcess& client = a.start_process();
  sim::SimProcess& server = b.start_process();
  std::unique_ptr<Connection> connection;
};

TEST_F(LineTest, ALargeRequestTakesAsLongAsTheLineNeeds) {
  Outcome out;
  ask(2 * mib, out);
  ASSERT_TRUE(answered(out, seconds(30)));
  EXPECT_FALSE(out.error) << out.error->text;
  EXPECT_GT(out.took, seconds(12));
}

TEST_F(LineTest, ALargeAnswerTakesAsLongAsTheLineNeeds) {
  answers.bytes = 2 * mib;
  Outcome out;
  ask(10, out);
  ASSERT_TRUE(answered(out, seconds(30)));
  EXPECT_FALSE(out.error) << out.error->text;
  EXPECT_EQ(out.bytes, 2 * mib);
}

TEST_F(LineTest, WhatWaitsBehindALargeRequestWaitsWithIt) {
  Outcome large, small;
  ask(mib, large);
  ask(10, small);
  ASSERT_TRUE(answered(small, seconds(30)));
  EXPECT_FALSE(small.error) << small.error->text;
}

TEST_F(LineTest, ALineOnWhichNothingMovesIsGivenUp) {
  Outcome out;
  ask(2 * mib, out);
  world.run_for(seconds(5));
  world.network().cut("a", "b");
  ASSERT_TRUE(answered(out, seconds(30)));
  ASSERT_TRUE(out.error);
  EXPECT_EQ(out.error->kind, Error::Kind::timeout);
  EXPECT_GE(out.took, seconds(5) + timeout - seconds(1));
  EXPECT_LE(out.took, at_most(seconds(6)));
}

TEST_F(LineTest, ABrokerThatAnswersNoMoreIsGivenUpAlthoughItTakesMore) {
  answers.silent = true;
  Outcome first, later[8];
  ask(10, first);
  for (Outcome& out : later) {
    ask(10'000, out);
    world.run_for(milliseconds(500));
  }
  ASSERT_TRUE(first.done);
  ASSERT_TRUE(first.error);
  EXPECT_LE(first.took, at_most(Duration(timeout) / 8));
}

}  // namespace
}  // namespace isthmus::client
