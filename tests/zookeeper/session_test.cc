// Against a real server, what the simulator's ensemble is held to as well.
#include "zookeeper/session.h"

#include <algorithm>

#include "tests/zookeeper/server.h"

namespace isthmus::zookeeper {
namespace {

using io::RealWorld;
using io::soon;
using std::chrono::seconds;

constexpr int patience_ms = 60'000;
constexpr int longest_ms = 10'000;  // that the server grants

Op create(std::string path, std::string_view data = "") {
  return {Op::Kind::create, std::move(path), Slice::copy_of(data)};
}

// Of one test: a server, and a session that is open.
class ZookeeperSession : public testing::Test {
 public:
  using Body = io::Task<void> (*)(ZookeeperSession& test, Session& session);

  void run(Body body, int timeout_ms = longest_ms) {
    world.run(with_session(*this, body, timeout_ms));
  }

  static io::Task<void> with_session(ZookeeperSession& test, Body body, int timeout_ms) {
    Session session(test.world.loop(), {test.server.address(), io::milliseconds(timeout_ms)});
    auto opened = co_await session.open();
    EXPECT_TRUE(opened);
    const bool connected = co_await session.connected(soon(patience_ms));
    EXPECT_TRUE(connected);
    if (connected) co_await body(test, session);
    co_await session.close();
  }
  // Repeats what a lost line has left unknown.
  static io::Task<Result<Outcome>> insist(Session& session, std::vector<Op> ops) {
    const io::Instant until = soon(patience_ms);
    for (;;) {
      auto done = co_await session.transact(ops);
      const bool again = !done && done.error().kind == Error::Kind::timeout &&
                         std::chrono::steady_clock::now() < until;
      if (!again) co_return done;
      co_await io::sleep(*io::Loop::current(), io::milliseconds(100));
    }
  }

  ZookeeperServer server;
  RealWorld world;
};

TEST_F(ZookeeperSession, ReadsWhatItHasWritten) {
  run([](ZookeeperSession&, Session& session) -> io::Task<void> {
    auto none = co_await session.get("/a");
    EXPECT_TRUE(none && !*none);
    auto nobody = co_await session.children("/a");
    EXPECT_TRUE(nobody && !*nobody);
    auto made = co_await session.transact({create("/a", "1"), create("/a/x"), create("/a/y")});
    EXPECT_TRUE(made && made->answer == Answer::ok);
    auto node = co_await session.get("/a");
    EXPECT_EQ(as_text(node.value()->data.view()), "1");
    EXPECT_EQ(node.value()->version, 0);
    auto names = co_await session.children("/a");
    std::vector<std::string> sorted = names.value().value();
    std::ranges::sort(sorted);
    EXPECT_EQ(sorted, (std::vector<std::string>{"x", "y"}));
    auto set = co_await session.transact({{Op::Kind::set, "/a", Slice::copy_of("22"), 0}});
    EXPECT_TRUE(set && set->answer == Answer::ok);
    node = co_await session.get("/a");
    EXPECT_EQ(as_text(node.value()->data.view()), "22");
    EXPECT_EQ(node.value()->version, 1);
  });
}

// Makes what it does not find. It asks before there is a line.
io::Task<void> ask_at_once(ZookeeperSession& test, bool& found) {
  Session session(test.world.loop(),
                  {test.server.address(), io::milliseconds(longest_ms), "us:secret"});
  auto opened = co_await session.open();
  EXPECT_TRUE(opened);
  auto node = co_await session.get("/ours");
  if (!node) ADD_FAILURE() << node.error().text;
  found = node && *node;
  if (node && !found) {
    auto made = co_await session.transact({create("/ours", "1")});
    EXPECT_TRUE(made && made->answer == Answer::ok);
  }
  co_await session.close();
}

TEST_F(ZookeeperSession, IsKnownBeforeItAsksAnything) {
  run([](ZookeeperSession& test, Session& stranger) -> io::Task<void> {
    bool found = true;
    co_await ask_at_once(test, found);
    EXPECT_FALSE(found);
    for (int i = 0; i < 20; ++i) {
      co_await ask_at_once(test, found);
      EXPECT_TRUE(found) << i;
    }
    auto refused = co_await stranger.get("/ours");
    EXPECT_FALSE(refused);
  });
}

TEST_F(ZookeeperSession, ATransactionIsAllOrNothingAndSaysWhatDidNotHold) {
  run([](ZookeeperSession&, Session& session) -> io::Task<void> {
    auto first = co_await session.transact({create("/a"), create("/b")});
    EXPECT_EQ(first.value().answer, Answer::ok);
    auto twice = co_await session.transact({create("/c"), create("/a"), create("/d")});
    EXPECT_EQ(twice.value().answer, Answer::node_exists);
    EXPECT_EQ(twice.value().at, 1u);
    auto stale = co_await session.transact({{Op::Kind::check, "/a", {}, 7}, create("/c")});
    EXPECT_EQ(stale.value().answer, Answer::bad_version);
    EXPECT_EQ(stale.value().at, 0u);
    auto orphan = co_await session.transact({create("/c"), create("/none/x")});
    EXPECT_EQ(orphan.value().answer, Answer::no_node);
    EXPECT_EQ(orphan.value().at, 1u);
    auto full = co_await session.transact({create("/b/x"), {Op::Kind::remove, "/b"}});
    EXPECT_EQ(full.value().answer, Answer::not_empty);
    auto nothing = co_await session.children("/");
    EXPECT_EQ(std::ranges::count(nothing.value().value(), "c"), 0);
    auto empty = co_await session.transact({{Op::Kind::remove, "/b"}});
    EXPECT_EQ(empty.value().answer, Answer::ok);
  });
}

TEST_F(ZookeeperSession, AWatchTellsOnceThatANodeIsMade) {
  run([](ZookeeperSession& test, Session& session) -> io::Task<void> {
    int calls = 0;
    io::Event changed(test.world.loop());
    auto there = co_await session.watch("/a", [&] {
      ++calls;
      changed.notify_all();
    });
    EXPECT_EQ(there.value(), false);
    auto made = co_await session.transact({create("/a")});
    EXPECT_TRUE(made);
    while (calls == 0) {
      const bool woken = co_await changed.wait_until(soon(patience_ms));
      if (!woken) break;
    }
    auto again = co_await session.transact({{Op::Kind::set, "/a"}, {Op::Kind::remove, "/a"}});
    EXPECT_TRUE(again);
    auto settled = co_await session.get("/a");
    EXPECT_TRUE(settled);
    EXPECT_EQ(calls, 1);
  });
}

TEST_F(ZookeeperSession, AsMuchAsIsAllowedCanBeSentAtOnce) {
  run([](ZookeeperSession&, Session& session) -> io::Task<void> {
    const std::string much(Client::max_request_bytes - 200, 'v');
    auto made = co_await session.transact({create("/much", much)});
    EXPECT_TRUE(made && made->answer == Answer::ok);
    auto node = co_await session.get("/much");
    EXPECT_EQ(node.value()->data.size(), much.size());
  });
}

TEST_F(ZookeeperSession, AServerThatComesBackSoonKeepsTheSession) {
  run([](ZookeeperSession& test, Session& session) -> io::Task<void> {
    auto made = co_await session.transact({{Op::Kind::create_ephemeral, "/here"}});
    EXPECT_TRUE(made);
    int calls = 0;
    auto there = co_await session.watch("/here", [&calls] { ++calls; });
    EXPECT_EQ(there.value(), true);
    test.server.kill();
    test.server.start();
    auto done = co_await insist(session, {create("/after")});
    EXPECT_TRUE(done);
    EXPECT_NE(session.state(), SessionState::lost);
    auto here = co_await session.get("/here");
    EXPECT_TRUE(here && *here) << "what is ephemeral lives as long as the session";
    EXPECT_EQ(calls, 1) << "what a lost line may have hidden is told";
  });
}

TEST_F(ZookeeperSession, ASessionThatIsEndedByTheServerIsLostForGood) {
  run([](ZookeeperSession& test, Session& session) -> io::Task<void> {
    Session other(test.world.loop(), {test.server.address(), io::milliseconds(longest_ms)});
    (void)co_await other.open();
    const bool connected = co_await other.connected(soon(patience_ms));
    EXPECT_TRUE(connected);
    auto made = co_await other.transact({{Op::Kind::create_ephemeral, "/other"}});
    EXPECT_TRUE(made);
    co_await other.close();
    auto gone = co_await session.get("/other");
    EXPECT_TRUE(gone && !*gone) << "a good-bye ends it at once";
    auto refused = co_await other.get("/");
    EXPECT_EQ(refused.error().kind, Error::Kind::closed);
  });
}

// The library reads what it never set then, and frees it: often the path of the op before.
io::Task<void> ask_when_lost(ZookeeperSession& test, Session& session) {
  const io::Instant until = soon(patience_ms);
  while (session.state() != SessionState::lost && std::chrono::steady_clock::now() < until) {
    test.server.send(SIGSTOP);
    co_await io::sleep(test.world.loop(), seconds(5));
    test.server.send(SIGCONT);
    co_await io::sleep(test.world.loop(), seconds(1));
  }
  EXPECT_EQ(session.state(), SessionState::lost);
  const std::string path = "/a-path-that-lies-on-the-heap-";
  for (int i = 0; i < 10; ++i) {
    auto refused = co_await session.transact({create(path + "1"),
                                              {Op::Kind::set, path + "2", {}, 0},
                                              {Op::Kind::check, path + "3", {}, 0},
                                              {Op::Kind::remove, path + "4"}});
    EXPECT_EQ(refused.error().kind, Error::Kind::closed);
  }
}
TEST_F(ZookeeperSession, ATransactionOfManyIsRefusedWhenTheSessionIsLost) {
  run(ask_when_lost, 2000);
}

TEST_F(ZookeeperSession, WithoutAServerNothingIsKnownAndNothingHangs) {
  server.kill();
  world.run([](RealWorld& w, std::string address) -> io::Task<void> {
    Session session(w.loop(), {address, io::milliseconds(longest_ms)});
    auto opened = co_await session.open();
    EXPECT_TRUE(opened);
    const bool connected = co_await session.connected(soon(500));
    EXPECT_FALSE(connected);
    auto done = co_await session.get("/");
    EXPECT_EQ(done.error().kind, Error::Kind::timeout);
    co_await session.close();
  }(world, server.address()));
}

TEST_F(ZookeeperSession, WhatCannotBeUsedIsSaid) {
  world.run([](RealWorld& w) -> io::Task<void> {
    Session session(w.loop(), {"nonsense", io::milliseconds(longest_ms)});
    auto opened = co_await session.open();
    EXPECT_FALSE(opened);
    if (!opened) EXPECT_NE(opened.error().text.find("nonsense"), std::string::npos);
  }(world));
}

TEST_F(ZookeeperSession, ADigestKeepsOthersOut) {
  world.run([](RealWorld& w, std::string address) -> io::Task<void> {
    Session owner(w.loop(), {address, io::milliseconds(longest_ms), "isthmus:secret"});
    Session other(w.loop(), {address, io::milliseconds(longest_ms)});
    for (Session* session : {&owner, &other}) {
      (void)co_await session->open();
      const bool connected = co_await session->connected(soon(patience_ms));
      EXPECT_TRUE(connected);
    }
    auto made = co_await owner.transact({create("/ours", "1")});
    const bool is_asked_again = !made && made.error().kind == Error::Kind::timeout;
    if (is_asked_again) made = co_await owner.transact({create("/ours", "1")});
    EXPECT_TRUE(made && made->answer == Answer::ok) << (made ? "" : made.error().text);
    auto read = co_await owner.get("/ours");
    EXPECT_TRUE(read && *read);
    auto refused = co_await other.get("/ours");
    EXPECT_FALSE(refused);
    if (!refused) EXPECT_EQ(refused.error().kind, Error::Kind::text);
    co_await owner.close();
    co_await other.close();
  }(world, server.address()));
}

}  // namespace
}  // namespace isthmus::zookeeper
