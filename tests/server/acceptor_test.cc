#include "tests/server/echo_world.h"

namespace isthmus::server {
namespace {

io::Task<void> close_acceptor(Acceptor& acceptor, io::Duration grace) {
  co_await acceptor.close(grace);
}

io::Task<void> drain(EchoWorld& w) {
  auto client = co_await w.connect();
  auto silent = co_await w.connect();
  co_await client->send(request_frame(1, as_bytes("hold")));
  co_await w.until_dispatched(1);
  co_await w.a_while();
  w.beside.spawn("close", close_acceptor(w.acceptor, std::chrono::seconds(30)));
  std::string idle = co_await silent->reply();
  EXPECT_EQ(idle, "closed") << "nothing is owed to it";
  auto late = co_await w.world.env().network.dial(w.address, io::soon(1000));
  EXPECT_FALSE(late.has_value());
  w.service.release();
  std::string held = co_await client->reply();
  EXPECT_EQ(held, "1 hold");
  std::string end = co_await client->reply();
  EXPECT_EQ(end, "closed");
}
TEST(acceptor, closing_lets_requests_under_way_be_answered) {
  EchoWorld w;
  w.run(drain(w));
  EXPECT_EQ(w.acceptor.connections(), 0u);
}

io::Task<void> too_many(EchoWorld& w) {
  auto first = co_await w.connect();
  co_await first->send(request_frame(1, as_bytes("a")));
  std::string answered = co_await first->reply();
  EXPECT_EQ(answered, "1 a");
  auto second = co_await w.connect();
  std::string refused = co_await second->reply();
  EXPECT_EQ(refused, "closed");
  first->stream().close();
  while (w.acceptor.connections() > 0) co_await w.a_while();
  auto third = co_await w.connect();
  co_await third->send(request_frame(3, as_bytes("c")));
  std::string again = co_await third->reply();
  EXPECT_EQ(again, "3 c");
}
TEST(acceptor, connections_are_limited) {
  ServerLimits limits;
  limits.max_connections = 1;
  EchoWorld w(limits);
  w.run(too_many(w));
}

TEST(acceptor, connections_leave_descriptors_for_files) {
  const ServerLimits limits;
  EXPECT_EQ(limits.within(1024).max_connections, 512u);
  EXPECT_EQ(limits.within(16'384).max_connections, 8192u);
  EXPECT_EQ(limits.within(20'000).max_connections, limits.max_connections);
  EXPECT_EQ(limits.within(1 << 20).max_connections, limits.max_connections);
}

// What each connection's requests ran on.
class LoopService : public Service {
 public:
  io::Task<Reply> dispatch(Request request) override {
    const bool at_home = io::Loop::current() == request.connection->loop;
    kafka::Writer w;
    w.int32(request.header.correlation_id);
    w.raw(as_bytes(at_home ? "home" : "astray"));
    loops_seen[request.connection->id % 2] = request.connection->loop;
    co_return io::ready(std::optional<Rope>(std::move(w).finish()));
  }
  io::Loop* loops_seen[2] = {};
};

io::Task<void> spread(io::RealWorld& w, Acceptor& acceptor, io::Address address) {
  acceptor.start();
  for (int i = 0; i < 4; ++i) {
    auto stream = co_await w.env().network.dial(address, io::soon(5000));
    Client client(w.loop(), std::move(*stream));
    co_await client.send(request_frame(i, as_bytes("where")));
    std::string reply = co_await client.reply();
    EXPECT_EQ(reply, std::to_string(i) + " home");
  }
  co_await acceptor.close(io::milliseconds(200));
}
TEST(acceptor, connections_are_spread_over_the_loops) {
  io::RealWorld w(2);
  LoopService service;
  Acceptor acceptor(w.env(), service, {});
  const auto address = *acceptor.listen({"test", {"127.0.0.1", 0}, false});
  w.run(spread(w, acceptor, address));
  EXPECT_NE(service.loops_seen[0], service.loops_seen[1]);
}

TEST(acceptor, an_address_in_use_is_an_error_that_names_the_listener) {
  EchoWorld w;
  auto again = w.acceptor.listen({"public", w.address, false});
  ASSERT_FALSE(again.has_value());
  EXPECT_NE(again.error().text.find("listener public"), std::string::npos);
}

}  // namespace
}  // namespace isthmus::server
