// Sites of several brokers: one dies, or another of them is elected. That is no move, and the site
// is not away for it.
#include "kafka/gen/create_topics.h"
#include "kafka/gen/find_coordinator.h"
#include "tests/router/router_world.h"

namespace isthmus::router {
namespace {

using kafka::ErrorCode;

// Seoul is 101 and 102, Tokyo 201 and 202.
struct Wide : RouterWorld {
  SiteBroker& second = seoul.add_broker(world, 102);
  SiteBroker& fourth = tokyo.add_broker(world, 202);
  Wide() {
    for (const auto& [name, more] : {std::pair{"seoul", &second}, {"tokyo", &fourth}}) {
      config.clusters[name].bootstrap_servers.push_back(more->address);
      config.clusters[name].inside.push_back(more->address);
    }
  }
};

std::vector<NodeId> listed_in(const Result<kafka::MetadataResponse>& told) {
  std::vector<NodeId> nodes;
  if (!told) return nodes;
  for (const auto& broker : told->brokers) nodes.push_back(broker.node_id);
  return nodes;
}

io::Task<void> first_one_dies(Wide* w) {
  const Site& seoul = *w->router->picture().site("seoul");
  EXPECT_TRUE(seoul.reachable());
  EXPECT_EQ(seoul.inside_address(), w->seoul.broker.address);
  co_await w->seoul.broker.stop();
  // Until it is known to be gone.
  const io::Instant deadline = io::soon(60'000);
  while (seoul.inside_address() != w->second.address && w->world.loop().now() < deadline) {
    EXPECT_TRUE(seoul.reachable());
    co_await io::sleep(w->world.loop(), io::milliseconds(5));
  }
  EXPECT_EQ(seoul.inside_address(), w->second.address) << "who logs in is asked about there";
  EXPECT_TRUE(seoul.reachable());
  w->seoul.learn_of_takeover();
  co_await w->until_version(1);
  co_await w->second.stop();
  co_await w->until_away("seoul");
}
TEST(RouterElections, ASiteIsThereWhileOneOfItsBrokersIs) {
  Wide w;
  w.run(first_one_dies(&w));
}

// Brokers restart one after the other, faster than a silent one is tried again.
io::Task<void> they_fall_silent_in_turn(Wide* w) {
  const Site& seoul = *w->router->picture().site("seoul");
  SiteBroker& first = w->seoul.broker;
  first.hang_up<kafka::SiteRecordRequest>();
  io::Instant deadline = io::soon(60'000);
  while (seoul.inside_address() != w->second.address && w->world.loop().now() < deadline) {
    co_await io::sleep(w->world.loop(), io::milliseconds(5));
  }
  first.always<kafka::SiteRecordRequest>(w->seoul.told);
  w->second.hang_up<kafka::SiteRecordRequest>();
  bool was_away = false;
  deadline = io::soon(1500);
  while (w->world.loop().now() < deadline) {
    was_away |= !seoul.reachable();
    co_await io::sleep(w->world.loop(), io::milliseconds(1));
  }
  EXPECT_FALSE(was_away) << "one of them answers at any time";
  EXPECT_EQ(seoul.inside_address(), first.address);
  first.hang_up<kafka::SiteRecordRequest>();
  co_await w->until_away("seoul");
}
TEST(RouterElections, ASiteWhoseBrokersRestartInTurnIsNotAway) {
  Wide w;
  w.run(they_fall_silent_in_turn(&w));
}

io::Task<void> one_goes_and_comes(Wide* w) {
  w->seoul.add_topic("orders");
  kafka::MetadataRequest all;
  all.topics = std::nullopt;
  const auto second = w->seoul.metadata.brokers.back();
  auto connection = co_await w->bootstrap();
  auto told = co_await w->call(*connection, all);
  EXPECT_EQ(listed_in(told), (std::vector<NodeId>{101, 102, 201, 202}));
  w->seoul.metadata.brokers.pop_back();
  told = co_await w->call(*connection, all);
  EXPECT_EQ(listed_in(told), (std::vector<NodeId>{101, 201, 202}));
  EXPECT_TRUE(w->router->picture().patience_with(102)) << "nothing that it owes counts any more";
  EXPECT_FALSE(w->router->picture().patience_with(101));
  w->seoul.metadata.brokers.push_back(second);
  w->seoul.metadata.topics[0].partitions[0].leader_id = 102;
  told = co_await w->call(*connection, all);
  EXPECT_EQ(listed_in(told), (std::vector<NodeId>{101, 102, 201, 202}))
      << "a client that is told of a leader is told where it is";
  EXPECT_FALSE(w->router->picture().patience_with(102));
}
TEST(RouterElections, WhatASiteTellsOfItsBrokersHoldsAtOnce) {
  Wide w;
  w.run(one_goes_and_comes(&w));
}

io::Task<void> another_leads(Wide* w) {
  auto connection = co_await w->at(101);
  w->seoul.broker.on<kafka::ProduceRequest>([w](const auto& request) {
    auto& partition = w->seoul.metadata.topics[0].partitions[0];
    partition.leader_id = 102;
    partition.leader_epoch = 6;
    return std::optional(produced(request, -1, ErrorCode::not_leader_or_follower));
  });
  w->second.on<kafka::ProduceRequest>(
      [](const auto& request) { return std::optional(produced(request, 7)); });
  auto response = co_await w->call(*connection, produce_to("orders"));
  EXPECT_EQ(error_of(response), ErrorCode::not_leader_or_follower);
  if (!response) co_return;
  const auto& leader = response->responses[0].partition_responses[0].current_leader;
  EXPECT_EQ(leader.leader_id, 102);
  EXPECT_EQ(leader.leader_epoch, 6);
  EXPECT_EQ(response->node_endpoints.size(), 1u);
  EXPECT_TRUE(!response->node_endpoints.empty() &&
              response->node_endpoints[0].port == w->port_of(102));
  EXPECT_EQ(w->second.asked[kafka::ApiKey::produce], 0)
      << "what was refused may be written: only the client knows whether it may be sent again";
}
TEST(RouterElections, ARefusalNamesTheNewLeaderOfTheSameSite) {
  Wide w;
  w.seoul.add_topic("orders");
  w.run(another_leads(&w));
}

kafka::FindCoordinatorResponse coordinated_by(const SiteBroker& broker, const std::string& group) {
  kafka::FindCoordinatorResponse response;
  response.coordinators.push_back(
      {group, broker.id, broker.address.host, broker.address.port, ErrorCode::none, std::nullopt});
  return response;
}

io::Task<void> moved_to_several(Wide* w) {
  int questions = 0;
  for (SiteBroker* broker : {&w->tokyo.broker, &w->fourth}) {
    broker->on<kafka::FindCoordinatorRequest>([w, &questions](const auto&) {
      ++questions;
      return std::optional(coordinated_by(w->fourth, "billing"));
    });
  }
  w->fourth.always<kafka::HeartbeatRequest>();
  co_await w->flip();
  auto connection = co_await w->at(101);
  for (int i = 0; i < 3; ++i) {
    auto beat = co_await w->call(*connection, heartbeat_of("billing"));
    EXPECT_TRUE(beat && beat->error_code == ErrorCode::none);
  }
  EXPECT_EQ(w->fourth.asked[kafka::ApiKey::heartbeat], 3);
  EXPECT_EQ(questions, 1);

  // Then 201 is elected there.
  w->fourth.always<kafka::HeartbeatRequest>({.error_code = ErrorCode::not_coordinator});
  w->tokyo.broker.always<kafka::HeartbeatRequest>();
  for (SiteBroker* broker : {&w->tokyo.broker, &w->fourth}) {
    broker->always<kafka::FindCoordinatorRequest>(coordinated_by(w->tokyo.broker, "billing"));
  }
  auto beat = co_await w->call(*connection, heartbeat_of("billing"));
  EXPECT_TRUE(beat && beat->error_code == ErrorCode::none);
  EXPECT_EQ(w->tokyo.broker.asked[kafka::ApiKey::heartbeat], 1);
}
TEST(RouterElections, AGroupThatHasMovedIsAskedOfTheOneThatCoordinatesIt) {
  Wide w;
  w.run(moved_to_several(&w));
}

io::Task<void> another_coordinates(Wide* w) {
  w->seoul.broker.always<kafka::HeartbeatRequest>({.error_code = ErrorCode::not_coordinator});
  w->second.always<kafka::HeartbeatRequest>();
  for (SiteBroker* broker : {&w->seoul.broker, &w->second}) {
    broker->always<kafka::FindCoordinatorRequest>(coordinated_by(w->second, "billing"));
  }
  auto connection = co_await w->at(101);
  auto beat = co_await w->call(*connection, heartbeat_of("billing"));
  EXPECT_TRUE(beat && beat->error_code == ErrorCode::not_coordinator);
  EXPECT_EQ(w->second.asked[kafka::ApiKey::heartbeat], 0) << "the client asks for it, as always";
}
TEST(RouterElections, ACoordinatorElectedInItsSiteIsTheClientsToFind) {
  Wide w;
  w.run(another_coordinates(&w));
}

// 101 ends each connection over which it is asked.
io::Task<void> dies_over_a_question(Wide* w) {
  w->second.always<kafka::FindCoordinatorRequest>(coordinated_by(w->second, "billing"));
  auto connection = co_await w->bootstrap();
  kafka::FindCoordinatorRequest request{"billing", kafka::CoordinatorType::group, {"billing"}};
  auto found = co_await w->call(*connection, request);
  EXPECT_TRUE(found.has_value());
  EXPECT_TRUE(found && found->coordinators.at(0).error_code == ErrorCode::none &&
              found->coordinators[0].node_id == 102);
  EXPECT_GE(w->seoul.broker.asked[kafka::ApiKey::find_coordinator], 1);
}
TEST(RouterElections, ABrokerThatDiesOverAQuestionIsNotTheAnswer) {
  Wide w;
  w.run(dies_over_a_question(&w));
}

io::Task<void> dies_over_a_change(Wide* w) {
  auto connection = co_await w->bootstrap();
  kafka::CreateTopicsRequest request;
  request.topics.emplace_back().name = "orders";
  auto created = co_await w->call(*connection, request);
  EXPECT_FALSE(created.has_value()) << "an error would be final to most libraries";
  EXPECT_EQ(w->seoul.broker.asked[kafka::ApiKey::create_topics], 1);
  EXPECT_EQ(w->second.asked[kafka::ApiKey::create_topics], 0);
}
TEST(RouterElections, AChangeWhoseBrokerDiesOverItEndsTheConnectionAsThere) {
  Wide w;
  w.run(dies_over_a_change(&w));
}

}  // namespace
}  // namespace isthmus::router
