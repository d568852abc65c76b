#include "broker/controller/cluster_health.h"

#include <gtest/gtest.h>

namespace isthmus::broker {
namespace {

using Nodes = std::vector<NodeId>;

Image brokers(int count) {
  Image image;
  for (NodeId node = 1; node <= count; ++node) image.brokers[node] = {.starts = 1};
  return image;
}

TEST(ClusterHealth, WhoseNodeIsGoneIsDead) {
  ClusterHealth health(1);
  Image image = brokers(3);
  EXPECT_EQ(health.dead(image), Nodes{}) << "not heard of is not dead";
  health.on_node(2, true);
  health.on_node(3, false);
  EXPECT_EQ(health.dead(image), Nodes{3});
  health.on_node(3, true);
  EXPECT_EQ(health.dead(image), Nodes{});
}

TEST(ClusterHealth, WhoIsFencedIsNotFencedAgain) {
  ClusterHealth health(1);
  Image image = brokers(3);
  image.brokers[3].fenced = true;
  health.on_node(3, false);
  EXPECT_EQ(health.dead(image), Nodes{});
}

TEST(ClusterHealth, AProcessThatRefusesIsDeadLongBeforeItsSession) {
  ClusterHealth health(1);
  Image image = brokers(3);
  health.on_node(2, true);
  health.on_refused(2, 1);
  EXPECT_EQ(health.dead(image), Nodes{2});
  EXPECT_TRUE(health.is_refused(2, image));
  image.brokers[2].starts = 2;
  EXPECT_EQ(health.dead(image), Nodes{}) << "it has started again";
  EXPECT_FALSE(health.is_refused(2, image));
  health.on_refused(2, 1);
  EXPECT_EQ(health.dead(image), Nodes{}) << "late word of the life before";
  health.on_refused(2, 2);
  EXPECT_EQ(health.dead(image), Nodes{2});
}

// Rule 7: who is refused by most may be the one who is cut off.
TEST(ClusterHealth, RefusalsNeverFenceAMajority) {
  ClusterHealth health(1);
  health.on_refused(2, 1);
  health.on_refused(3, 1);
  EXPECT_EQ(health.dead(brokers(3)), Nodes{});
  EXPECT_EQ(health.dead(brokers(4)), Nodes{});
  EXPECT_EQ(health.dead(brokers(5)), (Nodes{2, 3}));
  health.on_node(3, false);
  EXPECT_EQ(health.dead(brokers(3)), Nodes{3}) << "sessions that ended are no opinion";
  EXPECT_EQ(ClusterHealth(1).dead(brokers(1)), Nodes{});
}

TEST(ClusterHealth, OfTwoBrokersNeitherIsFencedByARefusal) {
  ClusterHealth health(1);
  health.on_refused(2, 1);
  EXPECT_EQ(health.dead(brokers(2)), Nodes{});
}

TEST(ClusterHealth, NobodyFencesHimself) {
  ClusterHealth health(1);
  health.on_node(1, false);
  health.on_refused(1, 1);
  EXPECT_EQ(health.dead(brokers(3)), Nodes{});
}

}  // namespace
}  // namespace isthmus::broker
