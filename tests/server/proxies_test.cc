// Whom a connection counts as, at a listener that believes load balancers.
#include "tests/server/echo_world.h"

namespace isthmus::server {
namespace {

using namespace std::string_literals;

// A load balancer connects for 203.0.113.7.
const std::string proxied =
    "\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c\xcb\x00\x71\x07\x7f\x00\x00\x01\xdc\x04\x23\x84"s;

struct Balanced {
  explicit Balanced(const char* from) {
    ListenerOptions options{"test", {"127.0.0.1", 0}};
    options.proxies = {*io::IpRange::parse(from)};
    acceptor.enforce(quotas);
    address = *acceptor.listen(options);
  }
  void run(io::Task<void> body) { world.run(whole(this, std::move(body))); }
  // As whom the server knows who sends `front` and a request; "closed": it answers nothing.
  io::Task<std::string> known_as(std::string front) {
    auto stream = co_await world.env().network.dial(address, io::soon(5000));
    Client client(world.loop(), std::move(*stream));
    Rope all(Slice::copy_of(front));
    all.append(request_frame(1, as_bytes("hello")));
    co_await client.send(std::move(all));
    std::string answer = co_await client.reply();
    co_return answer == "1 hello" ? service.latest->peer.host : answer;
  }

  io::RealWorld world;
  EchoService service{world.loop()};
  Quotas quotas;
  Acceptor acceptor{world.env(), service, {}};
  io::Address address;

 private:
  static io::Task<void> whole(Balanced* self, io::Task<void> body) {
    self->acceptor.start();
    co_await body;
    co_await self->acceptor.close(io::milliseconds(200));
  }
};

io::Task<void> from_a_balancer(Balanced* w) {
  std::string named = co_await w->known_as(proxied);
  EXPECT_EQ(named, "203.0.113.7");
  std::string itself = co_await w->known_as("\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00"s);
  EXPECT_EQ(itself, "127.0.0.1");
  for (const std::string& wrong : {""s, "PROXY TCP4 203.0.113.7 127.0.0.1 1 2\r\n"s,
                                   proxied + proxied, "\r\n\r\n\0\r\nQUIT\r"s}) {
    std::string refused = co_await w->known_as(wrong);
    EXPECT_EQ(refused, "closed") << printable(wrong);
  }
}
TEST(proxies, a_balancer_says_for_whom_it_connects_or_is_refused) {
  Balanced w("127.0.0.0/8");
  w.run(from_a_balancer(&w));
}

io::Task<void> from_elsewhere(Balanced* w) {
  std::string itself = co_await w->known_as("");
  EXPECT_EQ(itself, "127.0.0.1");
  std::string pretended = co_await w->known_as(proxied);
  EXPECT_EQ(pretended, "closed");
}
TEST(proxies, nobody_else_is_believed) {
  Balanced w("10.0.0.0/8");
  w.run(from_elsewhere(&w));
}

io::Task<void> with_a_quota(Balanced* w) {
  kafka::QuotaTable table;
  table[{.ip = "203.0.113.7"}]["connection_creation_rate"] = 0.001;
  w->quotas.set(table);
  std::string first = co_await w->known_as(proxied);
  EXPECT_EQ(first, "203.0.113.7");
  std::string second = co_await w->known_as(proxied);
  EXPECT_EQ(second, "closed") << "kept for a while, and not let in";
  std::string itself = co_await w->known_as("\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00"s);
  EXPECT_EQ(itself, "127.0.0.1") << "the balancer has no quota";
}
TEST(proxies, a_quota_of_connections_is_that_of_the_client) {
  Balanced w("127.0.0.1");
  w.run(with_a_quota(&w));
}

}  // namespace
}  // namespace isthmus::server
