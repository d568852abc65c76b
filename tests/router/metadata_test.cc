// What clients are told: one cluster, at the router's addresses, whatever is behind it.
#include "kafka/gen/describe_cluster.h"
#include "kafka/gen/fetch.h"
#include "tests/router/router_world.h"

namespace isthmus::router {
namespace {

using kafka::ErrorCode;

kafka::MetadataRequest about(const std::vector<std::string>& topics) {
  kafka::MetadataRequest request;
  for (const auto& topic : topics) {
    auto& asked = request.topics->emplace_back();
    asked.name = topic;
  }
  return request;
}
kafka::MetadataRequest about_all() {
  kafka::MetadataRequest request;
  request.topics = std::nullopt;
  return request;
}

std::vector<std::string> names_in(const kafka::MetadataResponse& response) {
  std::vector<std::string> names;
  for (const auto& topic : response.topics) names.push_back(topic.name.value_or("?"));
  std::ranges::sort(names);
  return names;
}

io::Task<void> api_versions(RouterWorld* w) {
  auto connection = co_await w->bootstrap();
  EXPECT_EQ(connection->range_of(0)->first, 0) << "clients of old look for Produce from 0";
  EXPECT_EQ(connection->range_of(0)->second, 11);
  EXPECT_EQ(connection->range_of(1)->second, 16) << "Isthmus names no addresses of its own";
  EXPECT_EQ(connection->range_of(3)->second, 9) << "tokyo speaks no more";
  EXPECT_FALSE(connection->range_of(20)) << "tokyo does not speak it at all";
  for (int16_t key = 10'000; key < 10'020; ++key) EXPECT_FALSE(connection->range_of(key)) << key;
  for (int16_t key : {17, 36}) EXPECT_TRUE(connection->range_of(key)) << key << ": log-ins";
  for (int16_t key : {29, 30, 31, 48, 49, 50, 51}) {
    EXPECT_FALSE(connection->range_of(key)) << key << ": of one cluster, not of all";
  }
}

TEST(RouterMetadata, ApiVersionsAreWhatAllClustersSpeakWithoutPrivateApis) {
  RouterWorld w;
  w.tokyo.broker.apis = [](const kafka::ApiInfo& api) -> std::optional<server::VersionRange> {
    if (api.key == kafka::ApiKey::delete_topics) return std::nullopt;
    auto range = server::public_and_private_apis(api);
    if (api.key == kafka::ApiKey::metadata) range->max = 9;
    return range;
  };
  w.run(api_versions(&w));
}

io::Task<void> merged(RouterWorld* w) {
  w->seoul.add_topic("orders");
  w->seoul.add_topic("tea");  // mirrored from tokyo
  w->tokyo.add_topic("tea");
  w->tokyo.add_topic("orders");  // mirrored from seoul
  auto connection = co_await w->bootstrap();
  auto told = co_await w->call(*connection, about_all());
  EXPECT_TRUE(told.has_value());
  if (!told) co_return;
  EXPECT_EQ(told->cluster_id, w->router->picture().virtual_cluster.id());
  EXPECT_EQ(told->controller_id, 101);
  EXPECT_EQ(told->brokers.size(), 2u);
  for (const auto& broker : told->brokers) {
    EXPECT_EQ(broker.host, "127.0.0.1");
    EXPECT_EQ(broker.port, w->port_of(broker.node_id));
  }
  EXPECT_EQ(names_in(*told), (std::vector<std::string>{"orders", "tea"}));
  for (const auto& topic : told->topics) {
    const NodeId leader = topic.name == "tea" ? 201 : 101;
    EXPECT_EQ(topic.partitions[0].leader_id, leader);
    EXPECT_EQ(topic.partitions[0].leader_epoch, 5);
    EXPECT_EQ(topic.topic_id.bytes[0], (*topic.name)[0]);
  }
}
TEST(RouterMetadata, EachTopicIsToldOnceByItsHomeAndMirrorsAreNoPhantoms) {
  RouterWorld w;
  w.run(merged(&w));
}

io::Task<void> auto_create(RouterWorld* w) {
  auto connection = co_await w->bootstrap();
  kafka::MetadataRequest request = about({"new-at-seoul"});
  request.allow_auto_topic_creation = true;
  auto told = co_await w->call(*connection, request);
  EXPECT_TRUE(told.has_value());
  EXPECT_EQ(w->seoul.asked_by_name, std::vector<std::string>{"new-at-seoul"});
  EXPECT_TRUE(w->seoul.may_create);
  EXPECT_TRUE(w->tokyo.asked_by_name.empty());
  request.allow_auto_topic_creation = false;
  told = co_await w->call(*connection, request);
  EXPECT_FALSE(w->seoul.may_create);
}
TEST(RouterMetadata, OnlyTheOwnerIsAskedToCreateATopic) {
  RouterWorld w;
  w.run(auto_create(&w));
}

io::Task<void> by_id(RouterWorld* w) {
  w->seoul.add_topic("orders");
  w->tokyo.add_topic("tea");
  auto connection = co_await w->bootstrap();
  kafka::MetadataRequest request;
  for (const char first : {'t', 'x'}) {
    auto& asked = request.topics->emplace_back();
    asked.name = std::nullopt;
    asked.topic_id.bytes[0] = static_cast<uint8_t>(first);
  }
  auto told = co_await w->call(*connection, request);
  EXPECT_TRUE(told.has_value());
  if (!told) co_return;
  EXPECT_EQ(told->topics.size(), 2u);
  for (const auto& topic : told->topics) {
    if (topic.topic_id.bytes[0] == 't') {
      EXPECT_EQ(topic.name, "tea");
      EXPECT_EQ(topic.error_code, ErrorCode::none);
    } else {
      EXPECT_EQ(topic.error_code, ErrorCode::unknown_topic_id);
    }
  }
}
TEST(RouterMetadata, ATopicIsFoundByItsIdWhereverItIs) {
  RouterWorld w;
  w.run(by_id(&w));
}

io::Task<void> home_away(RouterWorld* w) {
  auto connection = co_await w->bootstrap();
  co_await w->tokyo.broker.stop();
  co_await w->until_away("tokyo");
  auto told = co_await w->call(*connection, about_all());
  EXPECT_TRUE(told.has_value());
  if (!told) co_return;
  EXPECT_EQ(names_in(*told), (std::vector<std::string>{"orders", "tea"}))
      << "a topic that vanished would look deleted";
  for (const auto& topic : told->topics) {
    const bool away = topic.name == "tea";
    EXPECT_EQ(topic.partitions[0].error_code,
              away ? ErrorCode::leader_not_available : ErrorCode::none);
    EXPECT_EQ(topic.partitions[0].leader_id, away ? -1 : 101);
  }
  EXPECT_EQ(told->brokers.size(), 1u) << "nobody shall dial a site that is away";
  EXPECT_EQ(told->brokers[0].node_id, 101);
}
TEST(RouterMetadata, TopicsOfASiteThatIsAwayHaveNoLeader) {
  RouterWorld w;
  w.seoul.add_topic("orders");
  w.tokyo.add_topic("tea");
  w.run(home_away(&w));
}

io::Task<void> unknown_leader(RouterWorld* w) {
  auto connection = co_await w->bootstrap();
  w->seoul.add_topic("orders");
  w->seoul.metadata.topics[0].partitions[0].leader_id = 102;
  auto told = co_await w->call(*connection, about({"orders"}));
  EXPECT_TRUE(told.has_value());
  if (!told) co_return;
  EXPECT_EQ(told->topics[0].partitions[0].leader_id, -1);
  EXPECT_EQ(told->topics[0].partitions[0].error_code, ErrorCode::leader_not_available);
}
TEST(RouterMetadata, ALeaderWithoutAPortIsNoneYet) {
  RouterWorld w;
  w.run(unknown_leader(&w));
}

io::Task<void> describe_cluster(RouterWorld* w) {
  auto connection = co_await w->at(201);
  auto told = co_await w->call(*connection, kafka::DescribeClusterRequest{});
  EXPECT_TRUE(told.has_value());
  if (!told) co_return;
  EXPECT_EQ(told->cluster_id, w->router->picture().virtual_cluster.id());
  EXPECT_EQ(told->controller_id, 101);
  EXPECT_EQ(told->brokers.size(), 2u);
  EXPECT_EQ(told->brokers[0].port, w->port_of(told->brokers[0].broker_id));
}
TEST(RouterMetadata, DescribeClusterTellsTheSameAtEveryPort) {
  RouterWorld w;
  w.run(describe_cluster(&w));
}

TEST(RouterMetadata, TwoClustersWithOneNodeIdAreRefusedAtTheStart) {
  RouterWorld w;
  w.tokyo.metadata.brokers[0].node_id = 101;
  const std::string error = w.start_error();
  EXPECT_NE(error.find("node 101 is a broker of both seoul and tokyo"), std::string::npos) << error;
}

io::Task<void> wrong_name(RouterWorld* w) {
  EXPECT_FALSE(w->router->picture().site("tokyo")->reachable());
  EXPECT_NE(w->router->picture().site("tokyo")->trouble().find("osaka"), std::string::npos);
  auto status = co_await w->router->status();
  EXPECT_FALSE(status.ready);
  EXPECT_NE(status.reason.find("tokyo"), std::string::npos) << status.reason;
}
TEST(RouterMetadata, ASiteUnderAnotherNameIsNotUsed) {
  RouterWorld w;
  w.tokyo.told.name = "osaka";
  w.run(wrong_name(&w));
}

}  // namespace
}  // namespace isthmus::router
