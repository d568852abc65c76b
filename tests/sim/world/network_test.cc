#include <gtest/gtest.h>

#include "tests/sim/world/world.h"

namespace isthmus::sim {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

std::string pattern(size_t size) {
  std::string text(size, ' ');
  for (size_t i = 0; i < size; ++i) text[i] = static_cast<char>('a' + (i * 7 + i / 251) % 26);
  return text;
}

// What a conversation has seen, for the test to look at.
struct Seen {
  std::string got;
  std::optional<Error> error;
  bool ended = false;
  bool sent = false;
};

io::Task<void> read_to_end(std::unique_ptr<io::Stream> stream, Seen& seen) {
  std::vector<uint8_t> buffer(1000);
  for (;;) {
    auto n = co_await stream->read_some(buffer);
    if (!n) seen.error = n.error();
    seen.ended = !n || *n == 0;
    if (seen.ended) co_return;
    seen.got += as_text(Bytes(buffer).first(*n));
  }
}

io::Task<void> serve_one(io::Env& env, Seen& seen, bool read) {
  auto listener = *env.network.listen(env.main_loop(), {"0.0.0.0", 9092});
  auto stream = co_await listener->accept(env.main_loop());
  if (!stream) co_return;
  if (read) {
    co_await read_to_end(std::move(*stream), seen);
  } else {
    co_await io::sleep(env.main_loop(), std::chrono::hours(1));
  }
}

io::Task<void> send_to(io::Env& env, std::string host, Rope rope, Seen& seen, bool stay) {
  auto stream = co_await env.network.dial({host, 9092}, env.main_loop().now() + seconds(10));
  if (!stream) {
    seen.error = stream.error();
    co_return;
  }
  auto sent = co_await (*stream)->write(std::move(rope));
  seen.sent = sent.has_value();
  if (!sent) seen.error = sent.error();
  if (!stay) co_return;
  co_await read_to_end(std::move(*stream), seen);
}

class Lines : public testing::Test {
 protected:
  // Starts a server on b and a client on a that sends it `rope`.
  void talk(Rope rope, bool server_reads = true, bool client_stays = true) {
    server.spawn("serve", serve_one(server.env(), far, server_reads));
    client.spawn("send", send_to(client.env(), "b", std::move(rope), near, client_stays));
  }
  void talk(const std::string& text) { talk(Rope(Slice::copy_of(text))); }
  bool within(std::chrono::seconds time, const std::function<bool()>& done) {
    return world.run_until(done, time);
  }

  SimWorld world{7};
  SimHost& a = world.add_host("a");
  SimHost& b = world.add_host("b");
  SimProcess& client = a.start_process();
  SimProcess& server = b.start_process();
  Seen near, far;
};

TEST_F(Lines, CarryEverythingInOrderWithFileRanges) {
  client.env().disk.make_folders("/data").value();
  auto file = *client.env().disk.open("/data/log", io::Disk::Open::create);
  const std::string text = pattern(1'000'000);
  file->append(as_bytes(text)).value();
  Rope rope(Slice::copy_of(text));
  rope.append(FileRange{file, 100, 500'000});
  rope.append(Slice::copy_of(std::string_view("end")));
  talk(std::move(rope), true, false);
  ASSERT_TRUE(within(seconds(60), [&] { return far.ended; }));
  EXPECT_TRUE(far.got == text + text.substr(100, 500'000) + "end");
  EXPECT_FALSE(far.error);
  EXPECT_TRUE(near.sent);
}

TEST_F(Lines, AReaderThatDoesNotReadStopsTheWriter) {
  talk(Rope(Slice::copy_of(pattern(2'000'000))), false);
  EXPECT_FALSE(within(seconds(60), [&] { return near.sent; }));
  EXPECT_FALSE(near.error);
}

TEST_F(Lines, DialIsRefusedWhereNobodyListens) {
  client.spawn("send", send_to(client.env(), "b", {}, near, false));
  ASSERT_TRUE(within(seconds(1), [&] { return near.error.has_value(); }));
  EXPECT_EQ(near.error->code, ECONNREFUSED);
  EXPECT_EQ(near.error->text, "cannot connect to b:9092: Connection refused");
}

TEST_F(Lines, DialTimesOutOverACutLineAndWhereThePowerIsOff) {
  world.network().cut("a", "b");
  talk("x");
  ASSERT_TRUE(within(seconds(11), [&] { return near.error.has_value(); }));
  EXPECT_EQ(near.error->kind, Error::Kind::timeout);

  world.network().heal("a", "b");
  b.crash();
  Seen again;
  client.spawn("send", send_to(client.env(), "b", {}, again, false));
  ASSERT_TRUE(within(seconds(11), [&] { return again.error.has_value(); }));
  EXPECT_EQ(again.error->kind, Error::Kind::timeout);
}

TEST_F(Lines, ACutLosesNothingThatAHealWouldBring) {
  talk(pattern(100'000));
  ASSERT_TRUE(within(seconds(1), [&] { return !far.got.empty(); }));
  world.network().cut("a", "b");
  size_t before = far.got.size();
  world.run_for(seconds(1));
  size_t at_cut = far.got.size();
  EXPECT_LT(at_cut, 100'000u);
  EXPECT_LE(before, at_cut);
  EXPECT_FALSE(far.ended || far.error) << "a cut line says nothing";
  world.network().heal_all();
  ASSERT_TRUE(within(seconds(5), [&] { return far.got.size() == 100'000; }));
  EXPECT_TRUE(far.got == pattern(100'000));
}

TEST_F(Lines, CutOneWayStillHearsTheOther) {
  talk("hello");
  ASSERT_TRUE(within(seconds(1), [&] { return far.got == "hello"; }));
  world.network().cut_one_way("a", "b");
  server.kill();
  ASSERT_TRUE(within(seconds(1), [&] { return near.ended; })) << "b's goodbye reaches a";
}

TEST_F(Lines, AResetIsSeenAtBothEnds) {
  talk("hello");
  ASSERT_TRUE(within(seconds(1), [&] { return far.got == "hello"; }));
  world.network().reset_connections("b", "a");
  ASSERT_TRUE(within(seconds(1), [&] { return near.error && far.error; }));
  EXPECT_EQ(near.error->code, ECONNRESET);
  EXPECT_EQ(far.error->code, ECONNRESET);
  EXPECT_EQ(world.faults().at("network: connection reset"), 2u);
}

TEST_F(Lines, AKilledProcessSaysGoodbye) {
  talk("hello");
  ASSERT_TRUE(within(seconds(1), [&] { return far.got == "hello"; }));
  client.kill();
  ASSERT_TRUE(within(seconds(1), [&] { return far.ended; }));
  EXPECT_FALSE(far.error);
}

TEST_F(Lines, AMachineWithoutPowerDoesNot) {
  talk("hello");
  ASSERT_TRUE(within(seconds(1), [&] { return far.got == "hello"; }));
  b.crash();
  EXPECT_FALSE(within(seconds(60), [&] { return near.ended; }));
}

io::Task<void> ping_forever(io::Env& env, Seen& seen) {
  auto stream = co_await env.network.dial({"b", 9092}, env.main_loop().now() + seconds(10));
  if (!stream) co_return;
  for (;;) {
    auto sent = co_await (*stream)->write(Rope(Slice::copy_of(std::string_view("ping"))));
    if (!sent) {
      seen.error = sent.error();
      co_return;
    }
    co_await io::sleep(env.main_loop(), milliseconds(100));
  }
}

TEST_F(Lines, AMachineThatIsBackAnswersOldConnectionsWithAReset) {
  server.spawn("serve", serve_one(server.env(), far, true));
  client.spawn("ping", ping_forever(client.env(), near));
  ASSERT_TRUE(within(seconds(1), [&] { return !far.got.empty(); }));
  b.crash();
  EXPECT_FALSE(within(seconds(5), [&] { return near.error.has_value(); }));
  b.start_process();
  ASSERT_TRUE(within(seconds(1), [&] { return near.error.has_value(); }));
  EXPECT_EQ(near.error->code, ECONNRESET);
}

TEST_F(Lines, APortInUseIsOneClearLine) {
  auto& env = server.env();
  auto& first = server.make<std::unique_ptr<io::Listener>>(
      *env.network.listen(env.main_loop(), {"0.0.0.0", 9092}));
  auto second = env.network.listen(env.main_loop(), {"b", 9092});
  ASSERT_FALSE(second);
  EXPECT_TRUE(second.error().text.starts_with("b:9092 is in use by another process"));
  first.reset();
  EXPECT_TRUE(env.network.listen(env.main_loop(), {"b", 9092}));
  auto any = env.network.listen(env.main_loop(), {"b", 0});
  EXPECT_NE((*any)->local().port, 0);
}

TEST_F(Lines, AClosedListenerEndsItsAccept) {
  auto& env = server.env();
  struct Accepting {
    static io::Task<void> run(io::Env& env, io::Listener& listener, Seen& seen) {
      auto stream = co_await listener.accept(env.main_loop());
      if (!stream) seen.error = stream.error();
    }
  };
  auto& listener = *server.make<std::unique_ptr<io::Listener>>(
      *env.network.listen(env.main_loop(), {"0.0.0.0", 9092}));
  server.spawn("accept", Accepting::run(env, listener, far));
  world.run_for(milliseconds(10));
  listener.close();
  ASSERT_TRUE(within(seconds(1), [&] { return far.error.has_value(); }));
  EXPECT_EQ(far.error->kind, Error::Kind::closed);
}

TEST_F(Lines, LatencyIsWhatWasSet) {
  world.network().set_latency("a", "b", milliseconds(80), milliseconds(80));
  world.network().line("a", "b").late_in_a_million = 0;
  Instant start = world.now();
  talk("x");
  ASSERT_TRUE(within(seconds(2), [&] { return far.got == "x"; }));
  // SYN, its answer, and the bytes.
  EXPECT_GE(world.now() - start, milliseconds(240));
}

}  // namespace
}  // namespace isthmus::sim
