// What half-received requests, and replies that nobody takes, may do to others.
#include "server/arrival.h"

#include "tests/broker/task_world.h"
#include "tests/server/echo_world.h"

namespace isthmus::server {
namespace {

using broker::TaskWorld;
constexpr size_t kib = 1024;
constexpr size_t mib = 1024 * kib;

io::Task<void> reserve(Arrival& arrival, size_t bytes) { co_await arrival.begin(bytes); }

class ArrivalTest : public testing::Test {
 protected:
  // Begins, and says whether the room was there at once.
  bool begin(Arrival& arrival, size_t bytes) {
    world.on_loop([&] { world.process->spawn("arrival", reserve(arrival, bytes)); });
    settle();
    return arrival.holds();
  }
  void end(Arrival& arrival) {
    world.on_loop([&] { arrival.end(); });
    settle();
  }
  void settle() { world.run_for(io::milliseconds(1)); }

  TaskWorld world;
  Budget budget{world.loop(), 16 * mib};  // 8 of them for arrivals, above 2 one at a time
  Arrival a{budget}, b{budget}, c{budget}, d{budget}, e{budget};
};

TEST_F(ArrivalTest, WhoHasBegunCanEndAndTheOthersComeInTurn) {
  for (Arrival* one : {&a, &b, &c}) EXPECT_TRUE(begin(*one, 2 * mib));
  Arrival f{budget};
  EXPECT_TRUE(begin(f, 2 * mib));
  EXPECT_FALSE(begin(d, 2 * mib));
  EXPECT_FALSE(begin(e, 20 * kib)) << "a small one does not overtake";
  EXPECT_TRUE(a.is_wanted());
  end(a);
  EXPECT_TRUE(d.holds());
  EXPECT_FALSE(e.holds());
  end(b);
  EXPECT_TRUE(e.holds());
  EXPECT_FALSE(c.is_wanted());
  EXPECT_EQ(budget.reserved(), 6 * mib + 20 * kib);
}

TEST_F(ArrivalTest, ALargeOnePassesTheOthersButIsAlone) {
  EXPECT_TRUE(begin(a, 90 * mib));
  EXPECT_FALSE(begin(b, 3 * mib));
  EXPECT_TRUE(begin(c, mib)) << "what all send is not stopped by it";
  EXPECT_FALSE(budget.exhausted()) << "nor are requests that are here";
  end(a);
  EXPECT_TRUE(b.holds());
}

TEST_F(ArrivalTest, WhoGivesUpLeavesItsPlace) {
  EXPECT_TRUE(begin(a, 90 * mib));
  EXPECT_FALSE(begin(b, 90 * mib));
  EXPECT_FALSE(begin(c, 90 * mib));
  end(b);
  end(a);
  EXPECT_TRUE(c.holds());
  EXPECT_FALSE(b.holds());
}

TEST(Pace, FollowsProgressAndNotSize) {
  Pace pace;
  io::Instant now{};
  size_t arrived = 1;
  const auto look = [&](size_t more, bool wanted = false) {
    now += Pace::look_interval;
    arrived += more;
    return pace.look(now, 1, arrived, wanted);
  };
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(look(22 * kib)) << "a thin line, but it goes on";
  EXPECT_TRUE(look(5 * mib, true)) << "others wait";
  EXPECT_FALSE(look(mib, true));
  pace.excuse();
  EXPECT_TRUE(look(0, true)) << "it waited for us";
  EXPECT_TRUE(look(0));
  EXPECT_TRUE(look(0));
  EXPECT_FALSE(look(0)) << "half a minute without anything";
}

// An echo server and its clients on one machine, in virtual time.
class ServerTest : public testing::Test {
 protected:
  explicit ServerTest(size_t budget_bytes = 4 * mib)
      : budget(world.loop(), budget_bytes), service(world.loop()) {
    limits.connection.max_request_bytes = 100 * mib;
  }
  ~ServerTest() override {
    service.release();
    for (auto& client : clients) client->stream().close();
    io::Task<void> close = acceptor->close(io::milliseconds(10));
    world.run(and_true(std::move(close)));
  }

  void serve() {
    acceptor.emplace(world.env(), service, limits, &budget);
    address = *acceptor->listen({"test", {"a", 0}, false});
    world.on_loop([&] { acceptor->start(); });
  }
  Client& connect() {
    auto stream =
        world.run(world.env().network.dial(address, world.loop().now() + std::chrono::seconds(5)));
    clients.push_back(std::make_unique<Client>(world.loop(), std::move(*stream)));
    return *clients.back();
  }
  // Sent as far as the server takes it.
  void send(Client& client, Rope rope) {
    world.process->spawn("send", client.send(std::move(rope)));
  }
  void send(Client& client, int32_t id, size_t size) {
    send(client, request_frame(id, std::vector<uint8_t>(size, 'x')));
  }
  // A frame without its last bytes.
  void send_part(Client& client, size_t size, size_t missing) {
    auto whole = request_frame(1, std::vector<uint8_t>(size, 'x')).flatten();
    send(client, Rope(whole->sub(0, whole->size() - missing)));
  }
  // Size of the next reply; 0 if the connection ended.
  size_t reply(Client& client) {
    const std::string text = world.run(client.reply());
    return text == "closed" ? 0 : text.size() - 2;
  }
  void pass(io::Duration time) { world.run_for(time); }

  TaskWorld world;
  Budget budget;
  EchoService service;
  ServerLimits limits;
  std::optional<Acceptor> acceptor;
  io::Address address;
  std::vector<std::unique_ptr<Client>> clients;

 private:
  static io::Task<bool> and_true(io::Task<void> task) {
    co_await task;
    co_return true;
  }
};

TEST_F(ServerTest, HalvesOfRequestsTakeNoMemoryAndStopNobody) {
  limits.connection.max_idle = std::chrono::hours(1);
  serve();
  for (int i = 0; i < 24; ++i) send_part(connect(), 5 * mib, mib);
  pass(io::milliseconds(100));
  EXPECT_LT(budget.reserved(), 6 * mib) << "one of them at a time";
  EXPECT_LE(budget.windows(), 2 * mib);
  Client& other = connect();
  send(other, 1, 100);
  EXPECT_EQ(reply(other), 100u);
  send(other, 2, 300 * kib);
  EXPECT_EQ(reply(other), 300 * kib);
  for (int i = 0; i < 24; ++i) {
    pass(std::chrono::seconds(40));
    EXPECT_LT(budget.reserved(), 6 * mib);
  }
  EXPECT_EQ(acceptor->connections(), 1u) << "who does not go on makes room for the next";
  EXPECT_EQ(budget.reserved(), 0u);
}

TEST_F(ServerTest, AllHalvesOfRequestsComeToTheirEndInTheEnd) {
  serve();
  std::vector<Client*> all;
  for (int i = 0; i < 12; ++i) {
    all.push_back(&connect());
    send_part(*all.back(), 450 * kib, 1);
  }
  pass(std::chrono::seconds(1));
  EXPECT_LE(budget.reserved(), 2 * mib);
  for (Client* client : all) send(*client, Rope(Slice::copy_of("x")));
  for (Client* client : all) EXPECT_EQ(reply(*client), 450 * kib);
  EXPECT_EQ(budget.reserved(), 0u);
  EXPECT_EQ(budget.used(), 0u);
}

TEST_F(ServerTest, ARequestThatComesSlowlyButSteadilyIsWaitedFor) {
  serve();
  Client& slow = connect();
  auto frame = request_frame(1, std::vector<uint8_t>(mib, 'x')).flatten();
  constexpr size_t step = 50 * kib;
  for (size_t at = 0; at < frame->size(); at += step) {
    send(slow, Rope(frame->sub(at, std::min(step, frame->size() - at))));
    pass(std::chrono::seconds(10));
  }
  EXPECT_EQ(reply(slow), mib);
  Client& stuck = connect();
  send_part(stuck, 1000, 1);
  pass(std::chrono::seconds(60));
  EXPECT_EQ(acceptor->connections(), 1u);
}

// Many that were busy once, and whose buffers were large.
TEST_F(ServerTest, ReadBuffersAreBounded) {
  serve();
  std::vector<Client*> all;
  for (int i = 0; i < 40; ++i) {
    all.push_back(&connect());
    Rope many;
    for (int32_t n = 0; n < 300; ++n) {
      many.append(request_frame(n, std::vector<uint8_t>(2 * kib, 'x')));
    }
    send(*all.back(), std::move(many));
  }
  for (Client* client : all) {
    for (int n = 0; n < 300; ++n) EXPECT_GE(reply(*client), 2 * kib);
    EXPECT_LE(budget.windows(), 2 * mib);
  }
}

TEST_F(ServerTest, RepliesThatNobodyTakesEndWithTheirConnections) {
  limits.connection.max_outgoing_bytes = 2 * mib;
  serve();
  const Slice held = *request_frame(0, as_bytes("hold")).flatten();
  for (int i = 0; i < 40; ++i) {
    Client& greedy = connect();
    Rope all;
    if (i % 2 == 0) all.append(held);  // ready behind one that is not
    for (int32_t n = 0; n < 10; ++n) all.append(request_frame(n, as_bytes("big")));
    send(greedy, std::move(all));
  }
  pass(std::chrono::seconds(20));
  EXPECT_LT(budget.replies(), 8 * mib);
  Client& other = connect();
  send(other, 1, 100);
  EXPECT_EQ(reply(other), 100u);
}

// A peer whose bytes are there from the beginning, and who then ends its side.
class HalfClosed : public io::Stream {
 public:
  explicit HalfClosed(Rope rope) : bytes_(*rope.flatten()) {}
  io::Task<Result<size_t>> read_some(MutableBytes into) override {
    const size_t n = std::min(into.size(), bytes_.size());
    std::copy_n(bytes_.data(), n, into.begin());
    bytes_ = bytes_.sub(n, bytes_.size() - n);
    co_return n;
  }
  io::Task<Result<void>> write(Rope rope) override {
    if (closed) co_return fail(Error::closed("closed"));
    const Slice bytes = *rope.flatten();
    written.append(as_text(bytes));
    co_return Result<void>{};
  }
  void close() override { closed = true; }
  const io::Address& peer() const override { return peer_; }

  std::string written;
  bool closed = false;

 private:
  Slice bytes_;
  io::Address peer_{"peer", 1};
};

class HalfClosedTest : public ServerTest {
 protected:
  ~HalfClosedTest() override {
    service.release();
    pass(std::chrono::seconds(1));
  }
  // Runs the whole conversation.
  broker::Started<bool> converse(Rope rope) {
    auto owned = std::make_unique<HalfClosed>(std::move(rope));
    stream = owned.get();
    context = std::make_shared<ConnectionContext>();
    context->loop = &world.loop();
    connection =
        std::make_unique<Connection>(std::move(owned), context, service, budget, limits.connection);
    return world.start(whole(*connection));
  }
  static io::Task<bool> whole(Connection& connection) {
    co_await connection.run();
    co_return true;
  }
  std::shared_ptr<ConnectionContext> context;
  std::unique_ptr<Connection> connection;
  HalfClosed* stream = nullptr;
};

Rope three_requests() {
  Rope all = request_frame(1, as_bytes("a"));
  all.append(request_frame(2, as_bytes("hold")));
  all.append(request_frame(3, as_bytes("c")));
  return all;
}

TEST_F(HalfClosedTest, GetsAllItsAnswers) {
  serve();
  auto done = converse(three_requests());
  pass(std::chrono::seconds(5));
  EXPECT_TRUE(context->ending) << "who waits long answers with what there is";
  EXPECT_FALSE(done->has_value());
  service.release();
  pass(std::chrono::seconds(1));
  EXPECT_TRUE(done->has_value());
  EXPECT_NE(stream->written.find("hold"), std::string::npos);
  EXPECT_TRUE(stream->written.ends_with("c"));
}

TEST_F(HalfClosedTest, GetsItsAnswersThoughItsLastRequestIsNotWhole) {
  serve();
  Rope all = request_frame(1, as_bytes("a"));
  auto second = request_frame(2, as_bytes("b")).flatten();
  all.append(second->sub(0, second->size() - 1));
  auto done = converse(std::move(all));
  pass(std::chrono::seconds(1));
  EXPECT_TRUE(done->has_value());
  EXPECT_TRUE(stream->written.ends_with("a"));
}

TEST_F(HalfClosedTest, IsNotWaitedForForEver) {
  serve();
  converse(three_requests());
  pass(limits.connection.max_linger + std::chrono::seconds(1));
  EXPECT_TRUE(context->closed);
  EXPECT_TRUE(stream->closed);
}

}  // namespace
}  // namespace isthmus::server
