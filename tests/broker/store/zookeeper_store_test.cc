#include "broker/store/zookeeper_store.h"

#include <algorithm>

#include "tests/broker/task_world.h"
#include "tests/sim/world/zookeeper.h"

namespace isthmus::broker {
namespace {

using Outcome = MetadataStore::Outcome;
using Change = MetadataStore::Change;
using Check = MetadataStore::Check;
using Put = MetadataStore::Put;
using std::chrono::seconds;

constexpr int64_t none = MetadataStore::absent;

Put put(const std::string& key, const std::string& value) { return {key, Slice::copy_of(value)}; }

// What one broker has of the metadata, and what its watcher has been told, one after the other.
struct Broker {
  Broker(sim::ZookeeperEnsemble& ensemble, TaskWorld& w, ZookeeperStoreOptions options)
      : world(w),
        session(ensemble, w.loop()),
        store(w.loop(), w.env().random, session, std::move(options)) {}
  ~Broker() {
    world.run([](ZookeeperStore& s) -> io::Task<bool> {
      co_await s.close();
      co_return true;
    }(store));
  }

  Result<void> open() {
    auto opened = world.run(store.open());
    if (opened) {
      store.watch([this](const std::vector<Change>& changes) {
        ++calls;
        for (const Change& c : changes) {
          if (c.value) {
            table[c.key] = std::string(as_text(c.value->view()));
            versions[c.key] = c.version;
          } else {
            table.erase(c.key);
            versions.erase(c.key);
          }
        }
      });
    }
    return opened;
  }
  Result<Outcome> commit(std::vector<Check> checks, std::vector<Put> puts) {
    return world.run(store.commit(std::move(checks), std::move(puts)));
  }
  void set(const std::string& key, const std::string& value) {
    auto done = commit({}, {put(key, value)});
    ASSERT_TRUE(done) << done.error().text;
    ASSERT_EQ(*done, Outcome::committed);
  }

  TaskWorld& world;
  sim::ZookeeperSession session;
  ZookeeperStore store;
  std::map<std::string, std::string> table;
  std::map<std::string, int64_t> versions;
  size_t calls = 0;
};

class ZookeeperStoreTest : public testing::Test {
 protected:
  std::unique_ptr<Broker> broker() {
    auto made = std::make_unique<Broker>(ensemble_, world_, options_);
    auto opened = made->open();
    EXPECT_TRUE(opened) << opened.error().text;
    return made;
  }
  std::vector<std::string> names(const std::string& folder) {
    return ensemble_.children(options_.root + "/" + folder);
  }
  io::Task<bool> confirmed(Broker& broker) {
    const io::Instant now = world_.loop().now();
    return broker.store.confirmed(now, now + seconds(2));
  }
  std::string node(int64_t version) { return ZookeeperLayout(options_.root).commit(version); }

  TaskWorld world_;
  sim::ZookeeperEnsemble ensemble_;
  ZookeeperStoreOptions options_{.root = "/kafka/isthmus", .commits_per_snapshot = 1000};
};

TEST_F(ZookeeperStoreTest, WhatOneCommitsAllAreTold) {
  auto a = broker();
  auto b = broker();
  a->set("/topics/orders", "1");
  world_.run_for(seconds(1));
  EXPECT_EQ(b->table, (std::map<std::string, std::string>{{"/topics/orders", "1"}}));
  b->set("/topics/wine", "2");
  world_.run_for(seconds(1));
  EXPECT_EQ(a->table, b->table);
  EXPECT_EQ(a->versions, b->versions);
  EXPECT_EQ(b->calls, 3u) << "the first, and each commit as one call";
  auto late = broker();
  EXPECT_EQ(late->table, a->table);
  EXPECT_EQ(late->versions, a->versions);
}

TEST_F(ZookeeperStoreTest, WithoutAFolderOfItsOwnItLiesAtTheTop) {
  options_.root = "";
  auto a = broker();
  a->set("/x", "1");
  EXPECT_EQ(ensemble_.children("/commits").size(), 1u);
  EXPECT_EQ(broker()->table.at("/x"), "1");
}

TEST_F(ZookeeperStoreTest, ACheckThatDoesNotHoldWritesNothing) {
  auto a = broker();
  a->set("/x", "1");
  EXPECT_EQ(a->commit({{"/x", none}}, {put("/x", "2")}).value(), Outcome::conflict);
  EXPECT_EQ(a->commit({{"/y", 1}}, {put("/x", "2")}).value(), Outcome::conflict);
  EXPECT_EQ(names("commits").size(), 1u);
  EXPECT_EQ(a->commit({{"/x", 1}}, {{"/x", std::nullopt}}).value(), Outcome::committed);
  EXPECT_TRUE(a->table.empty());
}

// Each has seen the same, and neither has heard of the other.
TEST_F(ZookeeperStoreTest, OfTwoWritersThatSawTheSameOneWins) {
  auto a = broker();
  auto b = broker();
  auto first = world_.start(a->store.commit({{"/x", none}}, {put("/x", "a")}));
  auto second = world_.start(b->store.commit({{"/x", none}}, {put("/x", "b")}));
  world_.run_for(seconds(1));
  ASSERT_TRUE(first->has_value() && second->has_value());
  EXPECT_NE((**first).value(), (**second).value());
  EXPECT_EQ(a->table, b->table);
  EXPECT_EQ(a->table.at("/x"), (**first).value() == Outcome::committed ? "a" : "b");
}

TEST_F(ZookeeperStoreTest, ACommitWhoseAnswerIsLostHappensOnce) {
  auto a = broker();
  a->session.lose_next_answer();
  auto done = world_.start(a->store.commit({{"/x", none}}, {put("/x", "1")}));
  world_.run_for(seconds(5));
  EXPECT_FALSE(done->has_value()) << "nobody knows yet";
  a->session.mend_line();
  world_.run_for(seconds(1));
  ASSERT_TRUE(done->has_value());
  EXPECT_EQ((**done).value(), Outcome::committed);
  EXPECT_EQ(names("commits").size(), 1u);
  EXPECT_EQ(a->table.at("/x"), "1");
  EXPECT_EQ(a->calls, 2u);
}

// Its node is there, and another's behind it, before it can ask again.
TEST_F(ZookeeperStoreTest, ACommitWhoseAnswerIsLostHasHappenedAlsoWhenOthersCameAfterIt) {
  auto a = broker();
  auto b = broker();
  a->session.lose_next_answer();
  auto done = world_.start(a->store.commit({{"/x", none}}, {put("/x", "1")}));
  world_.run_for(seconds(5));
  b->set("/y", "2");
  a->session.mend_line();
  world_.run_for(seconds(1));
  ASSERT_TRUE(done->has_value());
  EXPECT_EQ((**done).value(), Outcome::committed);
  EXPECT_EQ(a->table, (std::map<std::string, std::string>{{"/x", "1"}, {"/y", "2"}}));
}

TEST_F(ZookeeperStoreTest, ACommitThatNobodyKnowsOfIsSaidToBeSoAndShowsLater) {
  auto a = broker();
  a->session.lose_next_answer();
  auto done = a->commit({}, {put("/x", "1")});
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().kind, Error::Kind::timeout);
  EXPECT_TRUE(a->table.empty());
  a->session.mend_line();
  world_.run_for(seconds(2));
  EXPECT_EQ(a->table.at("/x"), "1") << "it had happened";
  a->set("/x", "2");
}

TEST_F(ZookeeperStoreTest, ACommitThatNeverLeftIsAskedForAgain) {
  auto a = broker();
  a->session.cut_line();
  auto done = world_.start(a->store.commit({}, {put("/x", "1")}));
  world_.run_for(seconds(5));
  EXPECT_TRUE(names("commits").empty());
  a->session.mend_line();
  world_.run_for(seconds(1));
  ASSERT_TRUE(done->has_value());
  EXPECT_EQ((**done).value(), Outcome::committed);
}

TEST_F(ZookeeperStoreTest, AfterALostSessionNothingIsWritten) {
  auto a = broker();
  bool lost = false;
  a->store.on_session_lost([&lost] { lost = true; });
  a->session.expire();
  auto done = a->commit({}, {put("/x", "1")});
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().kind, Error::Kind::closed);
  world_.run_for(seconds(1));
  EXPECT_TRUE(lost);
  EXPECT_TRUE(names("commits").empty());
}

// ---- histories ----

TEST_F(ZookeeperStoreTest, ACommitIsKnownAgainByItsId) {
  auto a = broker();
  EXPECT_FALSE(a->store.position());
  a->set("/x", "1");
  const auto first = a->store.position();
  ASSERT_TRUE(first);
  auto b = broker();
  EXPECT_EQ(b->store.position(), first);
  const auto older = ensemble_.nodes;
  b->set("/x", "2");
  const auto second = b->store.position();
  EXPECT_TRUE(world_.run(b->store.has(*first)).value());
  EXPECT_TRUE(world_.run(b->store.has(*second)).value());
  a.reset();
  b.reset();
  ensemble_.nodes = older;
  auto c = broker();
  EXPECT_TRUE(world_.run(c->store.has(*first)).value());
  EXPECT_FALSE(world_.run(c->store.has(*second)).value()) << "it ends before";
  c->set("/x", "3");
  EXPECT_FALSE(world_.run(c->store.has(*second)).value()) << "another is in its place";
}

TEST_F(ZookeeperStoreTest, WhatWasTrimmedIsNotDoubted) {
  options_.commits_per_snapshot = 3;
  auto a = broker();
  a->set("/x", "1");
  const auto first = a->store.position();
  for (int i = 0; i < 20; ++i) a->set("/x", std::to_string(i));
  world_.run_for(seconds(1));
  ASSERT_FALSE(ensemble_.nodes.contains(node(1)));
  EXPECT_TRUE(world_.run(a->store.has(*first)).value());
  auto late = broker();
  EXPECT_FALSE(late->store.position()) << "a snapshot does not tell it";
  late->set("/x", "z");
  EXPECT_TRUE(late->store.position());
}

// ---- confirmations ----

TEST_F(ZookeeperStoreTest, AConfirmationBringsWhatOthersHaveCommittedByThen) {
  auto a = broker();
  auto b = broker();
  a->session.cut_line();  // it hears nothing from now on
  b->set("/x", "1");
  EXPECT_TRUE(a->table.empty());
  a->session.mend_line();
  EXPECT_TRUE(world_.run(confirmed(*a)));
  EXPECT_EQ(a->table.at("/x"), "1");
}

TEST_F(ZookeeperStoreTest, NothingIsConfirmedOverALineThatIsCut) {
  auto a = broker();
  a->session.cut_line();
  const io::Instant asked = world_.loop().now();
  EXPECT_FALSE(world_.run(confirmed(*a)));
  EXPECT_LT(world_.loop().now() - asked, seconds(1)) << "who asks would wait for nothing";
  a->session.mend_line();
  a->session.lose_next_answer();
  EXPECT_FALSE(world_.run(confirmed(*a)));
}

TEST_F(ZookeeperStoreTest, WhoseProcessWasReplacedIsConfirmedNothing) {
  options_.demands = {{zookeeper::Op::Kind::check, "/kafka/isthmus/tokens/a"}};
  auto a = broker();
  ensemble_.nodes["/kafka/isthmus/tokens/a"] = {};
  EXPECT_TRUE(world_.run(confirmed(*a)));
  bool lost = false;
  a->store.on_session_lost([&lost] { lost = true; });
  ensemble_.nodes.erase("/kafka/isthmus/tokens/a");
  EXPECT_FALSE(world_.run(confirmed(*a)));
  EXPECT_TRUE(lost);
}

// Anybody can make a broker ask, and a majority answers each time.
TEST_F(ZookeeperStoreTest, WhoAskAtATimeAreConfirmedTogether) {
  auto a = broker();
  const size_t before = ensemble_.requests;
  std::vector<std::shared_ptr<std::optional<bool>>> answers;
  for (int i = 0; i < 100; ++i) {
    answers.push_back(world_.start(confirmed(*a)));
  }
  world_.run_for(seconds(1));
  for (const auto& answer : answers) EXPECT_EQ(*answer, true);
  EXPECT_LE(ensemble_.requests - before, 10u);
}

// One after the other, of what was asked at the same time: a request may name thousands.
TEST_F(ZookeeperStoreTest, OneConfirmationAnswersAllThatWasAskedBefore) {
  auto a = broker();
  const io::Instant asked = world_.loop().now();
  world_.run_for(seconds(1));
  const size_t before = ensemble_.requests;
  for (int i = 0; i < 100; ++i) {
    EXPECT_TRUE(world_.run(a->store.confirmed(asked, world_.loop().now() + seconds(2))));
  }
  EXPECT_LE(ensemble_.requests - before, 5u);
  EXPECT_TRUE(world_.run(confirmed(*a)));
  EXPECT_GT(ensemble_.requests - before, 2u) << "what was committed since is not known by it";
}

// However often: each costs a majority a write.
TEST_F(ZookeeperStoreTest, WhoAsksAgainAndAgainIsConfirmedSoOftenAtMost) {
  auto a = broker();
  const io::Instant began = world_.loop().now();
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(world_.run(confirmed(*a)));
  EXPECT_GE(world_.loop().now() - began, std::chrono::milliseconds(19 * 50));
}

TEST_F(ZookeeperStoreTest, WhatOneNodeCannotHoldCrossesInParts) {
  auto a = broker();
  auto b = broker();
  const std::string large(3 * bytes_per_node + 17, 'v');
  a->set("/large", large);
  world_.run_for(seconds(1));
  EXPECT_EQ(b->table.at("/large"), large);
  EXPECT_EQ(names("parts").size(), 1u);
  for (const auto& [path, found] : ensemble_.nodes) {
    EXPECT_LE(found.data.size(), bytes_per_node + 100) << path;
  }
}

TEST_F(ZookeeperStoreTest, SnapshotsTakeThePlaceOfCommits) {
  options_.commits_per_snapshot = 10;
  auto a = broker();
  for (int i = 0; i < 100; ++i) a->set("/k" + std::to_string(i % 7), std::to_string(i));
  a->set("/large", std::string(bytes_per_node * 2, 'v'));
  for (int i = 0; i < 30; ++i) a->set("/last", std::to_string(i));
  world_.run_for(seconds(5));
  EXPECT_LE(names("commits").size(), 30u);
  EXPECT_LE(names("snapshots").size(), 2u);
  EXPECT_LE(names("parts").size(), 2u) << "of the snapshots that are there";
  auto late = broker();
  EXPECT_EQ(late->table, a->table);
  EXPECT_EQ(late->versions, a->versions);
}

TEST_F(ZookeeperStoreTest, WhoWasAwayForLongHearsWhatHasChangedAsOneCommit) {
  options_.commits_per_snapshot = 10;
  auto a = broker();
  auto b = broker();
  a->set("/gone", "1");
  a->set("/same", "1");
  world_.run_for(seconds(1));
  b->session.cut_line();
  const size_t calls = b->calls;
  EXPECT_EQ(a->commit({}, {{"/gone", std::nullopt}}).value(), Outcome::committed);
  for (int i = 0; i < 60; ++i) a->set("/new", std::to_string(i));
  world_.run_for(seconds(5));
  ASSERT_FALSE(ensemble_.nodes.contains(node(3)));
  b->session.mend_line();
  world_.run_for(seconds(5));
  EXPECT_EQ(b->table, a->table);
  EXPECT_EQ(b->versions, a->versions);
  EXPECT_LT(b->calls, calls + 30);
}

// Its next commit had a node once, and the node is gone.
TEST_F(ZookeeperStoreTest, WhoWasAwayForLongCannotMakeAnOldCommitAgain) {
  options_.commits_per_snapshot = 10;
  options_.patience = seconds(300);
  auto a = broker();
  auto b = broker();
  b->session.cut_line();
  auto stale = world_.start(b->store.commit({}, {put("/x", "stale")}));
  for (int i = 0; i < 60; ++i) a->set("/x", std::to_string(i));
  world_.run_for(seconds(5));
  ASSERT_FALSE(ensemble_.nodes.contains(node(1)));
  b->session.mend_line();
  world_.run_for(seconds(5));
  ASSERT_TRUE(stale->has_value());
  // The snapshot does not tell whether one of its attempts had come through.
  ASSERT_FALSE(**stale);
  EXPECT_EQ((**stale).error().kind, Error::Kind::timeout);
  EXPECT_FALSE(ensemble_.nodes.contains(node(1)));
  EXPECT_EQ(a->table.at("/x"), "59");
  EXPECT_EQ(b->table, a->table);
}

// The line goes again between what it learns first, that commits were removed, and the rest.
TEST_F(ZookeeperStoreTest, WhoHasNotReadAllThatWasRemovedCannotMakeAnOldCommitAgain) {
  options_.commits_per_snapshot = 10;
  auto a = broker();
  auto b = broker();
  b->session.cut_line();
  for (int i = 0; i < 60; ++i) a->set("/x", std::to_string(i));
  world_.run_for(seconds(5));
  for (uint64_t requests = 1; requests < 12; ++requests) {
    b->session.mend_line();
    b->session.cut_after(requests);
    auto stale = b->commit({}, {put("/x", "stale")});
    EXPECT_FALSE(ensemble_.nodes.contains(node(1))) << requests;
    if (stale && *stale == Outcome::committed) break;
  }
  b->session.cut_after(0);
  b->session.mend_line();
  world_.run_for(seconds(5));
  EXPECT_EQ(b->table, a->table);
}

TEST_F(ZookeeperStoreTest, WhatIsTrimmedWhileItIsReadIsReadAnew) {
  options_.commits_per_snapshot = 10;
  auto a = broker();
  auto b = broker();
  for (uint64_t requests = 1; requests < 20; ++requests) {
    b->session.cut_line();
    a->set("/large", std::string(bytes_per_node * 3, static_cast<char>('a' + requests)));
    b->session.mend_line();
    world_.run_for(std::chrono::milliseconds(2 * requests));
    for (int i = 0; i < 30; ++i) a->set("/x", std::to_string(i));
    world_.run_for(seconds(5));
    ASSERT_EQ(b->table, a->table) << requests;
  }
}

TEST_F(ZookeeperStoreTest, WhatIsDamagedIsNotBelieved) {
  {
    broker()->set("/x", "1");
  }
  const auto good = ensemble_.nodes.at(node(1)).data;
  for (size_t i = 0; i < good.size(); ++i) {
    std::vector<uint8_t> bytes(good.data(), good.data() + good.size());
    bytes[i] ^= 0x20;
    ensemble_.nodes.at(node(1)).data = Slice::take(std::move(bytes));
    Broker another(ensemble_, world_, options_);
    auto opened = another.open();
    ASSERT_FALSE(opened) << "byte " << i;
    EXPECT_EQ(opened.error().kind, Error::Kind::corrupt);
    EXPECT_NE(opened.error().text.find(node(1)), std::string::npos);
  }
}

TEST_F(ZookeeperStoreTest, WhoCannotFollowTellsItsOwner) {
  auto a = broker();
  auto b = broker();
  bool lost = false;
  b->store.on_session_lost([&lost] { lost = true; });
  b->session.cut_line();
  a->set("/x", "1");
  ensemble_.nodes.at(node(1)).data = Slice::copy_of("spoiled");
  b->session.mend_line();
  world_.run_for(seconds(5));
  EXPECT_TRUE(lost);
}

TEST_F(ZookeeperStoreTest, FollowersLearnWithoutBeingAsked) {
  auto a = broker();
  auto b = broker();
  world_.run_for(seconds(1));
  const size_t before = ensemble_.requests;
  world_.run_for(seconds(25));
  EXPECT_EQ(ensemble_.requests, before) << "what stands still costs nothing";
  world_.run_for(std::chrono::minutes(10));
  EXPECT_EQ(b->session.watches(), 1u);
  a->set("/x", "1");
  world_.run_for(std::chrono::milliseconds(20));
  EXPECT_EQ(b->table.at("/x"), "1");
}

TEST(ZookeeperLayout, KnowsItsOwnNames) {
  EXPECT_EQ(ZookeeperLayout("/r").commit(42), "/r/commits/0000000000000000042");
  EXPECT_EQ(ZookeeperLayout::version_of("0000000000000000042"), 42);
  EXPECT_EQ(ZookeeperLayout::version_of("0000000000000000042-abc"), 42);
  for (const char* other : {"", "42", "000000000000000004x", "lock", "-000000000000000042"}) {
    EXPECT_FALSE(ZookeeperLayout::version_of(other)) << other;
  }
}

}  // namespace
}  // namespace isthmus::broker
