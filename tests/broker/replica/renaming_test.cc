#include "broker/replica/renaming.h"

#include <cerrno>

#include "tests/broker/replica/table_world.h"

namespace isthmus::broker {
namespace {

class Renaming : public PartitionTableTest {
 protected:
  // Two partitions, one in each directory, of five records; the first two of each are deleted.
  void begin() {
    create("orders", 1, 2);
    for (PartitionIndex i = 0; i < 2; ++i) {
      for (int n = 0; n < 5; ++n) write("orders", i);
      ASSERT_TRUE(world_.run(table_->find("orders", i).delete_records(ClientWriter{}, 2)));
    }
    ASSERT_TRUE(world_.run(table_->checkpoint()));
  }
  void expect_all(const std::string& name) {
    for (PartitionIndex i = 0; i < 2; ++i) {
      const PartitionRef partition = table_->find(name, i);
      ASSERT_TRUE(partition) << name << " " << i << ": " << why_not(partition);
      EXPECT_EQ(partition.topic_id(), uuid_of(1));
      const PartitionView view = world_.run(partition.describe());
      EXPECT_EQ(view.start_offset, 2) << name << " " << i;
      EXPECT_EQ(view.end_offset, 5) << name << " " << i;
    }
  }
  static std::string why_not(const PartitionRef& partition) {
    const auto outage = partition.outage();
    return outage ? outage->reason : "not here";
  }
  void expect_new_begins() {
    create("orders", 2, 2);
    for (PartitionIndex i = 0; i < 2; ++i) {
      ASSERT_TRUE(table_->find("orders", i)) << why_not(table_->find("orders", i));
      EXPECT_EQ(table_->find("orders", i).topic_id(), uuid_of(2));
      EXPECT_EQ(write("orders", i), 0);
    }
  }
};

TEST_F(Renaming, ATopicThatIsSetAsideHasItsRecordsAndMakesRoomForAnother) {
  begin();
  const PartitionRef before = table_->find("orders", 0);
  set_aside("orders", "orders.recreated");
  EXPECT_FALSE(table_->find("orders", 0));
  expect_all("orders.recreated");
  expect_new_begins();
  lose_power();
  expect_all("orders.recreated");
  EXPECT_EQ(write("orders"), 1);
  stop_and_start();
  expect_all("orders.recreated");
  EXPECT_EQ(write("orders"), 2);
  EXPECT_EQ(strays(), std::vector<std::string>{});
  remove("orders.recreated");
  finish_deletions();
  auto left = folders();
  std::ranges::sort(left);
  EXPECT_EQ(left, (std::vector<std::string>{"orders-0", "orders-1"}));
}

TEST_F(Renaming, BothMayBeSeenInOneStep) {
  begin();
  decide_to_set_aside("orders", "orders.recreated");
  expect_new_begins();
  expect_all("orders.recreated");
}

TEST_F(Renaming, AStartFindsTheFoldersUnderTheOldName) {
  begin();
  decide_to_set_aside("orders", "orders.recreated");
  lose_power();
  expect_all("orders.recreated");
  expect_new_begins();
  lose_power();
  expect_all("orders.recreated");
}

TEST_F(Renaming, AFolderThatCannotBeRenamedIsOfflineWithItsRecordsUntilItCan) {
  begin();
  decide_to_set_aside("orders", "orders.recreated");
  for (int i = 0; i < 2; ++i) world_.host.disk().fail_next_name_change("/orders-0", EIO);
  lose_power();
  ASSERT_FALSE(table_->find("orders.recreated", 0));
  EXPECT_NE(why_not(table_->find("orders.recreated", 0)).find("cannot rename"), std::string::npos)
      << why_not(table_->find("orders.recreated", 0));
  create("orders", 2, 2);
  EXPECT_FALSE(table_->find("orders", 0)) << "its place is not free";
  EXPECT_EQ(strays(), std::vector<std::string>{});
  world_.run(done(table_->open_repaired()));
  expect_all("orders.recreated");
  EXPECT_EQ(write("orders"), 0);
  EXPECT_EQ(table_->offline().size(), 0u);
}

TEST_F(Renaming, IsTriedAgainWithAnyChange) {
  begin();
  decide_to_set_aside("orders", "orders.recreated");
  world_.host.disk().fail_next_name_change("/orders-0", EIO);
  lose_power();
  EXPECT_FALSE(table_->find("orders.recreated", 0));
  expect_new_begins();
  expect_all("orders.recreated");
}

TEST_F(Renaming, ADirectoryThatWasAwayFollowsWhenItIsBack) {
  begin();
  stop();
  ASSERT_TRUE(world_.disk().rename("/data/2", "/away"));
  start();
  set_aside("orders", "orders.recreated");
  EXPECT_EQ(table_->offline().size(), 1u);
  create("orders", 2, 2);
  stop();
  ASSERT_TRUE(world_.disk().rename("/away", "/data/2"));
  start();
  expect_all("orders.recreated");
  EXPECT_EQ(table_->offline().size(), 0u);
}

// The machine loses power at each operation of the disk in turn.
TEST_F(Renaming, AnyPowerLossLeavesBothTopicsWhole) {
  int cuts = 0;
  for (bool hit = true; hit; ++cuts) {
    ASSERT_LT(cuts, 500) << "it comes to an end";
    struct Once : Renaming {
      void TestBody() override {}
      void run(int number, bool& hit) {
        begin();
        decide_to_set_aside("orders", "orders.recreated");
        decide("orders", 2, 2);
        sim::Volume& disk = world_.host.disk();
        const uint64_t before = disk.operations();
        disk.fail_operations_from(before + 1 + static_cast<uint64_t>(number), EIO);
        (void)world_.run(table_->follow(image_));
        hit = disk.operations() > before + static_cast<uint64_t>(number);
        disk.forget_planned_failures();
        lose_power();
        expect_all("orders.recreated");
        expect_new_begins();
        EXPECT_EQ(strays(), std::vector<std::string>{});
      }
    };
    SCOPED_TRACE(cuts);
    Once().run(cuts, hit);
    if (HasFailure()) return;
  }
  EXPECT_GT(cuts, 5);
}

}  // namespace
}  // namespace isthmus::broker
