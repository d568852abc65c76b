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
    mine.node_id = 101;
    for (const std::string& dir : dirs) world.disk().make_folders(dir).value();
    world.disk().open("/data/1/metadata.log", io::Disk::Open::create).value();
  }
  Result<void> check() { return check_log_dirs(world.disk(), dirs); }
  Result<void> mark(const Image& image) {
    return mark_log_dirs(world.disk(), world.env().random, dirs, image);
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

}  // namespace
}  // namespace isthmus::broker
