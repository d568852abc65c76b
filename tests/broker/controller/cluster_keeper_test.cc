#include "broker/controller/cluster_keeper.h"

#include <algorithm>

#include "broker/store/zookeeper_store.h"
#include "tests/broker/plans.h"
#include "tests/broker/task_world.h"
#include "tests/sim/world/zookeeper.h"

namespace isthmus::broker {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

const std::string root = "/isthmus";

// A broker's part in the cluster, without partitions.
struct ClusterNode {
  ClusterNode(sim::ZookeeperEnsemble& zookeeper, TaskWorld& w, NodeId node)
      : world(w),
        ensemble(zookeeper),
        id(node),
        session(zookeeper, w.loop()),
        controller(w.env(), image) {
    auto opened = std::make_unique<ZookeeperStore>(w.loop(), w.env().random, session,
                                                   ZookeeperStoreOptions{.root = root});
    store = opened.get();
    auto done = world.run(store->open());
    EXPECT_TRUE(done) << done.error().text;
    controller.use(std::move(opened));
    make_live_node();
    done = world.run(controller.start({"seoul", 7, id}));
    EXPECT_TRUE(done) << done.error().text;
    keeper = std::make_unique<ClusterKeeper>(w.loop(), w.env().random, session,
                                             ZookeeperLayout(root), controller);
    world.on_loop([this] {
      background.spawn("settle", controller.keep_settling());
      keeper->start();
      keeper->serve();
    });
  }
  ~ClusterNode() { stop(); }

  void make_live_node() {
    const ZookeeperLayout layout(root);
    if (!ensemble.nodes.contains(layout.live())) {
      (void)world.run(session.transact({{zookeeper::Op::Kind::create, layout.live()}}));
    }
    auto made =
        world.run(session.transact({{zookeeper::Op::Kind::create_ephemeral, layout.live(id)}}));
    EXPECT_TRUE(made && made->answer == zookeeper::Answer::ok);
  }

  void stop() {
    if (!keeper) return;
    controller.stop_settling();
    world.run([](ClusterNode& n) -> io::Task<bool> {
      co_await n.keeper->close();
      co_await n.background.close();
      co_await n.store->close();
      co_return true;
    }(*this));
    keeper.reset();
  }

  const Image& now() const { return *controller.snapshot(); }

  TaskWorld& world;
  sim::ZookeeperEnsemble& ensemble;
  NodeId id;
  sim::ZookeeperSession session;
  PublishedImage image;
  Controller controller;
  ZookeeperStore* store = nullptr;
  std::unique_ptr<ClusterKeeper> keeper;
  io::Gate background{world.loop()};
};

class ClusterKeeperTest : public testing::Test {
 protected:
  ClusterNode& boot(NodeId id) {
    nodes_[id] = std::make_unique<ClusterNode>(ensemble_, world_, id);
    return *nodes_[id];
  }
  void boot_three() {
    for (NodeId id : {101, 102, 103}) boot(id);
    ASSERT_TRUE(soon([&] { return serving(101) && serving(102) && serving(103); }));
  }
  bool soon(const std::function<bool()>& there, io::Duration patience = seconds(2)) {
    return world_.world.run_until(there, patience);
  }
  bool serving(NodeId id) {
    const auto& brokers = nodes_.begin()->second->now().brokers;
    const auto found = brokers.find(id);
    return found != brokers.end() && !found->second.fenced;
  }
  // As others see it.
  bool fenced_at(NodeId observer, NodeId id) {
    return nodes_[observer]->now().brokers.at(id).fenced;
  }
  int controllers() {
    int count = 0;
    for (const auto& [id, node] : nodes_) count += node->keeper->is_controller() ? 1 : 0;
    return count;
  }

  TaskWorld world_;
  sim::ZookeeperEnsemble ensemble_;
  std::map<NodeId, std::unique_ptr<ClusterNode>> nodes_;
};

TEST_F(ClusterKeeperTest, EveryBrokerServesAndOneIsTheController) {
  boot_three();
  EXPECT_EQ(controllers(), 1);
  EXPECT_TRUE(nodes_[101]->keeper->is_controller());
  EXPECT_TRUE(soon([&] { return nodes_[103]->keeper->holder() == 101; }));
  EXPECT_EQ(nodes_[102]->now().brokers.size(), 3u);
}

TEST_F(ClusterKeeperTest, WhoseSessionEndsIsFencedByTheController) {
  boot_three();
  world_.on_loop([&] { nodes_[102]->session.expire(); });
  EXPECT_TRUE(soon([&] { return fenced_at(103, 102); }));
  EXPECT_FALSE(fenced_at(103, 101));
}

TEST_F(ClusterKeeperTest, WhenTheControllersSessionEndsAnotherTakesItsSeatAndFencesIt) {
  boot_three();
  world_.on_loop([&] { nodes_[101]->session.expire(); });
  EXPECT_TRUE(soon([&] { return fenced_at(103, 101); }));
  EXPECT_EQ(nodes_[102]->keeper->is_controller() + nodes_[103]->keeper->is_controller(), 1);
}

// Its session has many seconds to live: nobody waits for that.
TEST_F(ClusterKeeperTest, AControllerThatRefusesLosesItsSeatAtOnce) {
  boot_three();
  world_.on_loop([&] { nodes_[103]->keeper->on_refused(101, 1); });
  EXPECT_TRUE(soon([&] { return nodes_[103]->keeper->is_controller(); }));
  EXPECT_TRUE(soon([&] { return fenced_at(102, 101); }));
}

TEST_F(ClusterKeeperTest, WhoIsFencedByMistakeServesAgain) {
  boot_three();
  const int64_t before = nodes_[102]->now().brokers.at(103).version;
  world_.on_loop([&] { nodes_[101]->keeper->on_refused(103, 1); });
  ASSERT_TRUE(soon([&] { return nodes_[102]->now().brokers.at(103).version > before; }));
  EXPECT_TRUE(soon([&] { return nodes_[102]->now().brokers.at(103).version > before + 1; }))
      << "it has said that it serves";
}

TEST_F(ClusterKeeperTest, WhoStopsIsFencedBeforeItIsGone) {
  boot_three();
  auto stopped = world_.run(nodes_[102]->keeper->stop_serving());
  EXPECT_TRUE(stopped) << stopped.error().text;
  EXPECT_TRUE(soon([&] { return fenced_at(103, 102); }));
  world_.run_for(seconds(10));
  EXPECT_TRUE(fenced_at(103, 102)) << "it must not lift the fence again";
}

TEST_F(ClusterKeeperTest, ALostLineToZookeeperIsNoDeath) {
  boot_three();
  nodes_[102]->session.cut_line();
  nodes_[101]->session.cut_line();
  world_.run_for(seconds(10));
  EXPECT_FALSE(fenced_at(103, 101));
  nodes_[101]->session.mend_line();
  nodes_[102]->session.mend_line();
  EXPECT_TRUE(soon([&] { return controllers() == 1; }));
}

}  // namespace
}  // namespace isthmus::broker
