#include "broker/coordinator/key_partition.h"

#include <gtest/gtest.h>

namespace isthmus::broker {
namespace {

// Computed by Java's String.hashCode; with 4 partitions seen in Kafka 4.1.1 as well.
TEST(KeyPartition, IsJavas) {
  EXPECT_EQ(partition_of_key("", 50), 0);
  EXPECT_EQ(partition_of_key("a", 50), 47);
  EXPECT_EQ(partition_of_key("golden", 50), 43);
  EXPECT_EQ(partition_of_key("group-Ж", 50), 46);
  EXPECT_EQ(partition_of_key("日本", 50), 47);
  EXPECT_EQ(partition_of_key("emoji-😀", 50), 6);
  EXPECT_EQ(partition_of_key("polygenelubricants", 50), 0);
  EXPECT_EQ(partition_of_key("connect-cluster", 50), 13);
  EXPECT_EQ(partition_of_key("-", 50), 45);
  EXPECT_EQ(partition_of_key("console-consumer-12345", 50), 6);
  EXPECT_EQ(partition_of_key("group-Ж", 4), 0);
  EXPECT_EQ(partition_of_key("日本", 4), 3);
  EXPECT_EQ(partition_of_key("emoji-😀", 4), 2);
  EXPECT_EQ(partition_of_key("golden", 4), 3);
  EXPECT_EQ(partition_of_key("connect-cluster", 4), 3);
  EXPECT_EQ(partition_of_key("-", 4), 1);
}

TEST(KeyPartition, OfANameThatIsNotUtf8IsInRange) {
  for (const char* name : {"\xff", "\xe6\x97", "a\xc3", "\xf0\x9f\x98\x80\x80"}) {
    const PartitionIndex partition = partition_of_key(name, 50);
    EXPECT_TRUE(partition >= 0 && partition < 50) << partition;
  }
}

}  // namespace
}  // namespace isthmus::broker
