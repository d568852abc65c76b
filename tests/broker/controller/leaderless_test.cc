#include "broker/controller/leaderless.h"

#include <gtest/gtest.h>

namespace isthmus::broker {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

class LeaderlessTest : public testing::Test {
 protected:
  LeaderlessTest() {
    topic_.name = "orders";
    topic_.id.bytes[0] = 7;
    topic_.configs["unclean.leader.election.enable"] = "true";
    topic_.partitions.resize(2);
    lead(101, 102);
  }
  void lead(NodeId first, NodeId second) {
    topic_.partitions[0].leader = first;
    topic_.partitions[1].leader = second;
    image_.topics["orders"] = std::make_shared<const TopicImage>(topic_);
  }
  void look(io::Duration at) { leaderless_.look(image_, now_ = io::Instant{} + at); }
  bool is_given_up(PartitionIndex index) const {
    return leaderless_.is_given_up(topic_, index, now_);
  }

  TopicImage topic_;
  Image image_;
  io::Instant now_{};
  Leaderless leaderless_{minutes(5)};
};

TEST_F(LeaderlessTest, EachIsWaitedForSoLongForItself) {
  look(seconds(0));
  lead(-1, 102);
  look(minutes(1));
  lead(-1, -1);
  look(minutes(4));
  EXPECT_FALSE(is_given_up(0) || is_given_up(1));
  look(minutes(6));
  EXPECT_TRUE(is_given_up(0));
  EXPECT_FALSE(is_given_up(1)) << "it has been away for two minutes";
  look(minutes(9));
  EXPECT_TRUE(is_given_up(0) && is_given_up(1));
}

TEST_F(LeaderlessTest, WhoComesBackAndGoesAgainIsWaitedForAnew) {
  lead(-1, 102);
  look(minutes(0));
  lead(101, 102);
  look(minutes(4));
  lead(-1, 102);
  look(minutes(5));
  EXPECT_FALSE(is_given_up(0));
}

TEST_F(LeaderlessTest, ANewControllerBeginsWithItsOwnFirstLook) {
  lead(-1, 102);
  look(minutes(0));
  leaderless_.forget();
  look(minutes(6));
  EXPECT_FALSE(is_given_up(0));
}

TEST_F(LeaderlessTest, OfOtherTopicsNobodyIsGivenUp) {
  topic_.configs.clear();
  lead(-1, -1);
  look(minutes(0));
  look(minutes(60));
  EXPECT_FALSE(is_given_up(0));
}

}  // namespace
}  // namespace isthmus::broker
