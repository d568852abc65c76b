// Metadata that were restored from an older copy: what they do not name is set aside, not removed.
#include "broker/log/doomed.h"
#include "tests/broker/replica/table_world.h"

namespace isthmus::broker {
namespace {

using Names = std::vector<std::string>;

class Distrust : public PartitionTableTest {
 protected:
  Distrust() {
    keep_position();
    create("orders", 1, 2);
    for (PartitionIndex p = 0; p < 2; ++p) EXPECT_EQ(write("orders", p), 0);
  }
  void keep_position() {
    table_->position_by([this] { return position_; });
  }
  // The process is gone, and the next one finds this image, which it does not believe.
  void start_with(std::shared_ptr<const Image> image) {
    kill();
    image_ = std::move(image);
    boot();
    keep_position();
    table_->distrust();
    follow();
  }
  std::shared_ptr<const Image> held_by(NodeId node) {
    TopicImage topic = *image_->find("orders");
    for (auto& partition : topic.partitions) {
      partition.replicas = partition.isr = {node};
      partition.leader = node;
    }
    Plan plan;
    plan.change(*image_->find("orders"), topic);
    return after(*image_, plan, ++version_);
  }

  std::optional<FollowedMetadata> position_ = FollowedMetadata{7, uuid_of(70)};
};

TEST_F(Distrust, AReplicaThatTheyDoNotNameIsSetAsideAndMayComeBack) {
  const auto before = image_;
  start_with(held_by(2));
  EXPECT_EQ(folders(), Names{});
  EXPECT_EQ(doomed(), Names{});
  EXPECT_EQ(strays().size(), 2u);
  EXPECT_FALSE(table_->dirs().assigned_folder({"orders", 0}, uuid_of(1)));
  // The later metadata are back, and an operator has given the folders their names again.
  kill();
  for (const std::string dir : {"/data/1", "/data/2"}) {
    for (PartitionIndex p = 0; p < 2; ++p) {
      const std::string folder = dir + "/orders-" + std::to_string(p);
      const std::string stray = stray_path(folder, uuid_of(1), p);
      if (world_.disk().exists(stray)) world_.disk().rename(stray, folder).value();
    }
  }
  image_ = before;
  start();
  EXPECT_TRUE(table_->offline().empty());
  EXPECT_EQ(write("orders"), 1);
}

TEST_F(Distrust, ATopicThatTheySayIsDeletedIsSetAside) {
  decide_to_remove("orders");
  start_with(image_);
  EXPECT_EQ(strays().size(), 2u);
  finish_deletions();
  EXPECT_TRUE(image_->deleted.empty()) << "nothing is waited for";
  EXPECT_EQ(strays().size(), 2u);
}

TEST_F(Distrust, EndsWhenTheyWereFollowed) {
  start_with(held_by(1));
  EXPECT_EQ(write("orders"), 1);
  image_ = held_by(2);
  follow();
  EXPECT_EQ(strays(), Names{});
  EXPECT_EQ(folders(), Names{});
}

// A disk that refuses to rename it: the next start does not believe them, either.
TEST_F(Distrust, LastsWhileSomethingIsLeft) {
  position_ = FollowedMetadata{9, uuid_of(90)};
  for (int i = 0; i < 2; ++i) world_.host.disk().fail_next_name_change("/orders-0", EIO);
  start_with(held_by(2));
  EXPECT_TRUE(table_->dirs().distrusts());
  ASSERT_TRUE(world_.run(table_->checkpoint()));
  EXPECT_EQ(table_->dirs().followed(), (FollowedMetadata{7, uuid_of(70)}));
}

TEST_F(Distrust, IsByWhatTheDiskSaysWasFollowed) {
  EXPECT_EQ(table_->dirs().followed(), position_) << "before a replica is shown";
  position_ = FollowedMetadata{9, uuid_of(90)};
  ASSERT_TRUE(world_.run(table_->checkpoint()));
  const auto saved = position_;
  position_ = FollowedMetadata{12, uuid_of(120)};
  kill();
  boot();
  EXPECT_EQ(table_->dirs().followed(), saved);
  start();
}

}  // namespace
}  // namespace isthmus::broker
