// Names that are looked up beside each other. The lookup is the test's own; the system's is asked
// once, for what every machine knows.
#include "io/resolver.h"

#include <atomic>
#include <semaphore>

#include "tests/io/real_world.h"

namespace isthmus::io {
namespace {

using Hosts = Resolver::Hosts;

Task<void> ask(Resolver& resolver, std::string name, int ms, std::optional<Hosts>& answer) {
  auto hosts = co_await resolver.resolve(std::move(name), soon(ms));
  answer = std::move(hosts);
}

// A DNS of which one zone is silent until the test lets it answer. The threads that still wait for
// it share it.
struct Dns {
  std::counting_semaphore<> silence{0};
  std::atomic<int> slow_lookups = 0;

  static Resolver::Lookup lookup(std::shared_ptr<Dns> dns) {
    return [dns](const std::string& name) -> Hosts {
      if (name == "unknown") return fail(Error::message("no such name"));
      if (name == "slow") {
        ++dns->slow_lookups;
        dns->silence.acquire();
      }
      return std::vector<std::string>{"192.0.2.7"};
    };
  }
};

Task<void> quick_beside_slow(RealWorld& world, Resolver& resolver, Dns& dns) {
  std::optional<Hosts> slow, same, late, quick, unknown;
  world.gate.spawn("slow", ask(resolver, "slow", 10'000, slow));
  world.gate.spawn("slow", ask(resolver, "slow", 10'000, same));
  co_await ask(resolver, "quick", 10'000, quick);
  co_await ask(resolver, "unknown", 10'000, unknown);
  co_await ask(resolver, "slow", 20, late);
  EXPECT_TRUE(quick->has_value()) << "one silent zone holds up nobody else";
  EXPECT_EQ(unknown->error().text, "no such name");
  EXPECT_EQ(late->error().kind, Error::Kind::timeout);
  EXPECT_FALSE(slow);
  dns.silence.release();
  while (!slow || !same) co_await sleep(world.loop(), milliseconds(1));
  EXPECT_EQ(slow->value(), std::vector<std::string>{"192.0.2.7"});
  EXPECT_EQ(same->value(), slow->value());
  EXPECT_EQ(dns.slow_lookups, 1) << "who asks for the same name shares its lookup";
}

TEST(Resolver, ASlowNameHoldsUpNoOther) {
  RealWorld world;
  auto dns = std::make_shared<Dns>();
  Resolver resolver(Dns::lookup(dns));
  world.run(quick_beside_slow(world, resolver, *dns));
}

TEST(Resolver, AnAnswerAfterTheEndIsHeardByNobody) {
  auto dns = std::make_shared<Dns>();
  std::optional<Hosts> answer;
  {
    RealWorld world;
    Resolver resolver(Dns::lookup(dns));
    world.run(ask(resolver, "slow", 20, answer));
  }
  EXPECT_EQ(answer->error().kind, Error::Kind::timeout);
  dns->silence.release();
  while (dns.use_count() > 1) std::this_thread::yield();  // until the thread has ended
}

TEST(Resolver, TheSystemKnowsThisMachine) {
  auto hosts = Resolver::ask_system("localhost");
  ASSERT_TRUE(hosts) << hosts.error().text;
  EXPECT_TRUE(hosts->front() == "127.0.0.1" || hosts->front() == "::1") << hosts->front();
}

}  // namespace
}  // namespace isthmus::io
