#include "broker/replica/partition_table.h"

#include "kafka/batch.h"
#include "tests/broker/apply_plan.h"
#include "tests/broker/task_world.h"

namespace isthmus::broker {
namespace {

using kafka::ErrorCode;
using std::chrono::seconds;

// A table that follows images which the test writes, on two loops and two disks' folders.
class PartitionTableTest : public testing::Test {
 protected:
  PartitionTableTest() { boot(); }
  ~PartitionTableTest() override {
    if (table_) world_.run(done(table_->close()));
    table_.reset();
  }

  static io::Task<bool> done(io::Task<void> task) {
    co_await task;
    co_return true;
  }
  void boot() {
    published_ = std::make_unique<PublishedImage>();
    table_ = std::make_unique<PartitionTable>(world_.env(), *published_,
                                              std::vector<std::string>{"/data/1", "/data/2"},
                                              [](const auto&) { return LogConfig{}; });
    auto claimed = table_->claim();
    ASSERT_TRUE(claimed) << claimed.error().text;
    auto taken = table_->take_over();
    ASSERT_TRUE(taken) << taken.error().text;
  }
  void lose_power() {
    world_.host.crash();
    table_.reset();
    world_.crash();
    boot();
    follow();
  }
  void stop_and_start() {
    world_.run(done(table_->close()));
    table_.reset();
    world_.kill();
    boot();
    follow();
  }

  void create(const std::string& name, uint8_t id, size_t partitions) {
    TopicImage topic;
    topic.name = name;
    topic.id = uuid_of(id);
    topic.partitions.resize(partitions);
    Plan plan;
    plan.put(topic);
    image_ = after(*image_, plan, ++version_);
    follow();
  }
  void remove(const std::string& name) {
    Plan plan;
    plan.remove(*image_->find(name));
    image_ = after(*image_, plan, ++version_);
    follow();
  }
  void follow() {
    published_->store(image_);
    auto followed = world_.run(table_->follow(image_));
    ASSERT_TRUE(followed) << followed.error().text;
  }
  static io::Task<Result<Offset>> write(PartitionRef partition) {
    kafka::BatchBuilder builder({});
    builder.add(1000, std::nullopt, as_bytes("v"));
    const io::Instant now = partition.loop().now();
    auto info = co_await partition.append(ClientWriter{now}, std::move(builder).finish());
    if (!info) co_return fail(info.error());
    auto safe = co_await partition.committed(info->last_offset + 1, now + seconds(30));
    if (!safe) co_return fail(safe.error());
    co_return info->first_offset;
  }
  Offset write(const std::string& topic, PartitionIndex index = 0) {
    auto written = world_.run(write(table_->find(topic, index)));
    EXPECT_TRUE(written) << written.error().text;
    return written.value_or(-1);
  }
  std::vector<std::string> folders() {
    std::vector<std::string> all;
    for (const char* dir : {"/data/1", "/data/2"}) {
      for (auto& name : world_.disk().list(dir).value()) {
        if (name.find("orders") == 0) all.push_back(name);
      }
    }
    return all;
  }

  TaskWorld world_{1, 2};
  std::shared_ptr<const Image> image_ = std::make_shared<const Image>();
  int64_t version_ = 0;
  std::unique_ptr<PublishedImage> published_;
  std::unique_ptr<PartitionTable> table_;
};

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

// The record of the deletion is there, the process died before the folder was gone.
TEST_F(PartitionTableTest, AFolderThatADeletionLeftMakesRoomForATopicOfItsName) {
  create("orders", 1, 1);
  EXPECT_EQ(write("orders"), 0);
  image_ = std::make_shared<const Image>();
  lose_power();
  create("orders", 2, 1);
  ASSERT_TRUE(table_->find("orders", 0));
  EXPECT_EQ(write("orders"), 0);
  EXPECT_EQ(folders().size(), 2u) << "what the metadata does not know is set aside, not removed";
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
  EXPECT_EQ(world_.disk().list("/data/1").value().size(),
            world_.disk().list("/data/2").value().size());
}

TEST_F(PartitionTableTest, WhatADeletionLeftIsSweptAtTheStart) {
  create("orders", 1, 1);
  ASSERT_TRUE(world_.disk().make_folders("/data/1/orders-7.0123456789abcdef-delete"));
  stop_and_start();
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
  topic.partitions.resize(1);
  Plan plan;
  plan.put(topic);
  image_ = after(*image_, plan, ++version_);
  published_->store(image_);
  EXPECT_TRUE(table_->find("orders", 0).is_opening());
  EXPECT_EQ(table_->find("orders", 1).absence(), ErrorCode::unknown_topic_or_partition);
  EXPECT_TRUE(table_->offline().empty());
  follow();
  EXPECT_TRUE(table_->find("orders", 0));
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

TEST_F(PartitionTableTest, TwoProcessesInOneDirectoryAreRefused) {
  PartitionTable second(world_.env(), *published_, {"/data/2"},
                        [](const auto&) { return LogConfig{}; });
  auto claimed = second.claim();
  ASSERT_FALSE(claimed);
  EXPECT_NE(claimed.error().text.find("/data/2"), std::string::npos);
}

}  // namespace
}  // namespace isthmus::broker
