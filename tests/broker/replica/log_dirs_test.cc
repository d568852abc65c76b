#include "broker/replica/log_dirs.h"

#include "broker/log/segment.h"
#include "broker/repair/offline_partitions.h"
#include "tests/broker/replica/table_world.h"

namespace isthmus::broker {
namespace {

using kafka::ErrorCode;

// Four partitions over two directories, with ten records each that were acknowledged.
class LogDirsTest : public PartitionTableTest {
 protected:
  // As `isthmus partition repair` does it, in another process.
  void repair(PartitionIndex p) {
    OfflinePartitions offline =
        OfflinePartitions::open(world_.disk(), {"/data/1", "/data/2"}).value();
    const Whereabouts place = offline.find({"orders", p}).value();
    ASSERT_TRUE(offline.may_work_on(place));
    const Diagnosis found = offline.diagnose(place, {}).value();
    ASSERT_TRUE(offline.repair(place, found, {}));
  }

  LogDirsTest() {
    create("orders", 1, 4);
    for (PartitionIndex p = 0; p < 4; ++p) {
      for (int i = 0; i < 10; ++i) write("orders", p);
    }
    EXPECT_TRUE(world_.run(table_->checkpoint()));
  }

  std::string folder(PartitionIndex p) {
    const std::string name = "/orders-" + std::to_string(p);
    return (world_.disk().exists("/data/1" + name) ? "/data/1" : "/data/2") + name;
  }
  std::vector<PartitionIndex> in(const std::string& dir) {
    std::vector<PartitionIndex> found;
    for (PartitionIndex p = 0; p < 4; ++p) {
      if (folder(p).starts_with(dir)) found.push_back(p);
    }
    return found;
  }
  void flip(PartitionIndex p) {
    const std::string log = Segment::path_of(folder(p), 0, ".log");
    const uint64_t size = world_.host.disk().find(log)->data().size();
    world_.host.disk().flip_bit(log, size - 4, 6);
  }
  // It is closed to everybody, and the reason has `part`.
  void expect_offline(PartitionIndex p, const std::string& part) {
    const PartitionRef found = table_->find("orders", p);
    EXPECT_FALSE(found) << p;
    EXPECT_EQ(found.absence(), ErrorCode::kafka_storage_error);
    const auto outage = found.outage();
    ASSERT_NE(outage, nullptr) << p;
    EXPECT_NE(outage->reason.find(part), std::string::npos) << outage->reason;
  }
  std::string file(const std::string& path) {
    auto content = io::read_whole(world_.disk(), path);
    return content ? std::string(as_text(*content)) : "";
  }
};

TEST_F(LogDirsTest, DamageThatIsRepairedBesideTheBrokerIsOpenedByIt) {
  stop();
  flip(2);
  start();
  expect_offline(2, "offset 9");
  world_.run(done(table_->open_repaired()));
  expect_offline(2, "offset 9");
  repair(2);
  world_.run(done(table_->open_repaired()));
  EXPECT_TRUE(table_->offline().empty());
  EXPECT_EQ(write("orders", 2), 9) << "a repair gives up offset 9";
  EXPECT_EQ(write("orders", 1), 10) << "others go on";
  kill();
  start();
  EXPECT_EQ(write("orders", 2), 10) << "the checkpoint from before the repair is not believed";
}

// A cluster of two that counts on broker 1 for orders, as far as its metadata go.
class CountedOn : public LogDirsTest {
 protected:
  CountedOn() { counted({1, 2}, {}); }
  void counted(std::vector<NodeId> isr, std::vector<NodeId> elr, NodeId leader = 2) {
    TopicImage topic = *image_->find("orders");
    for (PartitionImage& partition : topic.partitions) {
      partition.leader = leader;
      partition.replicas = {1, 2};
      partition.isr = isr;
      partition.elr = elr;
    }
    Plan plan;
    plan.change(*image_->find("orders"), topic);
    image_ = after(*image_, plan, ++version_);
  }
  void forget(PartitionIndex p) {
    OfflinePartitions offline =
        OfflinePartitions::open(world_.disk(), {"/data/1", "/data/2"}).value();
    ASSERT_TRUE(offline.forget({"orders", p}));
  }
  void expect_lacking(PartitionIndex p, bool all) {
    const auto lacking = table_->lacking();
    ASSERT_EQ(lacking.size(), 1u);
    EXPECT_EQ(lacking[0].name.partition, p);
    EXPECT_EQ(lacking[0].all, all);
  }
  Offset end_of(PartitionIndex p) {
    return world_.run(table_->find("orders", p).describe()).end_offset;
  }
};

TEST_F(CountedOn, WhatARepairHasCutIsOpenedWhenNobodyCountsOnIt) {
  stop();
  flip(2);
  start();
  stop();
  counted({2}, {1});
  repair(2);
  start();
  expect_offline(2, "lacks records that its cluster counts on");
  expect_lacking(2, false);
  lose_power();
  expect_offline(2, "lacks records that its cluster counts on");
  counted({2}, {});
  follow();
  EXPECT_EQ(end_of(2), 9);
  EXPECT_TRUE(table_->lacking().empty());
  counted({1, 2}, {});
  lose_power();
  EXPECT_EQ(end_of(2), 9) << "told once, it is as whole as any";
}

TEST_F(CountedOn, TheLastOneIsOpenedWithWhatTheRepairLeft) {
  stop();
  flip(2);
  start();
  stop();
  counted({1}, {}, 1);
  repair(2);
  start();
  EXPECT_EQ(end_of(2), 9);
}

TEST_F(CountedOn, WhatWasForgottenBeginsAnewWhenNobodyCountsOnIt) {
  counted({}, {1}, -1);
  stop();
  ASSERT_TRUE(world_.disk().remove_folder(folder(1)));
  forget(1);
  start();
  expect_offline(1, "lacks records that its cluster counts on");
  expect_lacking(1, true);
  lose_power();
  expect_lacking(1, true);
  counted({}, {}, -1);
  follow();
  EXPECT_EQ(end_of(1), 10) << "no offset is given out twice";
  EXPECT_TRUE(table_->lacking().empty());
}

// What one with page_cache has acknowledged, and not synced, a power loss takes; also who changes
// the durability meanwhile must know.
TEST_F(CountedOn, WithPageCacheOnlyACleanStopIsWhole) {
  stop();
  config_.durability = Durability::page_cache;
  start();
  EXPECT_TRUE(table_->lacking().empty()) << "it was stopped cleanly";
  kill();
  start();
  EXPECT_EQ(table_->lacking().size(), 4u);
  stop_and_start();
  EXPECT_EQ(table_->lacking().size(), 4u) << "nobody was told";
  config_.durability = Durability::fsync;
  kill();
  start();
  EXPECT_EQ(table_->lacking().size(), 4u) << "it was page_cache until now";
  kill();
  start();
  EXPECT_EQ(table_->lacking().size(), 4u) << "and nobody was told";
  counted({2}, {});
  follow();
  for (PartitionIndex p = 0; p < 4; ++p) table_->lack_is_known(uuid_of(1), p);
  EXPECT_TRUE(table_->lacking().empty());
  counted({1, 2}, {});
  kill();
  start();
  EXPECT_TRUE(table_->lacking().empty()) << "with fsync all is there";
}

// Ten single-record batches, the broker killed, one byte of the last value flipped: offline at the
// first start, and at every later one, however the starts end.
TEST_F(LogDirsTest, DamageStaysDamageOverAnyNumberOfStarts) {
  kill();
  flip(2);
  start();
  expect_offline(2, "offset 9");
  for (int i = 0; i < 3; ++i) {
    kill();
    start();
    expect_offline(2, "offset 9");
    stop();
    start();
    expect_offline(2, "offset 9");
    ASSERT_TRUE(world_.run(table_->checkpoint()));
    lose_power();
    expect_offline(2, "offset 9");
  }
  EXPECT_EQ(write("orders", 1), 10) << "the others go on";
}

// The mark is a file; without it the damage must be found anew, from what is known.
TEST_F(LogDirsTest, WhatIsKnownOutlivesStartsThatCouldNotReadIt) {
  kill();
  flip(2);
  const std::string log = Segment::path_of(folder(2), 0, ".log");
  const std::string slot = folder(2) + "/synced-end", mark = folder(2) + "/quarantine";
  ASSERT_TRUE(world_.disk().remove(slot));
  for (int i = 0; i < 4; ++i) {
    world_.host.disk().fail_next_read(log, EIO);
    start();
    expect_offline(2, "Input/output error");
    EXPECT_FALSE(world_.disk().exists(mark)) << "a read that fails is no damage";
    ASSERT_TRUE(world_.run(table_->checkpoint()));
    i % 2 == 0 ? kill() : stop();
  }
  start();
  expect_offline(2, "everything below offset 10 was synced");
}

TEST_F(LogDirsTest, ACleanStopDoesNotCoverWhatWasNotOpen) {
  kill();
  flip(2);
  start();
  stop();
  const std::string clean = file(folder(2).substr(0, 7) + "/.kafka_cleanshutdown");
  EXPECT_NE(clean.find("orders-2"), std::string::npos) << clean;
  EXPECT_EQ(clean.find("orders-1"), std::string::npos) << clean;
  start();
  expect_offline(2, "offset 9");
}

TEST_F(LogDirsTest, ASyncedTailThatIsGoneIsDamage) {
  for (bool clean : {true, false}) {
    SCOPED_TRACE(clean);
    const PartitionIndex p = clean ? 1 : 2;
    clean ? stop() : kill();
    auto log = world_.disk().open(Segment::path_of(folder(p), 0, ".log"), io::Disk::Open::existing);
    ASSERT_TRUE((*log)->truncate((*log)->size() / 10 * 9));
    start();
    expect_offline(p, "offset 9: the log ends there");
  }
}

TEST_F(LogDirsTest, AMissingFolderIsNoEmptyPartition) {
  const std::string gone = folder(2);
  for (bool clean : {true, false}) {
    SCOPED_TRACE(clean);
    clean ? stop() : kill();
    (void)world_.disk().remove_folder(gone);
    start();
    expect_offline(2, "its folder " + gone + " is gone");
    EXPECT_FALSE(world_.disk().exists(gone));
    EXPECT_EQ(write("orders", 1), clean ? 10 : 11) << "the others go on";
  }
}

TEST_F(LogDirsTest, AMissingFolderComesBackWithAllItHad) {
  const std::string home = folder(2), away = "/away-2";
  stop();
  ASSERT_TRUE(world_.disk().rename(home, away));
  start();
  expect_offline(2, "is gone");
  stop();
  ASSERT_TRUE(world_.disk().rename(away, home));
  start();
  EXPECT_EQ(write("orders", 2), 10);
}

TEST_F(LogDirsTest, AMissingDirectoryTakesItsPartitionsOfflineAndNoOthers) {
  const auto lost = in("/data/2"), kept = in("/data/1");
  ASSERT_EQ(lost.size(), 2u);
  for (bool there_but_empty : {true, false}) {
    SCOPED_TRACE(there_but_empty);
    kill();
    (void)world_.disk().remove_folder("/data/2");
    if (there_but_empty) ASSERT_TRUE(world_.disk().make_folders("/data/2"));
    start();
    for (PartitionIndex p : lost) expect_offline(p, "last seen at /data/2");
    for (PartitionIndex p : kept) EXPECT_EQ(write("orders", p), there_but_empty ? 10 : 11);
    create("more", 2, 3);
    EXPECT_EQ(write("more", 2), 0);
    remove("more");
    EXPECT_EQ(world_.disk().exists("/data/2"), there_but_empty) << "left as it is";
  }
}

TEST_F(LogDirsTest, ADirectoryIsKnownByItsIdWhereverItIsMounted) {
  stop();
  ASSERT_TRUE(world_.disk().rename("/data/2", "/data/tmp"));
  ASSERT_TRUE(world_.disk().make_folders("/data/2"));
  start();
  for (PartitionIndex p : in("/data/2")) expect_offline(p, "last seen at /data/2");
  stop();
  ASSERT_TRUE(world_.disk().remove_folder("/data/2"));
  ASSERT_TRUE(world_.disk().rename("/data/tmp", "/data/2"));
  start();
  for (PartitionIndex p = 0; p < 4; ++p) EXPECT_EQ(write("orders", p), 10);
}

TEST_F(LogDirsTest, AFolderThatTwoDirectoriesHaveIsRefusedByName) {
  stop();
  const PartitionIndex p = in("/data/2").front();
  const std::string home = folder(p), twin = "/data/1/orders-" + std::to_string(p);
  ASSERT_TRUE(world_.disk().make_folders(twin));
  for (const auto& name : world_.disk().list(home).value()) {
    const auto bytes = io::read_whole(world_.disk(), home + "/" + name).value();
    auto to = world_.disk().open(twin + "/" + name, io::Disk::Open::create).value();
    ASSERT_TRUE(to->append(bytes));
  }
  start();
  expect_offline(p, "it is in /data/1 and in /data/2");
}

TEST_F(LogDirsTest, ACopyOfADirectoryIsRefused) {
  stop();
  const auto mark = io::read_whole(world_.disk(), "/data/1/meta.properties").value();
  ASSERT_TRUE(io::replace_file(world_.disk(), "/data/2/meta.properties", mark));
  PartitionTable table(world_.env(), 1, *published_, {"/data/1", "/data/2"},
                       [](const auto&) { return LogConfig{}; });
  ASSERT_TRUE(table.claim());
  auto taken = table.take_over();
  ASSERT_FALSE(taken);
  EXPECT_NE(taken.error().text.find("are the same directory"), std::string::npos);
  const MetaProperties fresh{"cluster", 101, 1, 0, uuid_of(99)};
  ASSERT_TRUE(fresh.write(world_.disk(), "/data/2"));
}

TEST_F(LogDirsTest, AFolderThatWasMovedToAnotherDirectoryIsFollowed) {
  const PartitionIndex p = in("/data/2").front();
  const std::string name = "/orders-" + std::to_string(p);
  stop();
  ASSERT_TRUE(world_.disk().rename("/data/2" + name, "/data/1" + name));
  start();
  EXPECT_EQ(write("orders", p), 10);
  stop();
  ASSERT_TRUE(world_.disk().remove_folder("/data/1" + name));
  start();
  expect_offline(p, "/data/1");
}

// As after an update from a release that kept no assignments.
TEST_F(LogDirsTest, WithoutAssignmentsTheCheckpointsKnowWhatThereWas) {
  stop();
  ASSERT_TRUE(world_.disk().remove("/data/1/directory-assignments"));
  const std::string gone = folder(3);
  ASSERT_TRUE(world_.disk().remove_folder(gone));
  start();
  expect_offline(3, "its folder " + gone + " is gone");
  EXPECT_EQ(write("orders", 1), 10);
}

TEST_F(LogDirsTest, WhatAnOperatorGaveUpBeginsAnewBehindWhatWasRead) {
  stop();
  ASSERT_TRUE(world_.disk().remove_folder(folder(2)));
  auto assigned = **Assignments::read(world_.disk(), "/data/1");
  assigned.partitions.at({uuid_of(1), 2}).directory = {};
  ASSERT_TRUE(assigned.write(world_.disk(), "/data/1"));
  start();
  EXPECT_EQ(write("orders", 2), 10) << "an offset that consumers may have read is given out again";
  kill();
  start();
  EXPECT_EQ(write("orders", 2), 11);
}

TEST(AssignmentsTest, ComeBackWithAnyPath) {
  TaskWorld world;
  world.disk().make_folders("/data").value();
  EXPECT_FALSE(Assignments::read(world.disk(), "/data")->has_value());
  Assignments all;
  all.directories[uuid_of(7)] = "/mnt/a disk, 100%/\nx%20y";
  all.partitions[{uuid_of(1), 3}] = {"orders", uuid_of(7)};
  all.partitions[{uuid_of(2), 0}] = {"lost", {}};
  ASSERT_TRUE(all.write(world.disk(), "/data"));
  const auto read = **Assignments::read(world.disk(), "/data");
  EXPECT_EQ(read.directories, all.directories);
  EXPECT_EQ(read.find(uuid_of(1), 3)->topic, "orders");
  EXPECT_TRUE(read.find(uuid_of(2), 0)->directory.is_zero());
  EXPECT_EQ(read.held_at("/mnt/a disk, 100%/\nx%20y"), uuid_of(7));
  EXPECT_FALSE(read.held_at("/other"));
}

}  // namespace
}  // namespace isthmus::broker
