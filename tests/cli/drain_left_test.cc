// What `cluster drain` says is left, and what to do about it.
#include "cli/drain_left.h"

#include <gtest/gtest.h>

namespace isthmus::cli {
namespace {

using Nodes = std::vector<NodeId>;

kafka::MetadataResponse of(
    const std::vector<std::tuple<NodeId, Nodes, Nodes>>& leader_replicas_isr) {
  kafka::MetadataResponse metadata;
  for (NodeId node : {301, 302, 303}) metadata.brokers.push_back({node, "k", node, std::nullopt});
  auto& topic = metadata.topics.emplace_back();
  topic.name = "orders";
  for (const auto& [leader, replicas, isr] : leader_replicas_isr) {
    auto& partition = topic.partitions.emplace_back();
    partition.partition_index = static_cast<PartitionIndex>(topic.partitions.size() - 1);
    partition.leader_id = leader;
    partition.replica_nodes = replicas;
    partition.isr_nodes = isr;
  }
  return metadata;
}

TEST(DrainLeft, CountsWhatItLeadsHasAndGivesAway) {
  const auto metadata = of({{301, {301, 302}, {301, 302}},
                            {302, {302, 301}, {302, 301}},
                            {302, {302, 303}, {302, 303}}});
  kafka::ListPartitionReassignmentsResponse moves;
  auto& moved = moves.topics.emplace_back();
  moved.name = "orders";
  moved.partitions.push_back({1, {303, 302, 301}, {303}, {301}});
  const DrainLeft left = drain_left(301, metadata, moves);
  EXPECT_EQ(left.leads, 1u);
  EXPECT_EQ(left.replicas, 2u);
  EXPECT_EQ(left.moving, 1u);
  EXPECT_FALSE(left.is_done(false));
  EXPECT_EQ(text_of(left),
            "leads 1 partition, has replicas of 2 partitions, 1 on the way to others");
  EXPECT_NE(next_of(left, true).find("goes on by itself"), std::string::npos);
}

TEST(DrainLeft, LeadershipIsLessThanReplicas) {
  const DrainLeft left = drain_left(301, of({{302, {301, 302}, {301, 302}}}),
                                    kafka::ListPartitionReassignmentsResponse());
  EXPECT_TRUE(left.is_done(false));
  EXPECT_FALSE(left.is_done(true));
  EXPECT_NE(next_of(left, true).find("no other broker can have what it has left (orders-0)"),
            std::string::npos);
}

TEST(DrainLeft, WhoIsAloneInSyncIsToldOf) {
  const DrainLeft left =
      drain_left(301, of({{301, {301, 302}, {301}}}), kafka::ListPartitionReassignmentsResponse());
  EXPECT_EQ(left.alone, 1u);
  EXPECT_NE(next_of(left, false).find("bring back their other replicas"), std::string::npos);
}

TEST(DrainLeft, ABrokerThatNobodyTellsOfIsNotKnown) {
  EXPECT_FALSE(drain_left(399, of({{301, {301}, {301}}}), {}).known);
  EXPECT_TRUE(drain_left(303, of({{301, {301}, {301}}}), {}).is_done(true));
}

}  // namespace
}  // namespace isthmus::cli
