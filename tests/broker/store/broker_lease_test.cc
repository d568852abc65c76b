#include "broker/store/broker_lease.h"

#include "tests/broker/store/sim_connector.h"
#include "tests/broker/task_world.h"

namespace isthmus::broker {
namespace {

using Outcome = MetadataStore::Outcome;
using std::chrono::seconds;

Uuid id_of(uint8_t byte) {
  Uuid id;
  id.bytes.fill(byte);
  return id;
}

// A process that starts as broker `node`, in the data directory `directory`.
struct Holder {
  Holder(TaskWorld& w, sim::ZookeeperEnsemble& ensemble, NodeId node, uint8_t directory)
      : world(w), connector(ensemble), lease(w.env(), connector, options(node, directory)) {
    lease.on_lost([this] { ++lost; });
  }
  ~Holder() { end(); }

  static BrokerLease::Options options(NodeId node, uint8_t directory) {
    return {.connect = {{{"zk", 2181}}, "/isthmus"},
            .digest = "user:password",
            .node = node,
            .says = {.directory = id_of(directory),
                     .address = "k" + std::to_string(directory) + ":9092",
                     .replication_factor = 3}};
  }
  Result<void> open() {
    auto opened = world.run(lease.open());
    if (!opened) return fail(opened.error());
    store = std::move(*opened);
    store->watch([](const auto&) {});
    return {};
  }
  Result<void> start() {
    if (auto opened = open(); !opened) return opened;
    return world.run(lease.take());
  }
  Result<Outcome> commit(const std::string& key) {
    return world.run(store->commit({}, {{key, Slice::copy_of("x")}}));
  }
  void end() {
    world.run([](BrokerLease& held) -> io::Task<bool> {
      co_await held.leave();
      co_return true;
    }(lease));
    store.reset();
  }

  TaskWorld& world;
  SimConnector connector;
  BrokerLease lease;
  std::unique_ptr<MetadataStore> store;
  int lost = 0;
};

class BrokerLeaseTest : public testing::Test {
 protected:
  LiveNode live(NodeId node) {
    const std::string path = "/isthmus/live/" + std::to_string(node);
    return decode_live_node(ensemble.nodes.at(path).data, path).value();
  }

  TaskWorld world;
  sim::ZookeeperEnsemble ensemble;
};

TEST(LiveNode, NamesWhatItsOptionsHaveOtherwise) {
  LiveNode mine, theirs;
  mine.replication_factor = theirs.replication_factor = 3;
  mine.settings = {{"num.partitions", "4"}, {"offsets.topic.num.partitions", "50"}};
  theirs.settings = {{"num.partitions", "4"}, {"offsets.topic.num.partitions", "10"}};
  theirs.address = "k2:9092";
  const auto known = decode_live_node(encode_live_node(theirs), "there");
  ASSERT_TRUE(known);
  EXPECT_EQ(
      differences(mine, 102, *known),
      std::vector<std::string>{"offsets.topic.num.partitions differs: 50 here, 10 at node 102 "
                               "(k2:9092); which one holds depends on who is asked"});
  theirs.replication_factor = -1;
  theirs.settings.clear();
  ASSERT_EQ(differences(mine, 102, theirs).size(), 1u) << "an earlier release tells less";
  EXPECT_EQ(
      differences(mine, 102, theirs)[0].find("default.replication.factor differs: 3 here, the "
                                             "number of brokers at"),
      0u);
}

TEST_F(BrokerLeaseTest, ABrokerThatRunsIsThereAndGoesWithItsSession) {
  Holder a(world, ensemble, 101, 1);
  ASSERT_TRUE(a.start());
  EXPECT_EQ(a.connector.digest, "user:password");
  EXPECT_EQ(live(101).directory, id_of(1));
  EXPECT_EQ(live(101).address, "k1:9092");
  EXPECT_EQ(ensemble.children("/isthmus/tokens").size(), 1u);
  a.end();
  EXPECT_TRUE(ensemble.children("/isthmus/live").empty());
  EXPECT_TRUE(ensemble.children("/isthmus/tokens").empty());
}

TEST_F(BrokerLeaseTest, AnotherDirectoryWithTheSameNodeIdIsRefusedByName) {
  Holder a(world, ensemble, 101, 1);
  ASSERT_TRUE(a.start());
  Holder b(world, ensemble, 101, 2);
  const auto refused = b.start();
  ASSERT_FALSE(refused);
  EXPECT_TRUE(refused.error().text.starts_with("node.id 101 is in use by the broker at k1:9092"))
      << refused.error().text;
  EXPECT_EQ(live(101).directory, id_of(1));
  EXPECT_TRUE(ensemble.children("/isthmus/commits").empty());
  EXPECT_EQ(b.commit("/x").error().kind, Error::Kind::closed)
      << "without a place nothing is written";
  Holder c(world, ensemble, 102, 2);
  EXPECT_TRUE(c.start());
}

// What ZooKeeper finds out after the session's time-out, the directory's lock has said already.
TEST_F(BrokerLeaseTest, ARestartInTheSameDirectoryTakesThePlaceAtOnceAndForGood) {
  Holder before(world, ensemble, 101, 1);
  ASSERT_TRUE(before.start());
  ASSERT_TRUE(before.commit("/a"));
  Holder after(world, ensemble, 101, 1);
  ASSERT_TRUE(after.start());
  EXPECT_EQ(ensemble.children("/isthmus/tokens").size(), 1u);
  ASSERT_TRUE(after.commit("/b"));
  world.run_for(seconds(1));
  const auto refused = before.commit("/c");
  EXPECT_EQ(refused.error().kind, Error::Kind::closed) << "its session lives, its place does not";
  EXPECT_EQ(before.lost, 1);
  EXPECT_TRUE(after.commit("/d"));
  EXPECT_EQ(after.lost, 0);
  // Nor when its successor has gone again.
  after.end();
  EXPECT_FALSE(before.commit("/e"));
  EXPECT_EQ(before.lost, 1) << "told once";
}

TEST_F(BrokerLeaseTest, WhoCannotBeReachedIsWaitedForAndNamed) {
  Holder a(world, ensemble, 101, 1);
  a.connector.is_cut = true;
  auto opened = world.start(a.lease.open());
  world.run_for(seconds(90));
  EXPECT_FALSE(opened->has_value());
  EXPECT_NE(a.lease.waits_for().find("ZooKeeper at zk:2181/isthmus does not answer"),
            std::string::npos)
      << a.lease.waits_for();
  EXPECT_FALSE(a.lease.is_connected());
  world.on_loop([&] { a.connector.session->mend_line(); });
  world.run_for(seconds(5));
  ASSERT_TRUE(opened->has_value() && (*opened)->has_value());
  a.store = std::move(***opened);
  EXPECT_EQ(a.lease.waits_for(), "");
  EXPECT_TRUE(a.lease.is_connected());
}

TEST_F(BrokerLeaseTest, AWaitEndsWhenNobodyWantsItAnyMore) {
  Holder a(world, ensemble, 101, 1);
  a.connector.is_cut = true;
  auto opened = world.start(a.lease.open());
  world.run_for(seconds(3));
  world.on_loop([&] { a.lease.stop_waiting(); });
  world.run_for(seconds(1));
  ASSERT_TRUE(opened->has_value());
  EXPECT_EQ((*opened)->error().kind, Error::Kind::closed);
}

TEST_F(BrokerLeaseTest, APlaceThatWasTakenByALostAnswerIsItsOwn) {
  Holder a(world, ensemble, 101, 1);
  ASSERT_TRUE(a.open());
  a.connector.session->lose_next_answer();
  auto taken = world.start(a.lease.take());
  world.run_for(seconds(2));
  EXPECT_FALSE(taken->has_value());
  world.on_loop([&] { a.connector.session->mend_line(); });
  world.run_for(seconds(2));
  ASSERT_TRUE(taken->has_value());
  EXPECT_TRUE(**taken);
  EXPECT_TRUE(a.commit("/x"));
}

TEST_F(BrokerLeaseTest, ASessionThatIsLostIsToldAndCommitsNothing) {
  Holder a(world, ensemble, 101, 1);
  ASSERT_TRUE(a.start());
  world.on_loop([&] { a.connector.session->expire(); });
  world.run_for(seconds(1));
  EXPECT_EQ(a.lost, 1);
  EXPECT_EQ(a.commit("/x").error().kind, Error::Kind::closed);
}

TEST_F(BrokerLeaseTest, TheOthersAreReadWithWhatTheySay) {
  Holder a(world, ensemble, 101, 1), b(world, ensemble, 102, 2);
  ASSERT_TRUE(a.start());
  ASSERT_TRUE(b.start());
  const auto others = world.run(a.lease.others());
  ASSERT_EQ(others.size(), 1u);
  EXPECT_EQ(others.at(102).address, "k2:9092");
  EXPECT_EQ(others.at(102).replication_factor, 3);
}

TEST(LiveNodes, WhatIsNotOursIsAnError) {
  EXPECT_FALSE(decode_live_node(Slice::copy_of("x"), "/live/1"));
  EXPECT_FALSE(plan_to_live(ZookeeperLayout("/r"), 1, {}, zookeeper::Node{Slice::copy_of("?")}));
}

}  // namespace
}  // namespace isthmus::broker
