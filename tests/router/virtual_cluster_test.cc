#include "router/virtual_cluster.h"

#include <gtest/gtest.h>

namespace isthmus::router {
namespace {

process::VirtualCluster config(uint16_t first, uint16_t last) {
  process::VirtualCluster config;
  config.name = "corp";
  config.advertise = "kafka.corp";
  config.ports = {first, last};
  return config;
}

RealNode node(NodeId id) {
  return {id, {"10.0.0." + std::to_string(id % 256), 9092}, std::nullopt};
}

TEST(VirtualCluster, TheClusterIdComesFromTheNameAlone) {
  const VirtualCluster one(config(19092, 19099)), other_ports(config(1000, 1001));
  EXPECT_EQ(one.id(), other_ports.id());
  EXPECT_EQ(one.id().size(), 22u);
  EXPECT_TRUE(Uuid::parse(one.id()).has_value());
  process::VirtualCluster renamed = config(19092, 19099);
  renamed.name = "corp2";
  EXPECT_NE(VirtualCluster(renamed).id(), one.id());
}

TEST(VirtualCluster, NodesKeepTheirPorts) {
  VirtualCluster cluster(config(19092, 19099));
  ASSERT_TRUE(cluster.learn("seoul", {node(102), node(101)}));
  ASSERT_TRUE(cluster.learn("tokyo", {node(201)}));
  EXPECT_EQ(cluster.node(101)->port, 19093);
  EXPECT_EQ(cluster.node(102)->port, 19094);
  EXPECT_EQ(cluster.node(201)->port, 19095);
  ASSERT_TRUE(cluster.learn("seoul", {node(100), node(102)}));
  EXPECT_EQ(cluster.node(101)->port, 19093) << "gone for now, not forgotten";
  EXPECT_FALSE(cluster.node(101)->listed);
  EXPECT_EQ(cluster.node(102)->port, 19094);
  EXPECT_EQ(cluster.node(100)->port, 19096);
  EXPECT_TRUE(cluster.node(201)->listed);
}

TEST(VirtualCluster, ANodeMayChangeItsAddress) {
  VirtualCluster cluster(config(19092, 19099));
  ASSERT_TRUE(cluster.learn("seoul", {node(101)}));
  RealNode moved = node(101);
  moved.address.host = "10.1.1.1";
  ASSERT_TRUE(cluster.learn("seoul", {moved}));
  EXPECT_EQ(cluster.node(101)->real.address.host, "10.1.1.1");
  EXPECT_EQ(cluster.advertised(*cluster.node(101)), (io::Address{"kafka.corp", 19093}));
}

TEST(VirtualCluster, OneNodeIdInTwoClustersIsRefusedAndNothingOfItTakenOver) {
  VirtualCluster cluster(config(19092, 19099));
  ASSERT_TRUE(cluster.learn("seoul", {node(101)}));
  const auto learned = cluster.learn("tokyo", {node(100), node(101)});
  ASSERT_FALSE(learned);
  EXPECT_NE(learned.error().text.find("node 101"), std::string::npos) << learned.error().text;
  EXPECT_EQ(cluster.node(100), nullptr);
  EXPECT_EQ(cluster.node(101)->cluster, "seoul");
}

TEST(VirtualCluster, NegativeNodeIdsAreRefused) {
  VirtualCluster cluster(config(19092, 19099));
  EXPECT_FALSE(cluster.learn("seoul", {node(-1)}));
  EXPECT_TRUE(cluster.nodes().empty());
}

TEST(VirtualCluster, MoreNodesThanPortsAreLeftOutAndTheOthersStay) {
  VirtualCluster cluster(config(19092, 19094));
  ASSERT_TRUE(cluster.learn("seoul", {node(101)}));
  ASSERT_TRUE(cluster.learn("tokyo", {node(202), node(201)}));
  EXPECT_NE(cluster.left_out().find("19092-19094"), std::string::npos) << cluster.left_out();
  EXPECT_NE(cluster.left_out().find("tokyo"), std::string::npos) << cluster.left_out();
  EXPECT_NE(cluster.left_out().find("need 4"), std::string::npos) << cluster.left_out();
  EXPECT_TRUE(cluster.node(201)->listed);
  EXPECT_EQ(cluster.node(202), nullptr);
  ASSERT_TRUE(cluster.learn("seoul", {node(101)})) << "those that are known need no port";
  EXPECT_FALSE(cluster.left_out().empty());
  ASSERT_TRUE(cluster.learn("tokyo", {node(201)}));
  EXPECT_EQ(cluster.left_out(), "");
}

process::VirtualCluster by_name() {
  process::VirtualCluster made = config(9093, 9093);
  made.advertise = "Kafka.corp";
  made.sni = true;
  return made;
}

TEST(VirtualCluster, NodesThatHaveNamesShareThePort) {
  VirtualCluster cluster(by_name());
  ASSERT_TRUE(cluster.learn("seoul", {node(101), node(7)}));
  EXPECT_EQ(cluster.advertised(*cluster.node(101)), (io::Address{"b101.Kafka.corp", 9093}));
  EXPECT_EQ(cluster.advertised(*cluster.node(7)), (io::Address{"b7.Kafka.corp", 9093}));
  EXPECT_EQ(cluster.bootstrap().port, 9093);
  EXPECT_EQ(cluster.node_named("b101.kafka.corp"), 101);
  EXPECT_EQ(cluster.node_named("B7.KAFKA.CORP"), 7);
}

TEST(VirtualCluster, AnyOtherNameIsTheBootstrap) {
  VirtualCluster cluster(by_name());
  ASSERT_TRUE(cluster.learn("seoul", {node(101)}));
  for (const char* host :
       {"", "b", "kafka.corp", "b102.kafka.corp", "b0101.kafka.corp", "b+101.kafka.corp",
        "b-1.kafka.corp", "b99999999999.kafka.corp", "b101", "b101.", "b101.kafka.corp.",
        "c101.kafka.corp", "b101.kafka.corp.evil", "b101.other.corp", "xb101.kafka.corp"}) {
    EXPECT_EQ(cluster.node_named(host), std::nullopt) << host;
  }
  ASSERT_TRUE(cluster.learn("tokyo", {node(102)}));
  EXPECT_EQ(cluster.node_named("b102.kafka.corp"), 102) << "known since";
  VirtualCluster by_port(config(19092, 19099));
  ASSERT_TRUE(by_port.learn("seoul", {node(101)}));
  EXPECT_EQ(by_port.node_named("b101.kafka.corp"), std::nullopt);
}

TEST(VirtualCluster, NamesHaveALimitToo) {
  VirtualCluster cluster(by_name());
  std::vector<RealNode> many;
  for (size_t i = 0; i < VirtualCluster::most_named; ++i) many.push_back(node(NodeId(i)));
  ASSERT_TRUE(cluster.learn("seoul", many));
  EXPECT_EQ(cluster.left_out(), "");
  ASSERT_TRUE(cluster.learn("tokyo", {node(5000)}));
  EXPECT_NE(cluster.left_out().find("at most 1000"), std::string::npos) << cluster.left_out();
  EXPECT_EQ(cluster.node(5000), nullptr);
}

}  // namespace
}  // namespace isthmus::router
