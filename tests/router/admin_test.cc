// What spans clusters: coordinators, and orders that are divided by the home of what they name.
#include "kafka/gen/create_topics.h"
#include "kafka/gen/delete_topics.h"
#include "kafka/gen/describe_configs.h"
#include "kafka/gen/find_coordinator.h"
#include "kafka/gen/init_producer_id.h"
#include "kafka/gen/list_groups.h"
#include "tests/router/router_world.h"

namespace isthmus::router {
namespace {

using kafka::ErrorCode;

void coordinate(FakeSite& site, NodeId node) {
  site.broker.on<kafka::FindCoordinatorRequest>([node](const auto& request) {
    kafka::FindCoordinatorResponse response;
    response.node_id = node;
    response.host = "hidden";
    response.port = 1;
    for (const auto& key : request.coordinator_keys) {
      response.coordinators.push_back({key, node, "hidden", 1, ErrorCode::none, std::nullopt});
    }
    return std::optional(response);
  });
}

io::Task<void> coordinators(RouterWorld* w) {
  coordinate(w->seoul, 101);
  coordinate(w->tokyo, 201);
  auto connection = co_await w->bootstrap();
  kafka::FindCoordinatorRequest request;
  request.key = "samurai";
  request.coordinator_keys = {"samurai", "billing"};
  for (const int16_t version : {int16_t{0}, int16_t{3}, int16_t{5}}) {
    auto found = co_await w->call(*connection, request, version);
    EXPECT_TRUE(found.has_value());
    if (!found) co_return;
    if (version < 4) {
      EXPECT_EQ(found->node_id, 201);
      EXPECT_EQ(found->host, "127.0.0.1");
      EXPECT_EQ(found->port, w->port_of(201));
      continue;
    }
    EXPECT_EQ(found->coordinators.size(), 2u);
    EXPECT_EQ(found->coordinators[0].key, "samurai");
    EXPECT_EQ(found->coordinators[0].port, w->port_of(201));
    EXPECT_EQ(found->coordinators[1].key, "billing");
    EXPECT_EQ(found->coordinators[1].port, w->port_of(101));
  }
}
TEST(RouterAdmin, ACoordinatorIsAtTheHomeOfItsGroup) {
  RouterWorld w;
  w.run(coordinators(&w));
}

kafka::FindCoordinatorRequest many_groups(size_t count) {
  kafka::FindCoordinatorRequest request;
  for (size_t i = 0; i < count; ++i) {
    request.coordinator_keys.push_back("group " + std::to_string(i));
  }
  request.coordinator_keys[count / 2] = "samurai";
  return request;
}

// As it is for a client that has learned these versions from another router, or earlier.
io::Task<void> many_coordinators(RouterWorld* w, size_t count) {
  coordinate(w->seoul, 101);
  coordinate(w->tokyo, 201);
  auto connection = co_await w->bootstrap();
  const auto request = many_groups(count);
  kafka::Writer body;
  request.encode(body, 4);
  auto answer =
      co_await connection->call_raw({10, 4, "c", std::move(body).finish()}, io::soon(8000));
  EXPECT_TRUE(answer.has_value()) << answer.error().text;
  if (!answer) co_return;
  auto found = client::decode_response<kafka::FindCoordinatorResponse>(*answer, 4);
  EXPECT_TRUE(found.has_value() && found->coordinators.size() == count);
  if (!found) co_return;
  for (size_t i = 0; i < found->coordinators.size(); ++i) {
    const auto& coordinator = found->coordinators[i];
    EXPECT_EQ(coordinator.key, request.coordinator_keys[i]);
    EXPECT_EQ(coordinator.error_code, ErrorCode::none);
    EXPECT_EQ(coordinator.port, w->port_of(i == count / 2 ? 201 : 101));
  }
}
TEST(RouterAdmin, AnyNumberOfCoordinatorsIsOneQuestionToEachHome) {
  RouterWorld w;
  w.run(many_coordinators(&w, 3000));
  EXPECT_EQ(w.seoul.broker.asked[kafka::ApiKey::find_coordinator], 1);
  EXPECT_EQ(w.tokyo.broker.asked[kafka::ApiKey::find_coordinator], 1);
}
TEST(RouterAdmin, AClusterThatTakesOneKeyInAQuestionIsAskedForEach) {
  RouterWorld w;
  w.seoul.broker.apis = [](const kafka::ApiInfo& api) {
    auto range = server::public_and_private_apis(api);
    if (range && api.key == kafka::ApiKey::find_coordinator) range->max = 3;
    return range;
  };
  w.run(many_coordinators(&w, 5));
  EXPECT_EQ(w.seoul.broker.asked[kafka::ApiKey::find_coordinator], 4);
  EXPECT_EQ(w.tokyo.broker.asked[kafka::ApiKey::find_coordinator], 1);
}

io::Task<void> unknown_coordinator(RouterWorld* w) {
  coordinate(w->seoul, 102);
  auto connection = co_await w->bootstrap();
  kafka::FindCoordinatorRequest request;
  request.coordinator_keys = {"billing"};
  auto found = co_await w->call(*connection, request);
  EXPECT_TRUE(found.has_value());
  if (!found) co_return;
  EXPECT_EQ(found->coordinators[0].error_code, ErrorCode::coordinator_not_available);
  EXPECT_NE(found->coordinators[0].host, "hidden") << "an address behind the router";
}
TEST(RouterAdmin, ACoordinatorWithoutAPortIsNotAvailableYet) {
  RouterWorld w;
  w.run(unknown_coordinator(&w));
}

void create(FakeSite& site, std::vector<std::string>& created) {
  site.broker.on<kafka::CreateTopicsRequest>([&created](const auto& request) {
    kafka::CreateTopicsResponse response;
    for (const auto& topic : request.topics) {
      created.push_back(topic.name);
      response.topics.emplace_back().name = topic.name;
    }
    return std::optional(response);
  });
}

kafka::CreateTopicsRequest two_topics() {
  kafka::CreateTopicsRequest request;
  request.topics.emplace_back().name = "orders";
  request.topics.emplace_back().name = "tea";
  return request;
}

io::Task<void> created(RouterWorld* w) {
  std::vector<std::string> at_seoul, at_tokyo;
  create(w->seoul, at_seoul);
  create(w->tokyo, at_tokyo);
  auto connection = co_await w->at(201);
  auto response = co_await w->call(*connection, two_topics());
  EXPECT_TRUE(response.has_value());
  if (!response) co_return;
  EXPECT_EQ(response->topics.size(), 2u);
  EXPECT_EQ(at_seoul, std::vector<std::string>{"orders"});
  EXPECT_EQ(at_tokyo, std::vector<std::string>{"tea"});
}
TEST(RouterAdmin, TopicsAreCreatedAtTheirHomes) {
  RouterWorld w;
  w.run(created(&w));
}

io::Task<void> created_in_a_move(RouterWorld* w) {
  std::vector<std::string> at_tokyo;
  create(w->tokyo, at_tokyo);
  w->seoul.broker.on<kafka::CreateTopicsRequest>([w](const auto& request) {
    w->tokyo.learn_of_takeover();
    kafka::CreateTopicsResponse response;
    for (const auto& topic : request.topics) {
      auto& refused = response.topics.emplace_back();
      refused.name = topic.name;
      refused.error_code = ErrorCode::not_controller;
    }
    return std::optional(response);
  });
  w->seoul.broker.delay = io::milliseconds(500);  // the answer comes when the move is done
  auto connection = co_await w->at(101);
  auto response = co_await w->call(*connection, two_topics());
  EXPECT_TRUE(response.has_value());
  if (!response) co_return;
  EXPECT_EQ(response->topics.size(), 2u);
  for (const auto& topic : response->topics) EXPECT_EQ(topic.error_code, ErrorCode::none);
  std::ranges::sort(at_tokyo);
  EXPECT_EQ(at_tokyo, (std::vector<std::string>{"orders", "tea"}));
}
TEST(RouterAdmin, WhatAMoveTakesElsewhereIsAskedThere) {
  RouterWorld w;
  w.run(created_in_a_move(&w));
}

io::Task<void> created_in_part(RouterWorld* w) {
  std::vector<std::string> at_seoul;
  create(w->seoul, at_seoul);
  auto connection = co_await w->bootstrap();
  co_await w->tokyo.broker.stop();
  co_await w->until_away("tokyo");
  auto response = co_await w->call(*connection, two_topics());
  EXPECT_TRUE(response.has_value());
  if (!response) co_return;
  EXPECT_EQ(response->topics.size(), 2u);
  for (const auto& topic : response->topics) {
    const bool away = topic.name == "tea";
    EXPECT_EQ(topic.error_code, away ? ErrorCode::broker_not_available : ErrorCode::none);
    if (away) EXPECT_NE(topic.error_message->find("tokyo"), std::string::npos);
  }
}
TEST(RouterAdmin, ASiteThatIsAwayCostsItsPartOfAnAnswerOnly) {
  RouterWorld w;
  w.run(created_in_part(&w));
}

io::Task<void> deleted(RouterWorld* w) {
  std::vector<std::string> at_tokyo;
  w->tokyo.broker.on<kafka::DeleteTopicsRequest>([&at_tokyo](const auto& request) {
    kafka::DeleteTopicsResponse response;
    for (const auto& topic : request.topics) {
      at_tokyo.push_back(topic.name.value_or("an id"));
      response.responses.push_back({topic.name, topic.topic_id, ErrorCode::none, std::nullopt});
    }
    return std::optional(response);
  });
  auto connection = co_await w->bootstrap();
  kafka::DeleteTopicsRequest request;
  request.topics.push_back({"tea", {}});
  request.topics.push_back({std::nullopt, {}});
  request.topics[1].topic_id.bytes[0] = 'x';
  request.topic_names = {"tea"};
  auto response = co_await w->call(*connection, request);
  EXPECT_TRUE(response.has_value());
  if (!response) co_return;
  EXPECT_EQ(response->responses.size(), 2u);
  for (const auto& topic : response->responses) {
    EXPECT_EQ(topic.error_code, topic.name ? ErrorCode::none : ErrorCode::unknown_topic_id);
  }
  at_tokyo.clear();
  response = co_await w->call(*connection, request, 5);
  EXPECT_EQ(at_tokyo, std::vector<std::string>{"tea"}) << "by name, as before version 6";
}
TEST(RouterAdmin, TopicsAreDeletedByNameAndById) {
  RouterWorld w;
  w.run(deleted(&w));
}

void list(FakeSite& site, std::vector<std::string> groups) {
  site.broker.on<kafka::ListGroupsRequest>([groups](const auto&) {
    kafka::ListGroupsResponse response;
    for (const auto& group : groups) response.groups.push_back({group, "consumer", "Stable", ""});
    return std::optional(response);
  });
}

io::Task<void> listed(RouterWorld* w) {
  list(w->seoul, {"billing", "samurai"});
  list(w->tokyo, {"billing", "samurai"});
  const auto names = [](const auto& response) {
    std::vector<std::string> out;
    for (const auto& group : response->groups) out.push_back(group.group_id);
    std::ranges::sort(out);
    return out;
  };
  auto connection = co_await w->bootstrap();
  auto all = co_await w->call(*connection, kafka::ListGroupsRequest{});
  EXPECT_EQ(names(all), (std::vector<std::string>{"billing", "samurai"}));
  auto to_tokyo = co_await w->at(201);
  auto at_tokyo = co_await w->call(*to_tokyo, kafka::ListGroupsRequest{});
  EXPECT_EQ(names(at_tokyo), std::vector<std::string>{"samurai"});
}
TEST(RouterAdmin, AGroupIsListedAtItsHomeAndItsMirrorIsNot) {
  RouterWorld w;
  w.run(listed(&w));
}

void describe_configs(FakeSite& site, std::vector<std::string>& asked) {
  site.broker.on<kafka::DescribeConfigsRequest>([&asked](const auto& request) {
    kafka::DescribeConfigsResponse response;
    for (const auto& resource : request.resources) {
      asked.push_back(resource.resource_name);
      response.results.push_back(
          {ErrorCode::none, std::nullopt, resource.resource_type, resource.resource_name, {}});
    }
    return std::optional(response);
  });
}

io::Task<void> configs(RouterWorld* w) {
  std::vector<std::string> at_seoul, at_tokyo;
  describe_configs(w->seoul, at_seoul);
  describe_configs(w->tokyo, at_tokyo);
  auto connection = co_await w->bootstrap();
  kafka::DescribeConfigsRequest request;
  constexpr auto topic = kafka::ConfigResource::topic, broker = kafka::ConfigResource::broker;
  request.resources.push_back({broker, "201", std::nullopt});
  request.resources.push_back({topic, "orders", std::nullopt});
  request.resources.push_back({broker, "777", std::nullopt});
  request.resources.push_back({broker, "-1", std::nullopt});
  auto response = co_await w->call(*connection, request);
  EXPECT_TRUE(response.has_value());
  if (!response) co_return;
  EXPECT_EQ(response->results.size(), 4u);
  for (const auto& result : response->results) {
    const bool unknown = result.resource_name == "777" || result.resource_name == "-1";
    EXPECT_EQ(result.error_code, unknown ? ErrorCode::resource_not_found : ErrorCode::none);
  }
  EXPECT_EQ(at_seoul, std::vector<std::string>{"orders"});
  EXPECT_EQ(at_tokyo, std::vector<std::string>{"201"});
}
TEST(RouterAdmin, ABrokersConfigurationIsAskedOfThatBroker) {
  RouterWorld w;
  w.run(configs(&w));
}

io::Task<void> producer_id(RouterWorld* w) {
  w->seoul.broker.always<kafka::InitProducerIdRequest>({.producer_id = 42});
  auto connection = co_await w->at(201);
  kafka::InitProducerIdRequest request;
  request.transactional_id = std::nullopt;
  auto response = co_await w->call(*connection, request);
  EXPECT_TRUE(response.has_value());
  if (response) EXPECT_EQ(response->producer_id, 42);
}
TEST(RouterAdmin, ProducerIdsComeFromTheDefaultHome) {
  RouterWorld w;
  w.run(producer_id(&w));
}

}  // namespace
}  // namespace isthmus::router
