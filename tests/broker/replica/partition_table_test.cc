#include <algorithm>
#include <cerrno>

#include "tests/broker/replica/table_world.h"

namespace isthmus::broker {
namespace {

using kafka::ErrorCode;

TEST_F(PartitionTableTest, FollowsTopicsAsTheyComeGrowAndGo) {
  create("orders", 1, 2);
  ASSERT_TRUE(table_->find("orders", 1));
  EXPECT_FALSE(table_->find("orders", 2));
  EXPECT_FALSE(table_->find("orders", -1));
  EXPECT_EQ(write("orders", 1), 0);
  create("orders", 1, 3);
  EXPECT_TRUE(table_->find("orders", 2));
  EXPECT_EQ(write("orders", 1), 1) << "the partitions there were are the same";
  EXPECT_EQ(table_->all_of("orders").size(), 3u);
  remove("orders");
  EXPECT_FALSE(table_->find("orders", 0));
  EXPECT_EQ(table_->find("orders", 0).absence(), ErrorCode::unknown_topic_or_partition);
  EXPECT_EQ(folders(), std::vector<std::string>{});
}

// While others are being opened, or the disk is full.
TEST_F(PartitionTableTest, WhoLeadsIsHeardBeforeOthersAreOpen) {
  create("orders", 1, 1);
  EXPECT_EQ(write("orders"), 0);
  TopicImage topic = *image_->find("orders");
  topic.partitions[0].leader = 2;
  topic.partitions[0].replicas = topic.partitions[0].isr = {1, 2};
  topic.partitions[0].leader_epoch = 1;
  Plan plan;
  plan.change(*image_->find("orders"), topic);
  const auto before = image_;
  image_ = after(*image_, plan, ++version_);
  decide("more", 2, 1);
  world_.run(done(table_->hear(image_)));
  EXPECT_EQ(world_.run(table_->find("orders", 0).describe()).leader_epoch, 1);
  EXPECT_FALSE(world_.run(write(table_->find("orders", 0)))) << "others lead";
  EXPECT_TRUE(table_->find("more", 0).is_opening());
  ASSERT_TRUE(world_.run(table_->follow(before)));
  EXPECT_EQ(world_.run(table_->find("orders", 0).describe()).leader_epoch, 1)
      << "an image that is followed late takes nothing back";
  follow();
  EXPECT_EQ(write("more"), 0);
}

TEST_F(PartitionTableTest, WhoIsOpenedHearsWhatHasComeMeanwhile) {
  decide("orders", 1, 1);
  const auto before = image_;
  TopicImage topic = *image_->find("orders");
  topic.partitions[0].leader = 2;
  topic.partitions[0].replicas = topic.partitions[0].isr = {1, 2};
  topic.partitions[0].leader_epoch = 1;
  Plan plan;
  plan.change(*image_->find("orders"), topic);
  image_ = after(*image_, plan, ++version_);
  int opened = 0;
  table_->on_opened([&opened] { ++opened; });
  world_.run(done(table_->hear(image_)));
  ASSERT_TRUE(world_.run(table_->follow(before)));
  EXPECT_EQ(world_.run(table_->find("orders", 0).describe()).leader_epoch, 1);
  EXPECT_EQ(opened, 1);
}

// A consumer that goes on at the old offset of a new topic would read other records as though they
// followed.
TEST_F(PartitionTableTest, ARecreatedTopicHasNoneOfTheOldRecords) {
  create("orders", 1, 1);
  EXPECT_EQ(write("orders"), 0);
  EXPECT_EQ(write("orders"), 1);
  create("orders", 2, 1);
  EXPECT_EQ(table_->find("orders", 0).topic_id(), uuid_of(2));
  EXPECT_EQ(write("orders"), 0);
}

// The checkpoints speak of partitions by name: those of the old topic must not cut the new one.
TEST_F(PartitionTableTest, ARecreatedTopicIsNotRecoveredByTheCheckpointsOfTheOld) {
  create("orders", 1, 1);
  for (int i = 0; i < 10; ++i) write("orders");
  ASSERT_TRUE(world_.run(table_->find("orders", 0).delete_records(ClientWriter{}, 8)));
  ASSERT_TRUE(world_.run(table_->checkpoint()));
  create("orders", 2, 1);
  EXPECT_EQ(write("orders"), 0);
  EXPECT_EQ(write("orders"), 1);
  lose_power();
  EXPECT_EQ(world_.run(table_->find("orders", 0).describe()).start_offset, 0);
  EXPECT_EQ(write("orders"), 2);
}

// Metadata that were restored from an old copy know neither the topic nor that it was deleted.
TEST_F(PartitionTableTest, AFolderOfATopicThatNobodyKnowsMakesRoomForATopicOfItsName) {
  create("orders", 1, 1);
  EXPECT_EQ(write("orders"), 0);
  image_ = std::make_shared<const Image>();
  lose_power();
  finish_deletions();
  EXPECT_EQ(folders(), std::vector<std::string>{"orders-0"}) << "left as it is";
  create("orders", 2, 1);
  ASSERT_TRUE(table_->find("orders", 0));
  EXPECT_EQ(write("orders"), 0);
  EXPECT_EQ(folders().size(), 1u);
  EXPECT_EQ(strays().size(), 1u) << "what the metadata does not know is set aside, not removed";
  lose_power();
  EXPECT_EQ(write("orders"), 1);
  remove("orders");
  finish_deletions();
  EXPECT_EQ(folders(), std::vector<std::string>{});
  EXPECT_EQ(strays().size(), 1u);
}

TEST_F(PartitionTableTest, AFolderThatCannotMakeRoomIsTriedAgain) {
  create("orders", 1, 1);
  image_ = std::make_shared<const Image>();
  lose_power();
  world_.host.disk().fail_next_name_change("/orders-0", EIO);
  create("orders", 2, 1);
  ASSERT_EQ(table_->offline().size(), 1u);
  EXPECT_NE(table_->offline()[0].outage->reason.find("cannot rename"), std::string::npos);
  world_.run(done(table_->open_repaired()));
  EXPECT_EQ(write("orders"), 0);
  EXPECT_EQ(strays().size(), 1u);
}

// A name may have 249 characters, and a folder's 255.
TEST_F(PartitionTableTest, TheLongestNamesAreDeletedAndComeAgain) {
  const std::string name = "orders" + std::string(243, 'x');
  create(name, 1, 1);
  EXPECT_EQ(write(name), 0);
  remove(name);
  EXPECT_EQ(folders(), std::vector<std::string>{});
  create(name, 2, 1);
  EXPECT_EQ(write(name), 0);
  // And with what a crash has left of it.
  image_ = std::make_shared<const Image>();
  lose_power();
  create(name, 3, 1);
  ASSERT_TRUE(table_->find(name, 0));
  EXPECT_EQ(write(name), 0);
  decide_to_remove(name);
  lose_power();
  finish_deletions();
  EXPECT_EQ(folders(), std::vector<std::string>{});
  EXPECT_EQ(doomed(), std::vector<std::string>{});
  for (const char* dir : {"/data/1", "/data/2"}) {
    for (const auto& entry : world_.disk().list(dir).value()) EXPECT_LE(entry.size(), 255u);
  }
}

// The checkpoint that forgets a deleted topic has to wait for the room that the topic gives back.
TEST_F(PartitionTableTest, ATopicIsDeletedOnAFullDisk) {
  create("orders", 1, 1);
  EXPECT_EQ(write("orders"), 0);
  ASSERT_TRUE(world_.run(table_->checkpoint()));
  world_.host.disk().fail_next_append("checkpoint", ENOSPC);
  remove("orders");
  EXPECT_EQ(folders(), std::vector<std::string>{});
  create("orders", 2, 1);
  EXPECT_EQ(write("orders"), 0);
  lose_power();
  EXPECT_EQ(write("orders"), 1);
}

TEST_F(PartitionTableTest, RecordsAreThereAfterAStopAndAfterAPowerLoss) {
  create("orders", 1, 4);
  for (PartitionIndex i = 0; i < 4; ++i) EXPECT_EQ(write("orders", i), 0);
  stop_and_start();
  for (PartitionIndex i = 0; i < 4; ++i) EXPECT_EQ(write("orders", i), 1);
  ASSERT_TRUE(world_.run(table_->checkpoint()));
  lose_power();
  for (PartitionIndex i = 0; i < 4; ++i) EXPECT_EQ(write("orders", i), 2);
}

TEST_F(PartitionTableTest, PartitionsSpreadOverTheLogDirectories) {
  create("orders", 1, 4);
  for (const char* dir : {"/data/1", "/data/2"}) {
    const auto names = world_.disk().list(dir).value();
    EXPECT_EQ(std::ranges::count_if(names, [](auto& name) { return name.starts_with("orders-"); }),
              2);
  }
}

TEST_F(PartitionTableTest, WhatADeletionLeftIsSweptAtTheStart) {
  create("orders", 1, 1);
  ASSERT_TRUE(world_.disk().make_folders("/data/1/orders-7.0123456789abcdef-delete"));
  stop_and_start();
  EXPECT_TRUE(table_->has_deletions());
  finish_deletions();
  EXPECT_FALSE(table_->has_deletions());
  EXPECT_EQ(folders(), std::vector<std::string>{"orders-0"});
}

TEST_F(PartitionTableTest, APartitionThatCannotBeOpenedIsAtFaultNotUnknown) {
  create("orders", 1, 2);
  world_.run(done(table_->close()));
  table_.reset();
  const char* dir = world_.disk().exists("/data/1/orders-1") ? "/data/1" : "/data/2";
  const std::string metadata = std::string(dir) + "/orders-1/partition.metadata";
  ASSERT_TRUE(io::replace_file(world_.disk(), metadata, as_bytes("no metadata at all")));
  world_.kill();
  boot();
  follow();
  EXPECT_FALSE(table_->find("orders", 1));
  EXPECT_EQ(table_->find("orders", 1).absence(), ErrorCode::kafka_storage_error);
  EXPECT_EQ(table_->find("orders", 2).absence(), ErrorCode::unknown_topic_or_partition);
  ASSERT_EQ(table_->offline().size(), 1u);
  EXPECT_EQ(table_->offline()[0].name, (TopicPartition{"orders", 1}));
  EXPECT_NE(table_->offline()[0].outage->reason.find("partition.metadata"), std::string::npos);
  EXPECT_EQ(write("orders", 0), 0) << "the others go on";
  EXPECT_EQ(table_->all_of("orders").size(), 1u);
}

// Between the record and the open log: nobody is told that the disk is at fault.
TEST_F(PartitionTableTest, APartitionThatIsNotOpenYetIsSaidToBeOpening) {
  TopicImage topic;
  topic.name = "orders";
  topic.id = uuid_of(1);
  topic.partitions.resize(1, led_by(1));
  Plan plan;
  plan.create(topic);
  image_ = after(*image_, plan, ++version_);
  published_->store(image_);
  EXPECT_TRUE(table_->find("orders", 0).is_opening());
  EXPECT_EQ(table_->find("orders", 1).absence(), ErrorCode::unknown_topic_or_partition);
  EXPECT_TRUE(table_->offline().empty());
  follow();
  EXPECT_TRUE(table_->find("orders", 0));
}

// Creating a thousand partitions made every producer stand still for seconds.
TEST_F(PartitionTableTest, OthersAreServedWhileManyPartitionsAreOpened) {
  create("orders", 1, 1);
  decide("many", 2, 40);
  const auto following = world_.start(table_->follow(image_));
  EXPECT_EQ(write("orders"), 0);
  EXPECT_EQ(write("orders"), 1);
  EXPECT_FALSE(following->has_value()) << "they are opened one after the other, beside the loops";
  for (PartitionIndex i = 0; i < 40; ++i) {
    EXPECT_TRUE(table_->find("many", i).is_opening()) << "all are shown together";
  }
  EXPECT_TRUE(table_->all_of("many").empty());
  world_.world.run_until([&] { return following->has_value(); }, std::chrono::minutes(1));
  EXPECT_EQ(table_->all_of("many").size(), 40u);
  EXPECT_EQ(write("many", 39), 0);
}

// Between its opening and its being shown a partition is in nobody's list: a checkpoint that came
// then forgot up to where it was synced, and the next crash would cut what is damaged below.
TEST_F(PartitionTableTest, ACheckpointWhilePartitionsAreOpenedKeepsWhatIsKnownOfThem) {
  create("orders", 1, 12);
  for (PartitionIndex i = 0; i < 12; ++i) EXPECT_EQ(write("orders", i), 0);
  ASSERT_TRUE(world_.run(table_->checkpoint()));
  kill();
  boot();
  published_->store(image_);
  const auto following = world_.start(table_->follow(image_));
  int checkpoints = 0;
  do {
    ++checkpoints;
    ASSERT_TRUE(world_.run(table_->checkpoint()));
    size_t known = 0;
    for (const char* dir : {"/data/1", "/data/2"}) {
      const OffsetCheckpoint file(world_.disk(), dir, OffsetCheckpoint::recovery_points);
      for (const auto& [tp, offset] : file.read().value()) known += offset == 1;
    }
    ASSERT_EQ(known, 12u);
  } while (!following->has_value());
  EXPECT_GE(checkpoints, 2);
}

TEST_F(PartitionTableTest, AStopWhilePartitionsAreOpenedWaitsForThemAndClosesThem) {
  create("orders", 1, 1);
  decide("many", 2, 10);
  const auto following = world_.start(table_->follow(image_));
  stop();
  EXPECT_TRUE(following->has_value());
  start();
  for (PartitionIndex i = 0; i < 10; ++i) EXPECT_EQ(write("many", i), 0);
}

TEST_F(PartitionTableTest, APartitionWhoseDiskFailsLaterIsOfflineWithTheReason) {
  create("orders", 1, 2);
  EXPECT_TRUE(table_->offline().empty());
  world_.host.disk().fail_next_sync("orders-1", EIO);
  EXPECT_FALSE(world_.run(write(table_->find("orders", 1))));
  ASSERT_EQ(table_->offline().size(), 1u);
  EXPECT_EQ(table_->offline()[0].name, (TopicPartition{"orders", 1}));
  EXPECT_NE(table_->offline()[0].outage->reason.find("cannot sync"), std::string::npos);
}

// A replica of several that is damaged here.
class DamagedReplicaTest : public PartitionTableTest {
 protected:
  void SetUp() override {
    create("orders", 1, 1);
    decide(1, {1, 2, 3});
    follow();
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(append());
    stop();
    for (const std::string& dir : log_dirs_) {
      const std::string folder = dir + "/orders-0";
      if (world_.disk().exists(folder)) folder_ = folder;
    }
    world_.host.disk().flip_bit(folder_ + "/00000000000000000000.log", 70, 3);
    start();
    ASSERT_TRUE(is_closed());
  }
  void decide(NodeId leader, std::vector<NodeId> isr, std::vector<NodeId> elr = {}) {
    TopicImage topic = *image_->find("orders");
    PartitionImage& partition = topic.partitions[0];
    partition.replicas = {1, 2, 3};
    partition.leader = leader;
    partition.isr = std::move(isr);
    partition.elr = std::move(elr);
    Plan plan;
    plan.change(*image_->find("orders"), topic);
    image_ = after(*image_, plan, ++version_);
  }
  // Nobody else is there who would fetch it.
  bool append() {
    kafka::BatchBuilder builder({});
    builder.add(1000, std::nullopt, as_bytes("v"));
    auto done =
        world_.run(table_->find("orders", 0)
                       .append(ClientWriter{world_.loop().now()}, std::move(builder).finish()));
    return done.has_value() && world_.run(table_->find("orders", 0).sync()).has_value();
  }
  bool is_closed() {
    return !table_->find("orders", 0) && world_.disk().exists(folder_ + "/quarantine");
  }

  std::string folder_;
};

TEST_F(DamagedReplicaTest, IsCutAndOpenedWhenOthersHaveAllOfIt) {
  decide(2, {2, 3});
  follow();
  ASSERT_FALSE(is_closed());
  EXPECT_EQ(world_.run(table_->find("orders", 0).describe()).end_offset, 1);
  EXPECT_FALSE(world_.disk().exists(folder_ + "/quarantine"));
  EXPECT_FALSE(world_.disk().exists(folder_ + "/lacks-records"));
  ASSERT_EQ(table_->cuts().size(), 1u);
  EXPECT_FALSE(table_->cuts()[0].kept_in.empty());
  EXPECT_TRUE(table_->offline().empty());
}

TEST_F(DamagedReplicaTest, StaysAsItIsWhereItMayBeWanted) {
  decide(2, {2});
  follow();
  EXPECT_TRUE(is_closed()) << "one is not enough for an acknowledgement";
  decide(2, {2, 3}, {1});
  follow();
  EXPECT_TRUE(is_closed()) << "it is counted on";
  decide(-1, {2, 3});
  follow();
  EXPECT_TRUE(is_closed()) << "nobody leads";
  world_.run(done(table_->open_repaired()));
  EXPECT_TRUE(is_closed());
  // Where nothing else changes it is looked at again by and by.
  decide(2, {2, 3});
  world_.host.disk().fail_next_append("lacks-records", EIO);
  follow();
  EXPECT_TRUE(is_closed()) << "the disk would not have it marked";
  world_.run(done(table_->open_repaired()));
  EXPECT_TRUE(is_closed()) << "it is given a pause";
  world_.run_for(std::chrono::seconds(10));
  world_.run(done(table_->open_repaired()));
  EXPECT_FALSE(is_closed());
}

TEST_F(PartitionTableTest, TwoProcessesInOneDirectoryAreRefused) {
  PartitionTable second(world_.env(), 1, *published_, {"/data/2"},
                        [](const auto&) { return LogConfig{}; });
  auto claimed = second.claim();
  ASSERT_FALSE(claimed);
  EXPECT_NE(claimed.error().text.find("/data/2"), std::string::npos);
}

}  // namespace
}  // namespace isthmus::broker
