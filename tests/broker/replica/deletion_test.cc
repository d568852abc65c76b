// A deletion is decided by one record of the metadata; the folders follow it, whatever happens in
// between.
#include <cerrno>
#include <functional>

#include "broker/log/segment.h"
#include "broker/repair/offline_partitions.h"
#include "tests/broker/replica/table_world.h"

namespace isthmus::broker {
namespace {

using Names = std::vector<std::string>;

class Deletion : public PartitionTableTest {
 protected:
  Deletion() {
    create("others", 100, 2);
    EXPECT_EQ(write("others", 0), 0);
    EXPECT_EQ(write("others", 1), 0);
  }

  // Nothing of a deleted topic is anywhere, and no record speaks of one.
  void expect_finished() {
    EXPECT_EQ(doomed(), Names{});
    EXPECT_EQ(strays(), Names{});
    EXPECT_TRUE(image_->deleted.empty());
    EXPECT_FALSE(table_->has_deletions());
    for (const auto& [key, assigned] : assigned_now().partitions) {
      EXPECT_NE(image_->find(key.first), nullptr) << assigned.topic;
    }
  }
  Assignments assigned_now() {
    EXPECT_TRUE(world_.run(table_->checkpoint()));
    return **Assignments::read(world_.disk(), "/data/1");
  }
  // The record is written; the process gets as far as that many operations of the disk. False:
  // nothing more was to be done.
  bool removed_up_to(uint64_t step) {
    decide_to_remove("orders");
    sim::Volume& disk = world_.host.disk();
    const uint64_t last = disk.operations() + step;
    disk.fail_operations_from(last, EIO);
    published_->store(image_);
    (void)world_.run(table_->follow(image_));
    disk.forget_planned_failures();
    return disk.operations() >= last;
  }
  void mirror_again(uint8_t id, size_t partitions = 1) {
    TopicImage topic;
    topic.name = "orders";
    topic.id = uuid_of(id);
    topic.partitions.resize(partitions, led_by(1));
    Plan plan;
    plan.create(topic);
    plan.forget(image_->deleted.at(topic.id));
    image_ = after(*image_, plan, ++version_);
    follow();
  }
};

// At every step the process is killed, or the power is lost. The name is free, or taken again
// before the next start, or after it.
TEST_F(Deletion, ThatIsCutAtAnyStepIsResumedByTheNextStart) {
  enum Taken : uint8_t { never, before_the_start, after_the_start };
  uint8_t id = 0;
  uint64_t steps = 0;
  Offset others = 1;
  for (bool power : {false, true}) {
    for (Taken taken : {never, before_the_start, after_the_start}) {
      bool more = true;
      for (uint64_t step = 1; more; ++step, ++steps, id %= 90) {
        SCOPED_TRACE(testing::Message()
                     << "power " << power << " taken " << taken << " step " << step);
        create("orders", ++id, 3);
        for (PartitionIndex p = 0; p < 3; ++p) ASSERT_EQ(write("orders", p), 0);
        more = removed_up_to(step);
        if (taken == before_the_start) decide("orders", ++id, 3);
        if (power) lose_power();
        if (!power) {
          kill();
          start();
        }
        if (taken == after_the_start) create("orders", ++id, 3);
        for (PartitionIndex p = 0; p < 3 && taken != never; ++p) {
          ASSERT_EQ(write("orders", p), 0) << "of the topic that was deleted";
        }
        finish_deletions();
        ASSERT_EQ(folders().size(), taken == never ? 0u : 3u);
        expect_finished();
        ASSERT_EQ(write("others", 1), others++);
        if (taken != never) remove("orders");
        finish_deletions();
        if (HasFailure()) return;
      }
    }
  }
  EXPECT_GT(steps, 60u);
}

// The replicas of orders are `node`'s from now on.
std::shared_ptr<const Image> held_by(const Image& image, NodeId node, int64_t version) {
  TopicImage topic = *image.find("orders");
  for (auto& partition : topic.partitions) {
    partition.replicas = partition.isr = {node};
    partition.leader = node;
    ++partition.leader_epoch;
  }
  Plan plan;
  plan.change(*image.find("orders"), topic);
  return after(image, plan, version);
}

TEST_F(Deletion, OfAReplicaThatIsTakenAwayLeavesNothingAndItComesAgainEmpty) {
  create("orders", 1, 2);
  for (int i = 0; i < 10; ++i) write("orders");
  ASSERT_TRUE(world_.run(table_->checkpoint()));
  image_ = held_by(*image_, 2, ++version_);
  follow();
  EXPECT_EQ(folders(), Names{});
  EXPECT_EQ(table_->find("orders", 0).absence(), kafka::ErrorCode::not_leader_or_follower);
  finish_deletions();
  expect_finished();
  EXPECT_TRUE(assigned_now().partitions.contains({uuid_of(100), 0}));
  EXPECT_FALSE(assigned_now().partitions.contains({uuid_of(1), 0}));
  image_ = held_by(*image_, 1, ++version_);
  follow();
  EXPECT_EQ(write("orders"), 0);
  lose_power();
  EXPECT_EQ(write("orders"), 1) << "the checkpoints speak of what it has now";
}

// At every step the process is killed, or the power is lost; then it is told again.
class ReplicaDeletion : public Deletion {
 protected:
  // Two replicas of a topic of this id are taken away, up to this step. True: there was more.
  bool taken_away_up_to(uint64_t step, uint8_t id) {
    create("orders", id, 2);
    EXPECT_EQ(write("orders", 1), 0);
    image_ = held_by(*image_, 2, ++version_);
    sim::Volume& disk = world_.host.disk();
    const uint64_t last = disk.operations() + step;
    disk.fail_operations_from(last, EIO);
    published_->store(image_);
    (void)world_.run(table_->follow(image_));
    disk.forget_planned_failures();
    return disk.operations() >= last;
  }
  void come_back(bool power) {
    if (power) return lose_power();
    kill();
    start();
  }
};

TEST_F(ReplicaDeletion, ThatIsCutAtAnyStepIsResumedByTheNextStart) {
  uint8_t id = 0;
  for (bool power : {false, true}) {
    bool more = true;
    for (uint64_t step = 1; more; ++step, id %= 90) {
      SCOPED_TRACE(testing::Message() << "power " << power << " step " << step);
      more = taken_away_up_to(step, ++id);
      come_back(power);
      finish_deletions();
      ASSERT_EQ(folders(), Names{});
      expect_finished();
      remove("orders");
      finish_deletions();
      if (HasFailure()) return;
    }
  }
}

// It may have what it had, if its removal had not begun; it is served in either case.
TEST_F(ReplicaDeletion, ThatIsCutAtAnyStepKeepsNobodyFromComingAgain) {
  uint8_t id = 0;
  for (bool power : {false, true}) {
    bool more = true;
    for (uint64_t step = 1; more; ++step, id %= 90) {
      SCOPED_TRACE(testing::Message() << "power " << power << " step " << step);
      more = taken_away_up_to(step, ++id);
      image_ = held_by(*image_, 1, ++version_);
      come_back(power);
      for (const auto& [name, outage] : table_->offline()) {
        ADD_FAILURE() << name.to_string() << ": " << outage->reason;
      }
      ASSERT_GE(write("orders", 1), 0);
      finish_deletions();
      ASSERT_EQ(folders().size(), 2u);
      remove("orders");
      finish_deletions();
      expect_finished();
      if (HasFailure()) return;
    }
  }
}

TEST_F(Deletion, TakesWhatIsOfflineToo) {
  create("orders", 1, 2);
  for (int i = 0; i < 10; ++i) write("orders", 1);
  ASSERT_TRUE(world_.run(table_->checkpoint()));
  kill();
  const std::string dir = world_.disk().exists("/data/1/orders-1") ? "/data/1" : "/data/2";
  const std::string log = Segment::path_of(dir + "/orders-1", 0, ".log");
  world_.host.disk().flip_bit(log, world_.host.disk().find(log)->data().size() - 4, 6);
  start();
  ASSERT_EQ(table_->offline().size(), 1u);
  remove("orders");
  EXPECT_EQ(folders(), Names{});
  finish_deletions();
  expect_finished();
}

// A disk that refuses to rename: it is tried again, and the record stays until then.
TEST_F(Deletion, ThatTheDiskRefusesIsTriedAgain) {
  create("orders", 1, 1);
  for (int i = 0; i < 4; ++i) world_.host.disk().fail_next_name_change("/orders-0", EIO);
  remove("orders");
  finish_deletions();
  EXPECT_EQ(folders(), Names{"orders-0"});
  EXPECT_TRUE(image_->deleted.contains(uuid_of(1)));
  EXPECT_TRUE(table_->has_deletions());
  finish_deletions();
  EXPECT_EQ(folders(), Names{});
  expect_finished();
}

// A folder that keeps its name is not looked for under the other one. It would be removed as soon
// as it gets it, before that is durable.
TEST_F(Deletion, ThatTheDiskRefusesRemovesNothing) {
  create("orders", 1, 1);
  const std::string dir = world_.disk().exists("/data/1/orders-0") ? "/data/1" : "/data/2";
  for (int i = 0; i < 2; ++i) world_.host.disk().fail_next_name_change("/orders-0", EIO);
  world_.host.disk().fail_next_sync(dir, EIO);
  decide_to_remove("orders");
  published_->store(image_);
  (void)world_.run(table_->follow(image_));
  world_.host.disk().forget_planned_failures();
  EXPECT_EQ(folders(), Names{"orders-0"});
  EXPECT_FALSE(table_->dirs().has_unburied() || table_->dirs().has_removable());
  follow();
  finish_deletions();
  expect_finished();
}

// Its folder is in the way of a topic of its name, until the disk renames it, or makes that
// durable.
TEST_F(Deletion, ThatTheDiskRefusesHoldsUpATopicOfItsNameUntilThenOnly) {
  uint8_t id = 0;
  for (bool renamed : {false, true}) {
    SCOPED_TRACE(renamed);
    create("orders", ++id, 1);
    EXPECT_EQ(write("orders"), 0);
    const std::string dir = world_.disk().exists("/data/1/orders-0") ? "/data/1" : "/data/2";
    const int renamings = renamed ? 3 : 4;  // the last one by who opens the new topic
    for (int i = 0; i < renamings; ++i) {
      world_.host.disk().fail_next_name_change("/orders-0", EIO);
    }
    remove("orders");
    if (renamed) world_.host.disk().fail_next_sync(dir, EIO);
    create("orders", ++id, 1);
    ASSERT_EQ(table_->offline().size(), 1u);
    EXPECT_NE(table_->offline()[0].outage->reason.find("in its place"), std::string::npos);
    EXPECT_EQ(doomed().size(), renamed ? 1u : 0u);
    world_.run(done(table_->open_repaired()));
    EXPECT_TRUE(table_->offline().empty());
    EXPECT_EQ(write("orders"), 0);
    finish_deletions();
    expect_finished();
    remove("orders");
    finish_deletions();
  }
}

// Of a disk that cannot say what is there nothing is known, least of all that it is gone.
TEST_F(Deletion, IsNotFinishedWhereTheDiskCannotTell) {
  sim::Volume& disk = world_.host.disk();
  const std::string doomed_name = uuid_of(4).to_string() + ".0-delete";
  const std::function<void()> faults[] = {
      [&] {
        for (int i = 0; i < 99; ++i) disk.fail_next_look("/orders-0");
      },
      [&] {
        for (int i = 0; i < 99; ++i) disk.fail_next_look("/partition.metadata");
      },
      [&] {
        for (int i = 0; i < 4; ++i) disk.fail_next_open("/partition.metadata", EIO);
      },
      [&] {
        for (int i = 0; i < 99; ++i) disk.fail_next_look(doomed_name);
        disk.fail_next_name_change(doomed_name, EIO);
      },
      [&] {
        for (const char* dir : {"/data/1", "/data/2"}) disk.fail_next_name_change(dir, EIO);
      },
  };
  uint8_t id = 0;
  for (const auto& fail : faults) {
    SCOPED_TRACE(++id);
    create("orders", id, 2);
    disk.fail_next_name_change("/orders-0", EIO);
    fail();
    remove("orders");
    finish_deletions();
    disk.forget_planned_failures();
    EXPECT_TRUE(folders().size() + doomed().size() == 0 || image_->deleted.contains(uuid_of(id)));
    finish_deletions();
    EXPECT_EQ(folders(), Names{});
    expect_finished();
  }
}

// What it leaves in another directory is in nobody's way.
TEST_F(Deletion, ThatTheDiskRefusesTakesNoLogOffline) {
  create("orders", 1, 2);
  EXPECT_EQ(write("orders"), 0);
  const std::string other = world_.disk().exists("/data/1/orders-0") ? "/data/2" : "/data/1";
  stop();
  ASSERT_TRUE(world_.disk().make_folders(other + "/orders-0"));
  ASSERT_TRUE(write_partition_topic_id(world_.disk(), other + "/orders-0", uuid_of(9)));
  world_.host.disk().fail_next_name_change(other + "/orders-0", EIO);
  start();
  ASSERT_TRUE(table_->offline().empty());
  EXPECT_EQ(write("orders"), 1);
  EXPECT_EQ(strays(), Names{});
  stop_and_start();
  EXPECT_EQ(write("orders"), 2);
  EXPECT_EQ(strays().size(), 1u);
}

// A directory whose names cannot be made durable keeps its files; the others give theirs back.
TEST_F(Deletion, IsHeldUpByABrokenDirectoryThereOnly) {
  create("orders", 1, 4);
  world_.host.disk().fail_next_sync("/data/1", EIO);
  remove("orders");
  EXPECT_EQ(folders(), Names{});
  EXPECT_EQ(doomed().size(), 2u);
  world_.host.disk().fail_next_sync("/data/1", EIO);
  finish_deletions();
  EXPECT_EQ(doomed().size(), 2u);
  EXPECT_TRUE(image_->deleted.contains(uuid_of(1)));
  finish_deletions();
  expect_finished();
}

// So does it keep a topic, and no others.
TEST_F(Deletion, IsHeldUpByABrokenDirectoryForTopicsThatAreThereOnly) {
  create("orders", 1, 4);
  create("more", 2, 1);
  const std::string broken = world_.disk().exists("/data/1/more-0") ? "/data/2" : "/data/1";
  world_.host.disk().fail_next_sync(broken, EIO);
  remove("orders");
  EXPECT_TRUE(table_->finished_deletions().empty());
  world_.host.disk().fail_next_sync(broken, EIO);
  remove("more");
  ASSERT_EQ(table_->finished_deletions().size(), 1u);
  EXPECT_EQ(table_->finished_deletions()[0].name, "more");
  for (int i = 0; i < 2; ++i) world_.host.disk().fail_next_sync(broken, EIO);
  finish_deletions();
  EXPECT_TRUE(image_->deleted.contains(uuid_of(1)));
  EXPECT_FALSE(image_->deleted.contains(uuid_of(2)));
  // It goes away, perhaps under the old names.
  kill();
  ASSERT_TRUE(world_.disk().rename(broken, "/away"));
  if (broken == "/data/2") {
    start();
    finish_deletions();
    EXPECT_TRUE(image_->deleted.contains(uuid_of(1)));
    kill();
  }
  ASSERT_TRUE(world_.disk().rename("/away", broken));
  start();
  finish_deletions();
  expect_finished();
}

// A name that is removed is gone when its directory was synced.
TEST_F(Deletion, IsFinishedWhenThatIsDurable) {
  for (uint8_t id = 1; id < 10; ++id) {
    create("orders", id, 4);
    for (const char* dir : {"/data/1", "/data/2"}) world_.host.disk().fail_next_sync(dir, EIO);
    remove("orders");
    ASSERT_EQ(doomed().size(), 4u);
    finish_deletions();
    expect_finished();
    world_.host.crash();
    EXPECT_EQ(doomed(), Names{});
    EXPECT_EQ(folders(), Names{});
    table_.reset();
    world_.crash();
    start();
  }
}

TEST_F(Deletion, IsRememberedUntilADirectoryThatWasAwayIsBack) {
  create("orders", 1, 4);
  for (PartitionIndex p = 0; p < 4; ++p) write("orders", p);
  stop();
  ASSERT_TRUE(world_.disk().rename("/data/2", "/away"));
  start();
  remove("orders");
  for (int starts = 0; starts < 3; ++starts) {
    finish_deletions();
    EXPECT_EQ(folders().size(), starts == 0 ? 0u : 4u);
    EXPECT_EQ(doomed(), Names{});
    EXPECT_TRUE(image_->deleted.contains(uuid_of(1)));
    EXPECT_FALSE(table_->has_deletions()) << "there is nothing to be done here";
    if (starts == 0) create("orders", 2, 4);
    for (PartitionIndex p = 0; p < 4; ++p) EXPECT_EQ(write("orders", p), starts);
    kill();
    start();
  }
  stop();
  ASSERT_TRUE(world_.disk().rename("/away", "/data/2"));
  start();
  finish_deletions();
  for (PartitionIndex p = 0; p < 4; ++p) EXPECT_EQ(write("orders", p), 3);
  EXPECT_EQ(folders().size(), 4u);
  expect_finished();
}

// A directory of which only deleted topics are missed is not missed: an empty one may take its
// place, and nobody waits for it any more. Should it come back, nothing of it is used, as nobody
// knows which of its topics were deleted.
TEST_F(Deletion, ADirectoryThatHasDeletedTopicsOnlyMayBeReplaced) {
  remove("others");
  finish_deletions();
  create("orders", 1, 2);
  for (PartitionIndex p : {0, 1}) EXPECT_EQ(write("orders", p), 0);
  stop();
  ASSERT_TRUE(world_.disk().rename("/data/2", "/away"));
  ASSERT_TRUE(world_.disk().make_folders("/data/2"));
  start();
  EXPECT_EQ(table_->dirs().present().size(), 1u);
  remove("orders");
  finish_deletions();
  EXPECT_TRUE(image_->deleted.contains(uuid_of(1))) << "it may be mounted yet";
  stop_and_start();
  EXPECT_EQ(table_->dirs().present().size(), 2u);
  finish_deletions();
  expect_finished();
  for (bool with_mount : {true, false}) {
    create("orders", 1, 2);
    for (PartitionIndex p : {0, 1}) EXPECT_EQ(write("orders", p), 0);
    remove("orders");
    finish_deletions();
    expect_finished();
    if (!with_mount) break;
    stop();
    ASSERT_TRUE(world_.disk().remove_folder("/data/2"));
    ASSERT_TRUE(world_.disk().rename("/away", "/data/2"));
    start();
    EXPECT_EQ(table_->dirs().present(), Names{"/data/1"});
    stop_and_start();
    EXPECT_EQ(table_->dirs().present(), Names{"/data/1"});
    EXPECT_EQ(folders().size(), 1u) << "of it nothing is touched";
    create("orders", 1, 2);
    for (PartitionIndex p : {0, 1}) EXPECT_EQ(write("orders", p), 0) << "of the deleted topic";
    const auto offline = OfflinePartitions::open(world_.disk(), log_dirs_).value();
    for (PartitionIndex p : {0, 1}) {
      EXPECT_EQ(offline.find({"orders", p}).value().state, Whereabouts::State::there) << p;
    }
    remove("orders");
    finish_deletions();
    EXPECT_TRUE(image_->deleted.empty());
    stop();
    ASSERT_TRUE(world_.disk().remove_folder("/data/2"));
    ASSERT_TRUE(world_.disk().make_folders("/data/2"));
    start();
    EXPECT_EQ(table_->dirs().present().size(), 2u) << "it was emptied";
  }
}

// Not before that is durable: the next start has to know a directory whose deletions are forgotten.
TEST_F(Deletion, IsNotForgottenBeforeAReplacedDirectoryIs) {
  remove("others");
  finish_deletions();
  create("orders", 1, 2);
  stop();
  ASSERT_TRUE(world_.disk().rename("/data/2", "/away"));
  start();
  remove("orders");
  finish_deletions();
  stop();
  ASSERT_TRUE(world_.disk().make_folders("/data/2"));
  for (int i = 0; i < 9; ++i) {
    world_.host.disk().fail_next_append("/data/1/directory-assignments", ENOSPC);
  }
  start();
  finish_deletions();
  EXPECT_TRUE(image_->deleted.contains(uuid_of(1)));
  world_.host.disk().forget_planned_failures();
  ASSERT_TRUE(world_.run(table_->checkpoint()));
  finish_deletions();
  expect_finished();
}

// It may be written with a slash at its end.
TEST_F(Deletion, ADirectoryIsKnownHoweverItsPathIsWritten) {
  stop();
  ASSERT_TRUE(world_.disk().rename("/data/2", "/away"));
  log_dirs_ = {"/data/1", "/data/./2/"};
  start();
  EXPECT_EQ(table_->dirs().present(), Names{"/data/1"}) << "others-1 may be there";
  stop();
  log_dirs_ = {"/data/1", "/data/2"};
  ASSERT_TRUE(world_.disk().rename("/away", "/data/2"));
  start();
  EXPECT_EQ(write("others", 1), 1);
}

// What is left of the deleted topics is removed where the directory is now.
TEST_F(Deletion, ADirectoryThatHasMovedIsNotReplaced) {
  remove("others");
  finish_deletions();
  create("orders", 1, 2);
  stop();
  ASSERT_TRUE(world_.disk().rename("/data/2", "/away"));
  start();
  remove("orders");
  finish_deletions();
  stop();
  log_dirs_ = {"/data/1", "/data/2", "/data/3"};
  ASSERT_TRUE(world_.disk().make_folders("/data/2"));
  ASSERT_TRUE(world_.disk().rename("/away", "/data/3"));
  start();
  EXPECT_EQ(table_->dirs().present().size(), 3u);
  finish_deletions();
  expect_finished();
  EXPECT_EQ(folders(), Names{});
}

// What has a deleted id is deleted, so a topic may have it again when nothing is left.
TEST_F(Deletion, OfAMirrorIsFinishedBeforeItComesAgainUnderItsId) {
  for (int life = 0; life < 3; ++life) {
    create("orders", 1, 1);
    EXPECT_EQ(write("orders"), 0);
    kill();
    start();
    EXPECT_EQ(write("orders"), 1);
    for (int i = 0; i < 2; ++i) world_.host.disk().fail_next_name_change("/orders-0", EIO);
    remove("orders");
    EXPECT_EQ(folders(), Names{"orders-0"});
    EXPECT_TRUE(table_->finished_deletions().empty());
    finish_deletions();
    expect_finished();
  }
}

// Its files go beside everything else: a topic that had its id again, and were deleted, would be
// renamed to what is just being removed.
TEST_F(Deletion, IsNotFinishedWhileItsFilesAreBeingRemoved) {
  create("orders", 1, 4);
  world_.host.disk().fail_next_sync("/data/1", EIO);
  remove("orders");
  ASSERT_EQ(doomed().size(), 2u);
  io::Event stop(world_.loop());
  const auto ended = world_.start(done(table_->finish_deletions(stop)));
  while (!ended->has_value()) {
    EXPECT_TRUE(doomed().empty() || table_->finished_deletions().empty());
    world_.run_for(std::chrono::microseconds(50));
  }
  EXPECT_EQ(table_->finished_deletions().size(), 1u);
  // What refuses to go is known, too.
  create("more", 2, 4);
  world_.host.disk().fail_next_name_change(uuid_of(2).to_string(), EIO);
  remove("more");
  EXPECT_EQ(doomed().size(), 1u);
  EXPECT_EQ(table_->finished_deletions().size(), 1u);
  finish_deletions();
  expect_finished();
}

// Its record has gone before, as the oldest of too many. Two folders of one id, of which nobody
// knows which one is meant: both stay.
TEST_F(Deletion, OfAMirrorThatCameAgainBeforeADirectoryWasBackTakesNothing) {
  create("orders", 1, 4);
  for (PartitionIndex p = 0; p < 4; ++p) write("orders", p);
  stop();
  ASSERT_TRUE(world_.disk().rename("/data/2", "/away"));
  start();
  remove("orders");
  finish_deletions();
  mirror_again(1, 4);
  for (PartitionIndex p = 0; p < 4; ++p) EXPECT_EQ(write("orders", p), 0);
  stop();
  ASSERT_TRUE(world_.disk().rename("/away", "/data/2"));
  start();
  finish_deletions();
  EXPECT_EQ(folders().size(), 6u);
  ASSERT_EQ(table_->offline().size(), 2u);
  EXPECT_NE(table_->offline()[0].outage->reason.find("it is in /data/1 and in /data/2"),
            std::string::npos);
}

}  // namespace
}  // namespace isthmus::broker
