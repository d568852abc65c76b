// A flip of the routes, as clients with open connections see it.
#include "kafka/gen/fetch.h"
#include "kafka/gen/init_producer_id.h"
#include "tests/router/router_world.h"

namespace isthmus::router {
namespace {

using kafka::ErrorCode;

kafka::FetchRequest fetch_of(const std::string& topic, int32_t session_epoch) {
  kafka::FetchRequest request;
  request.session_epoch = session_epoch;
  request.session_id = session_epoch > 0 ? 77 : 0;
  if (!topic.empty()) request.topics.push_back({topic, {}, {{.partition = 0}}});
  return request;
}

void accept_fetch(SiteBroker& broker, int& count) {
  broker.on<kafka::FetchRequest>([&count](const auto&) {
    ++count;
    kafka::FetchResponse response;
    response.session_id = 77;
    return std::optional(response);
  });
}

io::Task<void> flipped(RouterWorld* w) {
  w->seoul.add_topic("orders");
  w->tokyo.add_topic("orders");
  int written = 0, read = 0;
  const auto accept = [&](const kafka::ProduceRequest& request) {
    return std::optional(produced(request, written++));
  };
  w->seoul.broker.on<kafka::ProduceRequest>(accept);
  w->tokyo.broker.on<kafka::ProduceRequest>(accept);
  accept_fetch(w->seoul.broker, read);
  w->seoul.broker.always<kafka::HeartbeatRequest>();
  w->tokyo.broker.always<kafka::HeartbeatRequest>();
  auto old = co_await w->at(101);
  auto produced_before = co_await w->call(*old, produce_to("orders"));
  EXPECT_EQ(error_of(produced_before), ErrorCode::none);
  auto fetched = co_await w->call(*old, fetch_of("orders", 0), 12);
  EXPECT_TRUE(fetched && fetched->responses.empty());
  co_await w->flip();

  auto went_on = co_await w->call(*old, produce_to("orders"));
  EXPECT_EQ(error_of(went_on), ErrorCode::none) << "a move is no error to a producer";
  EXPECT_EQ(w->tokyo.broker.asked[kafka::ApiKey::produce], 1);
  fetched = co_await w->call(*old, fetch_of("", 1), 12);
  EXPECT_TRUE(fetched && fetched->error_code == ErrorCode::fetch_session_id_not_found);
  fetched = co_await w->call(*old, fetch_of("orders", 0), 12);
  EXPECT_TRUE(fetched && !fetched->responses.empty());
  if (!fetched) co_return;
  EXPECT_EQ(fetched->responses[0].partitions[0].error_code, ErrorCode::not_leader_or_follower);
  auto beat = co_await w->call(*old, heartbeat_of("billing"));
  EXPECT_TRUE(beat && beat->error_code == ErrorCode::none);
  EXPECT_EQ(w->tokyo.broker.asked[kafka::ApiKey::heartbeat], 1);
  EXPECT_EQ(w->seoul.broker.asked[kafka::ApiKey::produce], 1);
  EXPECT_EQ(read, 1) << "a mirror would serve what clients must not read there any more";

  kafka::MetadataRequest request;
  request.topics->emplace_back().name = "orders";
  auto told = co_await w->call(*old, request);
  EXPECT_TRUE(told.has_value());
  if (!told) co_return;
  EXPECT_EQ(told->topics[0].partitions[0].leader_id, 201);
  EXPECT_EQ(told->controller_id, 201);
  EXPECT_EQ(told->cluster_id, w->router->picture().virtual_cluster.id());
  auto current = co_await w->at(201);
  auto accepted = co_await w->call(*current, produce_to("orders"));
  EXPECT_EQ(error_of(accepted), ErrorCode::none);
}
TEST(RouterSwitchover, OpenConnectionsAreLedToTheNewHome) {
  RouterWorld w;
  w.run(flipped(&w));
}

// A router that has just begun hears of the record from before the last move first.
io::Task<void> flipped_back(RouterWorld* w) {
  w->seoul.add_topic("orders");
  int written = 0;
  w->seoul.broker.on<kafka::ProduceRequest>([&](const kafka::ProduceRequest& request) {
    return std::optional(produced(request, written++));
  });
  auto producer = co_await w->at(101);
  co_await w->flip();
  auto refused = co_await w->call(*producer, sequenced("orders", 120));
  EXPECT_EQ(error_of(refused), ErrorCode::not_leader_or_follower);
  w->seoul.told.route_version = 2;
  w->seoul.told.routes.clear();
  co_await w->until_version(2);
  EXPECT_EQ(w->router->picture().routes.default_home(), "seoul");
  auto reader = co_await w->bootstrap();
  auto asked = co_await w->call(*reader, kafka::MetadataRequest{});
  EXPECT_TRUE(asked.has_value()) << "of a consumer of the same program, or asked before";
  refused = co_await w->call(*producer, sequenced("orders", 121, 52));
  EXPECT_EQ(error_of(refused), ErrorCode::not_leader_or_follower)
      << "it was sent behind the first, whose retry must come before";
  EXPECT_EQ(written, 0);
  for (const auto& again : {sequenced("orders", 120), sequenced("orders", 121, 52)}) {
    auto accepted = co_await w->call(*producer, again);
    EXPECT_EQ(error_of(accepted), ErrorCode::none);
  }
}
TEST(RouterSwitchover, WhatComesBehindARefusalWaitsForItsRetryWhenTheRoutesChangeBack) {
  RouterWorld w;
  w.run(flipped_back(&w));
}

io::Task<void> old_version(RouterWorld* w) {
  co_await w->flip();
  w->seoul.told.route_version = 0;  // restored from a backup, say
  w->seoul.told.routes.clear();
  co_await io::sleep(w->world.loop(), io::milliseconds(300));
  EXPECT_EQ(w->router->picture().routes.default_home(), "tokyo");
  w->seoul.told.route_version = 2;
  co_await w->until_version(2);
  EXPECT_EQ(w->router->picture().routes.default_home(), "seoul");
}
TEST(RouterSwitchover, ASiteThatReturnsWithOldRoutesChangesNothing) {
  RouterWorld w;
  w.run(old_version(&w));
}

io::Task<void> one_topic_moves(RouterWorld* w) {
  int read = 0;
  accept_fetch(w->seoul.broker, read);
  auto connection = co_await w->at(101);
  auto fetched = co_await w->call(*connection, fetch_of("orders", 0), 12);
  fetched = co_await w->call(*connection, fetch_of("", 1), 12);
  EXPECT_TRUE(fetched && fetched->error_code == ErrorCode::none);
  EXPECT_EQ(read, 2);
  const std::string yaml = "virtual_cluster: {name: corp, advertise: 127.0.0.1, ports: " +
                           w->config.virtual_cluster.ports.to_string() +
                           "}\n"
                           "clusters:\n"
                           "  seoul: {bootstrap.servers: \"127.0.0.1:1\"}\n"
                           "  tokyo: {bootstrap.servers: \"127.0.0.1:2\"}\n"
                           "routes: [{topic: orders, cluster: tokyo}, {default: seoul}]\n"
                           "admin: {bind: 127.0.0.1:3}\n";
  auto reloaded = w->router->reload(yaml, "router.yaml");
  EXPECT_TRUE(reloaded.has_value()) << reloaded.error().text;
  fetched = co_await w->call(*connection, fetch_of("", 2), 12);
  EXPECT_TRUE(fetched && fetched->error_code == ErrorCode::fetch_session_id_not_found)
      << "the node would go on serving what its session remembers";
  fetched = co_await w->call(*connection, fetch_of("coffee", 0), 12);
  EXPECT_TRUE(fetched && fetched->session_id == 77);
  fetched = co_await w->call(*connection, fetch_of("", 1), 12);
  EXPECT_TRUE(fetched && fetched->error_code == ErrorCode::none) << "once is enough";
  reloaded = w->router->reload("routes: [", "router.yaml");
  EXPECT_FALSE(reloaded.has_value());
  EXPECT_EQ(w->router->picture().routes.home_of_topic("orders"), "tokyo");
}
TEST(RouterSwitchover, AReloadedRouteReachesOpenFetchSessionsAndDropsNoConnection) {
  RouterWorld w;
  w.run(one_topic_moves(&w));
}

io::Task<void> lost(RouterWorld* w) {
  w->seoul.add_topic("orders");
  w->tokyo.add_topic("orders");
  w->tokyo.broker.always<kafka::InitProducerIdRequest>({.producer_id = 7});
  auto connection = co_await w->bootstrap();
  co_await w->seoul.broker.stop();
  w->tokyo.learn_of_takeover();
  co_await w->until_version(1);
  kafka::MetadataRequest request;
  request.topics->emplace_back().name = "orders";
  auto told = co_await w->call(*connection, request);
  EXPECT_TRUE(told.has_value());
  if (!told) co_return;
  EXPECT_EQ(told->topics[0].partitions[0].leader_id, 201);
  kafka::InitProducerIdRequest init;
  init.transactional_id = std::nullopt;
  auto id = co_await w->call(*connection, init);
  EXPECT_TRUE(id && id->producer_id == 7);
  auto status = co_await w->router->status();
  EXPECT_TRUE(status.ready) << status.reason;
}
TEST(RouterSwitchover, AfterAFailoverTheLostSiteIsNotNeeded) {
  RouterWorld w;
  w.run(lost(&w));
}

io::Task<void> asked_in_the_flip(RouterWorld* w) {
  w->seoul.add_topic("orders");
  w->tokyo.add_topic("orders");
  auto connection = co_await w->bootstrap();
  w->seoul.broker.delay = io::milliseconds(2000);
  kafka::MetadataRequest request;
  request.topics->emplace_back().name = "orders";
  kafka::Writer body;
  request.encode(body, 9);
  auto waiting = connection->call_raw({3, 9, "c", std::move(body).finish()}, io::soon(60'000));
  co_await io::sleep(w->world.loop(), io::milliseconds(100));
  w->tokyo.learn_of_takeover();
  co_await w->until_version(1);
  auto answer = co_await waiting;
  EXPECT_TRUE(answer.has_value());
  if (!answer) co_return;
  auto told = client::decode_response<kafka::MetadataResponse>(std::move(*answer), 9);
  EXPECT_TRUE(told.has_value());
  if (!told) co_return;
  EXPECT_EQ(told->topics.at(0).error_code, ErrorCode::none);
  EXPECT_EQ(told->topics.at(0).partitions.at(0).leader_id, 201) << "it leads no more";
}
TEST(RouterSwitchover, WhoAsksInTheFlipIsToldOfTheNewLeader) {
  RouterWorld w;
  w.run(asked_in_the_flip(&w));
}

io::Task<void> older_brokers(RouterWorld* w) {
  co_await w->until_away("seoul");
  const std::string& trouble = w->router->picture().site("seoul")->trouble();
  EXPECT_NE(trouble.find("older than this router"), std::string::npos) << trouble;
}
TEST(RouterSwitchover, BrokersThatAreOlderThanTheRouterAreNamedInOneLine) {
  RouterWorld w;
  w.seoul.broker.apis = [](const kafka::ApiInfo& api) -> std::optional<server::VersionRange> {
    if (api.key == kafka::ApiKey::site_record) return std::nullopt;
    return server::public_and_private_apis(api);
  };
  w.run(older_brokers(&w));
}

io::Task<void> frozen(RouterWorld* w) {
  w->seoul.broker.never<kafka::ProduceRequest>();
  auto connection = co_await w->at(101);
  kafka::Writer body;
  produce_to("orders").encode(body, 9);
  auto waiting = connection->call_raw({0, 9, "c", std::move(body).finish()}, io::soon(60'000));
  w->seoul.broker.never<kafka::SiteRecordRequest>();
  co_await w->until_away("seoul");
  const io::Instant flipped = w->world.loop().now();
  w->tokyo.learn_of_takeover();
  auto answer = co_await waiting;
  EXPECT_FALSE(answer.has_value());
  EXPECT_EQ(answer.error().kind, Error::Kind::closed) << answer.error().text;
  EXPECT_LT(w->world.loop().now() - flipped, std::chrono::seconds(6));
}
TEST(RouterSwitchover, AfterAFailoverNobodyWaitsForTheFrozenSite) {
  RouterWorld w;
  w.run(frozen(&w));
}

}  // namespace
}  // namespace isthmus::router
