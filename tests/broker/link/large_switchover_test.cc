// A switchover of very many partitions at once, in a store whose nodes have a limit.
#include "broker/controller/controller.h"
#include "broker/controller/topic_plans.h"
#include "broker/link/switchover_plans.h"
#include "broker/store/zookeeper_store.h"
#include "tests/broker/plans.h"
#include "tests/broker/task_world.h"
#include "tests/sim/world/zookeeper.h"

namespace isthmus::broker {
namespace {

using Phase = SwitchoverImage::Phase;

constexpr int topics = 100, partitions = 50;
const Uuid large_move = uuid_of(250);
const ClusterIdentity the_other_end{"busan's id", 3};

// A broker's controller over the ensemble.
class Site {
 public:
  Site(TaskWorld& world, sim::ZookeeperEnsemble& ensemble, NodeId node)
      : world_(world), session_(ensemble, world.loop()), controller_(world.env(), image_) {
    auto made = std::make_unique<ZookeeperStore>(world.loop(), world.env().random, session_,
                                                 ZookeeperStoreOptions{});
    store_ = made.get();
    EXPECT_TRUE(world.run(store_->open()));
    controller_.use(std::move(made));
    EXPECT_TRUE(world.run(controller_.start({"seoul", 7, node, {}, {}, "zk:2181"})));
  }
  ~Site() {
    world_.on_loop([this] { controller_.stop_settling(); });
    world_.run(closed(*store_));
  }
  void commits(const Controller::Decision& decide) {
    const auto done = world_.run(controller_.update(decide));
    ASSERT_TRUE(done) << done.error().text;
  }
  const Image& now() const { return *controller_.snapshot(); }

 private:
  static io::Task<bool> closed(ZookeeperStore& store) {
    co_await store.close();
    co_return true;
  }

  TaskWorld& world_;
  sim::ZookeeperSession session_;
  PublishedImage image_;
  Controller controller_;
  ZookeeperStore* store_ = nullptr;
};

HandOver everything(const Image& image) {
  HandOver order{"seoul-busan", large_move, {}, the_other_end};
  for (const auto& [name, topic] : image.topics) {
    order.topics.push_back(topic->id);
    for (size_t i = 0; i < topic->partitions.size(); ++i) {
      order.held[topic->id].push_back(
          {Offset{1} << 40, epoch_in_force(topic->partitions[i], image)});
    }
  }
  return order;
}

// Of all that the link that runs the other way brings.
Promotion back_here(const Image& image) {
  Promotion promotion;
  promotion.link = "busan-seoul";
  promotion.id = uuid_of(251);
  for (const auto& [name, topic] : image.topics) {
    for (size_t i = 0; i < topic->partitions.size(); ++i) {
      const LeaderEpoch epoch = epoch_in_force(topic->partitions[i], image);
      promotion.topics[topic->id].push_back(Offset{1} << 41);
      promotion.found[name].push_back({next_generation(epoch), 1, Offset{1} << 41, 2, 0});
      promotion.epochs[{topic->id, static_cast<PartitionIndex>(i)}] = epoch;
    }
  }
  return promotion;
}

// 5,000 are far more bytes than one node of ZooKeeper holds; each step is one commit all the same.
TEST(LargeSwitchover, EachStepOfManyPartitionsIsOneCommit) {
  TaskWorld world;
  sim::ZookeeperEnsemble ensemble;
  Site site(world, ensemble, 101);
  for (int i = 0; i < topics; ++i) {
    const NewTopic wish =
        topic_wish("topic-" + std::to_string(i), static_cast<uint8_t>(i + 1), partitions);
    site.commits([&](const Image& image) { return plan_create_topic(image, wish); });
  }
  ASSERT_EQ(site.now().topics.size(), topics);
  const auto commits_before = ensemble.children("/isthmus/commits").size();
  site.commits([](const Image& image) { return plan_hand_over(image, everything(image)); });
  EXPECT_EQ(site.now().switchovers.at("seoul-busan").phase, Phase::handed_over);
  Ending ending;
  ending.link = "seoul-busan";
  ending.id = large_move;
  ending.target = the_other_end;
  ending.reverse_link = "busan-seoul";
  ending.new_origin = 3;
  site.commits([&](const Image& image) { return plan_done(image, ending); });
  site.commits([](const Image& image) { return plan_promote(image, back_here(image)); });
  EXPECT_EQ(ensemble.children("/isthmus/commits").size(), commits_before + 3);
  EXPECT_FALSE(ensemble.children("/isthmus/parts").empty()) << "it fits into one node";
  // Whoever starts reads all of it.
  Site another(world, ensemble, 102);
  const SwitchoverImage& read = another.now().switchovers.at("busan-seoul");
  EXPECT_EQ(read.phase, Phase::promoted);
  ASSERT_EQ(read.promoted.size(), topics);
  EXPECT_EQ(read.promoted.at("topic-7").size(), partitions);
  for (const auto& [name, topic] : another.now().topics) {
    EXPECT_TRUE(topic->writer.is_clients()) << name;
    EXPECT_EQ(topic->partitions.at(partitions - 1).promoted_to, Offset{1} << 41) << name;
  }
}

}  // namespace
}  // namespace isthmus::broker
