#include "broker/log_dirs.h"

#include <gtest/gtest.h>

#include "broker/log/checkpoints.h"
#include "tests/broker/task_world.h"

namespace isthmus::broker {
namespace {

class LogDirsTest : public testing::Test {
 protected:
  LogDirsTest() {
    mine.cluster_id.bytes.fill(1);
    mine.cluster_number = 1;
    for (const std::string& dir : dirs) world.disk().make_folders(dir).value();
    world.disk().open("/data/1/metadata.log", io::Disk::Open::create).value();
  }
  Result<DirectoryOwner> check(bool embedded = true, NodeId self = 101) {
    return check_log_dirs(world.disk(), dirs, embedded, self);
  }
  Result<void> mark(const Image& image) {
    return mark_log_dirs(world.disk(), world.env().random, dirs, image, 101);
  }

  TaskWorld world;
  Image mine;
  std::vector<std::string> dirs = {"/data/1", "/data/2"};
};

TEST_F(LogDirsTest, FreshOnesAreMarkedAndComeBack) {
  ASSERT_TRUE(check());
  ASSERT_TRUE(mark(mine));
  EXPECT_TRUE(check());
  EXPECT_EQ((*MetaProperties::read(world.disk(), "/data/2"))->node_id, 101);
}

TEST_F(LogDirsTest, ADirectoryIsAdded) {
  ASSERT_TRUE(mark(mine));
  dirs.push_back("/data/3");
  world.disk().make_folders("/data/3").value();
  EXPECT_TRUE(check());
}

TEST_F(LogDirsTest, OneOfAnotherClusterIsNamed) {
  ASSERT_TRUE(mark(mine));
  MetaProperties theirs{"their-cluster", 201, 2, 0, {}};
  ASSERT_TRUE(theirs.write(world.disk(), "/data/2"));
  auto checked = check();
  ASSERT_FALSE(checked);
  EXPECT_TRUE(checked.error().text.starts_with("/data/2 belongs to cluster their-cluster"))
      << checked.error().text;
}

// Without its first directory a broker would found a new cluster, and set the logs aside.
TEST_F(LogDirsTest, AFirstOneThatIsEmptyIsNotTakenForANewCluster) {
  ASSERT_TRUE(mark(mine));
  dirs = {"/data/3", "/data/2"};
  world.disk().make_folders("/data/3").value();
  EXPECT_FALSE(check());
}

class SharedLogDirsTest : public LogDirsTest {
 protected:
  SharedLogDirsTest() { world.disk().remove("/data/1/metadata.log").value(); }
};

TEST_F(SharedLogDirsTest, FreshOnesHaveNoOwnerAndGetTheIdThatWasSaid) {
  const auto fresh = check(false);
  ASSERT_TRUE(fresh);
  EXPECT_EQ(fresh->cluster_id, "");
  EXPECT_TRUE(fresh->directory_id.is_zero());
  Uuid said;
  said.bytes.fill(7);
  ASSERT_TRUE(mark_log_dirs(world.disk(), world.env().random, dirs, mine, 101, said));
  const auto marked = check(false);
  ASSERT_TRUE(marked) << marked.error().text;
  EXPECT_EQ(marked->cluster_id, mine.cluster_id.to_string());
  EXPECT_EQ(marked->directory_id, said);
  EXPECT_NE((*MetaProperties::read(world.disk(), "/data/2"))->directory_id, said);
}

TEST_F(SharedLogDirsTest, ThoseOfAnotherNodeAreNamed) {
  ASSERT_TRUE(mark(mine));
  const auto checked = check(false, 102);
  ASSERT_FALSE(checked);
  EXPECT_TRUE(checked.error().text.starts_with("/data/1 belongs to cluster "));
  EXPECT_NE(checked.error().text.find("node 101"), std::string::npos);
  EXPECT_NE(checked.error().text.find("node.id 102"), std::string::npos);
}

TEST_F(SharedLogDirsTest, AClusterOfOneIsNotLeftBehind) {
  world.disk().open("/data/1/metadata.log", io::Disk::Open::create).value();
  ASSERT_TRUE(mark(mine));
  const auto checked = check(false);
  ASSERT_FALSE(checked);
  EXPECT_NE(checked.error().text.find("metadata: embedded"), std::string::npos);
}

}  // namespace
}  // namespace isthmus::broker
