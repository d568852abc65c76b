// Controllers of several brokers over one store.
#include <algorithm>

#include "broker/controller/controller.h"
#include "broker/controller/topic_plans.h"
#include "broker/store/zookeeper_store.h"
#include "tests/broker/plans.h"
#include "tests/broker/task_world.h"
#include "tests/sim/world/zookeeper.h"

namespace isthmus::broker {
namespace {

using std::chrono::seconds;

struct Member {
  Member(TaskWorld& w, sim::ZookeeperEnsemble& ensemble)
      : world(w), session(ensemble, w.loop()), controller(w.env(), image) {
    auto made = std::make_unique<ZookeeperStore>(w.loop(), w.env().random, session,
                                                 ZookeeperStoreOptions{});
    store = made.get();
    EXPECT_TRUE(world.run(store->open()));
    controller.use(std::move(made));
  }
  ~Member() {
    world.on_loop([this] { controller.stop_settling(); });
    world.run([](Member& m) -> io::Task<bool> {
      co_await m.background.close();
      co_await m.store->close();
      co_return true;
    }(*this));
  }
  Result<void> start(Identity who) { return world.run(controller.start(std::move(who))); }
  const Image& now() const { return *controller.snapshot(); }

  TaskWorld& world;
  sim::ZookeeperSession session;
  PublishedImage image;
  Controller controller;
  ZookeeperStore* store = nullptr;
  io::Gate background{world.loop()};
};

Identity who(NodeId node, std::string name = "seoul", ClusterNumber number = 7) {
  return {std::move(name), number, node, {}, {}, "the folder /isthmus of ZooKeeper (zk:2181)"};
}

class SharedStoreTest : public testing::Test {
 protected:
  TaskWorld world_;
  sim::ZookeeperEnsemble ensemble_;
};

TEST_F(SharedStoreTest, EachBrokerIsRegisteredAndFencedUntilItServes) {
  Member a(world_, ensemble_), b(world_, ensemble_);
  ASSERT_TRUE(a.start(who(101)));
  ASSERT_TRUE(b.start(who(102)));
  world_.run_for(seconds(1));
  EXPECT_EQ(a.now().cluster_id, b.now().cluster_id);
  ASSERT_EQ(a.now().brokers.size(), 2u);
  for (const auto& [node, broker] : a.now().brokers) EXPECT_TRUE(broker.fenced) << node;
  Member again(world_, ensemble_);
  ASSERT_TRUE(again.start(who(101)));
  EXPECT_EQ(again.now().starts_of(101), 2);
  EXPECT_EQ(again.now().starts.number, 3);
}

io::Task<void> note(std::vector<uint64_t>& heard, std::shared_ptr<const Image> image) {
  heard.push_back(image->number);
  co_return;
}
io::Task<Result<void>> wait_for(io::Event& event) {
  co_await event.wait();
  co_return Result<void>{};
}

// A thousand partitions take minutes to open: who leads the others is heard meanwhile, and what has
// to be known at once waits for nobody.
TEST_F(SharedStoreTest, WhatIsToBeHeardWaitsForNoFollower) {
  io::Event opened(world_.loop());
  std::vector<uint64_t> heard;
  Member a(world_, ensemble_), b(world_, ensemble_);  // which hear and open to their end
  const auto hear = [&heard](std::shared_ptr<const Image> image) { return note(heard, image); };
  const auto open = [&opened](std::shared_ptr<const Image>) { return wait_for(opened); };
  ASSERT_TRUE(a.start(who(101)));
  ASSERT_TRUE(b.start(who(102)));
  a.controller.hear(hear);
  a.controller.follow(open);
  a.background.spawn("hear", a.controller.keep_hearing());
  a.background.spawn("settle", a.controller.keep_settling());
  world_.run_for(seconds(1));
  const auto before = heard.back();
  ASSERT_TRUE(world_.run(b.controller.update(
      [](const Image& image) { return plan_create_topic(image, topic_wish("orders", 1)); })));
  world_.run_for(seconds(1));
  EXPECT_EQ(heard.back(), before + 1);
  EXPECT_TRUE(world_.run(a.controller.commit(
      [](const Image& image) { return plan_create_topic(image, topic_wish("more", 2)); })));
  EXPECT_EQ(heard.back(), before + 2);
  EXPECT_EQ(a.controller.heard(), a.controller.snapshot());
  opened.close();
}

TEST_F(SharedStoreTest, BrokersThatStartAtTheSameTimeFoundOneCluster) {
  std::vector<std::unique_ptr<Member>> members;
  std::vector<Started<Result<void>>> started;
  for (NodeId node : {101, 102, 103}) {
    members.push_back(std::make_unique<Member>(world_, ensemble_));
    started.push_back(world_.start(members.back()->controller.start(who(node))));
  }
  world_.run_for(seconds(5));
  for (const auto& one : started) {
    ASSERT_TRUE(one->has_value());
    EXPECT_TRUE(**one);
  }
  for (const auto& member : members) {
    EXPECT_EQ(member->now().cluster_id, members.front()->now().cluster_id);
    EXPECT_EQ(member->now().brokers.size(), 3u);
  }
}

TEST_F(SharedStoreTest, AnotherClustersMetadataAreRefusedByNameAndUntouched) {
  Member a(world_, ensemble_);
  ASSERT_TRUE(a.start(who(101)));
  const auto before = ensemble_.children("/isthmus/commits");
  Member b(world_, ensemble_);
  auto refused = b.start(who(102, "busan", 8));
  EXPECT_TRUE(says(refused, "the folder /isthmus of ZooKeeper (zk:2181) belongs to cluster seoul"));
  EXPECT_TRUE(says(refused, "busan (number 8)"));
  EXPECT_TRUE(says(refused, "zookeeper.connect"));
  EXPECT_EQ(ensemble_.children("/isthmus/commits"), before);
}

TEST_F(SharedStoreTest, ADirectoryOfAnotherClusterIsRefused) {
  Member a(world_, ensemble_);
  Identity theirs = who(101);
  theirs.directory_cluster = "their-cluster";
  EXPECT_TRUE(says(a.start(theirs), "log.dirs belong to cluster their-cluster, and in the folder"));
  EXPECT_TRUE(ensemble_.children("/isthmus/commits").empty())
      << "metadata that are gone are not founded anew";
  ASSERT_TRUE(a.start(who(101)));
  Member b(world_, ensemble_);
  EXPECT_TRUE(says(b.start(theirs), a.now().cluster_id.to_string()));
  Identity mine = who(101);
  mine.directory_cluster = a.now().cluster_id.to_string();
  EXPECT_TRUE(b.start(mine));
}

TEST_F(SharedStoreTest, WhatOthersCommitIsFollowed) {
  Member a(world_, ensemble_), b(world_, ensemble_);
  ASSERT_TRUE(a.start(who(101)));
  ASSERT_TRUE(b.start(who(102)));
  size_t followed = 0;
  bool fails = true;
  b.controller.follow([&](std::shared_ptr<const Image> image) -> io::Task<Result<void>> {
    if (std::exchange(fails, false)) return io::ready(Result<void>(fail("the disk is full")));
    followed = image->topics.size();
    return io::ready(Result<void>{});
  });
  world_.on_loop([&] { b.background.spawn("settle", b.controller.keep_settling()); });
  auto made = world_.run(a.controller.update(
      [](const Image& image) { return plan_create_topic(image, topic_wish("orders", 9)); }));
  ASSERT_TRUE(made);
  world_.run_for(seconds(3));
  EXPECT_EQ(followed, 1u) << "also after a first attempt that failed";
}

TEST_F(SharedStoreTest, MetadataOfANewerReleaseAreTold) {
  Member a(world_, ensemble_), b(world_, ensemble_);
  ASSERT_TRUE(a.start(who(101)));
  std::string told;
  a.controller.on_unreadable([&](Error why) { told = why.text; });
  world_.run_for(seconds(1));
  ASSERT_TRUE(world_.run(b.store->commit({}, {{"/from/the/future", Slice::copy_of("x")}})));
  world_.run_for(seconds(1));
  EXPECT_NE(told.find("/from/the/future"), std::string::npos);
}

}  // namespace
}  // namespace isthmus::broker
