// What a broker counts of the ISRs that it leads.
#include "broker/replication/isr_changes.h"

#include <gtest/gtest.h>

namespace isthmus::broker {
namespace {

constexpr NodeId self = 1;

using IsrList = std::vector<NodeId>;

// A topic with a partition for each ISR, which its first member leads.
Image image_with_isrs(const std::vector<IsrList>& isrs) {
  auto topic = std::make_shared<TopicImage>();
  topic->name = "orders";
  topic->id.bytes[0] = 7;
  for (const IsrList& isr : isrs) {
    PartitionImage& partition = topic->partitions.emplace_back();
    partition.leader = isr.empty() ? -1 : isr.front();
    partition.replicas = {1, 2, 3};
    partition.isr = isr;
  }
  Image image;
  image.topics[topic->name] = topic;
  image.topics_by_id[topic->id] = topic;
  return image;
}

TEST(IsrChanges, AreCountedOfWhatIsLed) {
  const Image before = image_with_isrs({{1, 2, 3}, {1, 2}, {1, 2}, {2, 3}, {1}});
  const Image now = image_with_isrs({{1, 2}, {1, 2, 3}, {1, 3}, {2}, {1}});
  const IsrChanges changes = isr_changes(before, now, self);
  EXPECT_EQ(changes.shrinks, 2u);
  EXPECT_EQ(changes.expands, 2u);
}

TEST(IsrChanges, WhoTakesOverLosesTheLeaderBeforeIt) {
  const Image before = image_with_isrs({{3, 1, 2}});
  const IsrChanges changes = isr_changes(before, image_with_isrs({{1, 2}}), self);
  EXPECT_EQ(changes.shrinks, 1u);
  EXPECT_EQ(changes.expands, 0u);
}

TEST(IsrChanges, OfWhatIsNewAreNone) {
  const IsrChanges changes = isr_changes(Image(), image_with_isrs({{1, 2, 3}}), self);
  EXPECT_EQ(changes.shrinks + changes.expands, 0u);
}

}  // namespace
}  // namespace isthmus::broker
