// Produce requests through a move: nothing of them is lost, refused, or out of order.
#include "tests/router/router_world.h"

namespace isthmus::router {
namespace {

using kafka::ErrorCode;

client::RawRequest silent(const std::string& topic) {
  kafka::Writer body;
  produce_to(topic, 0).encode(body, 9);
  return {0, 9, "c", std::move(body).finish(), false};
}

// What a node was sent, and what it answers.
struct Node {
  Node(SiteBroker& broker, ErrorCode& answer) {
    broker.on<kafka::ProduceRequest>([this, &answer](const kafka::ProduceRequest& request) {
      EXPECT_EQ(request.acks, 1);
      if (answer == ErrorCode::none) taken.push_back(request.topic_data.at(0).name);
      return std::optional(produced(request, 0, answer));
    });
  }
  std::vector<std::string> taken;
};

io::Task<void> until_taken(RouterWorld* w, const Node& node, size_t count) {
  const io::Instant deadline = io::soon(60'000);
  while (node.taken.size() < count && w->world.loop().now() < deadline) {
    co_await io::sleep(w->world.loop(), io::milliseconds(5));
  }
  EXPECT_EQ(node.taken.size(), count);
}
io::Task<void> until_closed(RouterWorld* w, const client::Connection& connection) {
  const io::Instant deadline = io::soon(60'000);
  while (!connection.closed() && w->world.loop().now() < deadline) {
    co_await io::sleep(w->world.loop(), io::milliseconds(5));
  }
  EXPECT_TRUE(connection.closed()) << "it never looks for the new leader";
}

io::Task<void> without_answer(RouterWorld* w) {
  ErrorCode answer = ErrorCode::none;
  Node seoul(w->seoul.broker, answer);
  w->seoul.broker.always<kafka::HeartbeatRequest>();
  auto connection = co_await w->at(101);
  auto none = co_await connection->call_raw(silent("orders"), io::soon(1000));
  EXPECT_TRUE(none.has_value());
  auto beat = co_await w->call(*connection, heartbeat_of("g"));
  EXPECT_TRUE(beat.has_value()) << beat.error().text;
  co_await until_taken(w, seoul, 1);
}
TEST(RouterProduces, WithoutAcksHaveNoAnswerAndHoldUpNothing) {
  RouterWorld w;
  w.run(without_answer(&w));
}

io::Task<void> refused(RouterWorld* w, ErrorCode why) {
  Node seoul(w->seoul.broker, why);
  auto connection = co_await w->at(101);
  auto none = co_await connection->call_raw(silent("orders"), io::soon(1000));
  co_await until_closed(w, *connection);
}
TEST(RouterProduces, WithoutAcksARefusalEndsTheConnection) {
  for (const auto why : {ErrorCode::message_too_large, ErrorCode::not_leader_or_follower}) {
    RouterWorld w;
    w.run(refused(&w, why));
  }
}

io::Task<void> moved(RouterWorld* w) {
  for (FakeSite* site : {&w->seoul, &w->tokyo}) {
    for (const char* topic : {"a", "b", "c", "d"}) site->add_topic(topic);
  }
  ErrorCode at_seoul = ErrorCode::not_leader_or_follower, at_tokyo = ErrorCode::none;
  Node seoul(w->seoul.broker, at_seoul), tokyo(w->tokyo.broker, at_tokyo);
  w->seoul.broker.delay = io::milliseconds(300);
  auto connection = co_await w->at(101);
  for (const char* topic : {"a", "b", "c"}) {
    auto none = co_await connection->call_raw(silent(topic), io::soon(1000));
    EXPECT_TRUE(none.has_value());
  }
  co_await w->until_asked(w->seoul.broker, kafka::ApiKey::produce, 3);
  w->tokyo.learn_of_takeover();
  co_await until_taken(w, tokyo, 3);
  auto none = co_await connection->call_raw(silent("d"), io::soon(1000));
  co_await until_taken(w, tokyo, 4);
  EXPECT_EQ(tokyo.taken, (std::vector<std::string>{"a", "b", "c", "d"}));
  EXPECT_FALSE(connection->closed()) << "what it sends meanwhile would be lost";
  EXPECT_EQ(w->seoul.broker.asked[kafka::ApiKey::produce], 3);
  EXPECT_TRUE(seoul.taken.empty());
}
TEST(RouterProduces, WithoutAcksWhatAMoveTakesElsewhereGoesThereInItsOrder) {
  RouterWorld w;
  w.run(moved(&w));
}

using Waiting = io::Task<Result<Slice>>;

Waiting send(client::Connection& connection, const kafka::ProduceRequest& request) {
  kafka::Writer body;
  request.encode(body, 9);
  return connection.call_raw({0, 9, "c", std::move(body).finish()}, io::soon(8000));
}
io::Task<ErrorCode> error_in(Waiting waiting) {
  auto answer = co_await waiting;
  EXPECT_TRUE(answer.has_value());
  if (!answer) co_return ErrorCode::network_exception;
  co_return error_of(client::decode_response<kafka::ProduceResponse>(std::move(*answer), 9));
}

void add_topics_to(RouterWorld& w) {
  for (FakeSite* site : {&w.seoul, &w.tokyo}) site->add_topic("orders");
  w.seoul.add_topic("stays");
}

// Refuses at seoul until the router knows of the move, and takes what comes to tokyo.
struct Move {
  explicit Move(RouterWorld* world) : w(world) {
    w->seoul.broker.on<kafka::ProduceRequest>([this](const kafka::ProduceRequest& request) {
      at_seoul.push_back(first_sequence(request));
      return std::optional(produced(request, -1, ErrorCode::not_leader_or_follower));
    });
    w->tokyo.broker.on<kafka::ProduceRequest>([this](const kafka::ProduceRequest& request) {
      at_tokyo.push_back(first_sequence(request));
      return std::optional(produced(request, at_tokyo.back()));
    });
    w->seoul.broker.delay = io::milliseconds(300);
  }
  static int32_t first_sequence(const kafka::ProduceRequest& request) {
    auto batch = request.topic_data.at(0).partition_data.at(0).records.flatten();
    return kafka::read_batch_header(batch->view())->base_sequence;
  }
  RouterWorld* w;
  std::vector<int32_t> at_seoul, at_tokyo;
};

io::Task<void> pipelined_produces(RouterWorld* w) {
  Move move(w);
  auto connection = co_await w->at(101);
  std::vector<Waiting> waiting;
  for (int n = 0; n < 4; ++n) waiting.push_back(send(*connection, sequenced("orders", n)));
  co_await w->until_asked(w->seoul.broker, kafka::ApiKey::produce, 4);
  w->tokyo.learn_of_takeover();
  co_await w->until_version(1);
  // Behind those, of which the router does not know yet that they are refused.
  waiting.push_back(send(*connection, sequenced("orders", 4)));
  for (auto& one : waiting) {
    const ErrorCode error = co_await error_in(std::move(one));
    EXPECT_EQ(error, ErrorCode::none) << "a move is no error to a producer";
  }
  EXPECT_EQ(move.at_seoul, (std::vector<int32_t>{0, 1, 2, 3}));
  EXPECT_EQ(move.at_tokyo, (std::vector<int32_t>{0, 1, 2, 3, 4}));
}
TEST(RouterProduces, WhatIsOnItsWayGoesToTheNewLeaderAndWhatComesBehindItStaysBehind) {
  RouterWorld w;
  add_topics_to(w);
  w.run(pipelined_produces(&w));
}

// The routes flip back while the first is still under way at the other site.
io::Task<void> there_and_back(RouterWorld* w) {
  Move move(w);
  w->tokyo.broker.delay = io::milliseconds(1500);
  w->seoul.broker.on<kafka::ProduceRequest>([&](const kafka::ProduceRequest& request) {
    move.at_seoul.push_back(Move::first_sequence(request));
    EXPECT_EQ(move.at_tokyo.size(), 1u);
    return std::optional(produced(request, 1));
  });
  co_await w->flip();
  auto connection = co_await w->at(101);
  auto first = send(*connection, sequenced("orders", 0));
  co_await w->until_asked(w->tokyo.broker, kafka::ApiKey::produce, 1);
  w->seoul.told.route_version = 2;
  w->seoul.told.routes.clear();
  co_await w->until_version(2);
  auto second = send(*connection, sequenced("orders", 1));
  co_await io::sleep(w->world.loop(), io::milliseconds(100));
  EXPECT_TRUE(move.at_seoul.empty()) << "the first may still be refused";
  EXPECT_EQ(co_await error_in(std::move(first)), ErrorCode::none);
  EXPECT_EQ(co_await error_in(std::move(second)), ErrorCode::none);
  EXPECT_EQ(move.at_seoul, std::vector<int32_t>{1});
}
TEST(RouterProduces, TheNextOneWaitsUntilTheOneBeforeIsAnsweredElsewhere) {
  RouterWorld w;
  add_topics_to(w);
  w.run(there_and_back(&w));
}

// The same for one that was sent on there, and may be refused again.
io::Task<void> back_while_sent_on(RouterWorld* w) {
  Move move(w);
  w->seoul.broker.delay = io::milliseconds(1000);
  auto connection = co_await w->at(101);
  auto first = send(*connection, sequenced("orders", 0));
  co_await w->until_asked(w->seoul.broker, kafka::ApiKey::produce, 1);
  w->tokyo.learn_of_takeover();
  co_await w->until_version(1);
  w->seoul.broker.delay = io::milliseconds(0);
  w->tokyo.broker.delay = io::milliseconds(1500);
  const io::Instant deadline = io::soon(60'000);
  while (move.at_tokyo.empty() && w->world.loop().now() < deadline) {
    co_await io::sleep(w->world.loop(), io::milliseconds(5));
  }
  w->seoul.broker.on<kafka::ProduceRequest>([&](const kafka::ProduceRequest& request) {
    move.at_seoul.push_back(Move::first_sequence(request));
    return std::optional(produced(request, 1));
  });
  w->seoul.told.route_version = 2;
  w->seoul.told.routes.clear();
  co_await w->until_version(2);
  auto second = send(*connection, sequenced("orders", 1));
  co_await io::sleep(w->world.loop(), io::milliseconds(200));
  EXPECT_EQ(move.at_seoul, std::vector<int32_t>{0}) << "tokyo may still refuse the first";
  EXPECT_EQ(co_await error_in(std::move(first)), ErrorCode::none);
  EXPECT_EQ(co_await error_in(std::move(second)), ErrorCode::none);
  EXPECT_EQ(move.at_seoul, (std::vector<int32_t>{0, 1}));
}
TEST(RouterProduces, TheNextOneWaitsUntilWhatWasSentOnIsAnswered) {
  RouterWorld w;
  add_topics_to(w);
  w.run(back_while_sent_on(&w));
}

// A client that believes one node to lead topics of two homes is to learn better, not to wait for
// each of its requests.
io::Task<void> by_turns(RouterWorld* w) {
  for (FakeSite* site : {&w->seoul, &w->tokyo}) {
    site->broker.on<kafka::ProduceRequest>(
        [](const auto& request) { return std::optional(produced(request, 1)); });
    site->broker.delay = io::milliseconds(300);
  }
  auto connection = co_await w->at(101);
  auto at_tokyo = send(*connection, produce_to("tea"));
  auto at_seoul = send(*connection, produce_to("orders"));
  EXPECT_EQ(co_await error_in(std::move(at_tokyo)), ErrorCode::none);
  EXPECT_EQ(co_await error_in(std::move(at_seoul)), ErrorCode::not_leader_or_follower);
  auto alone = send(*connection, produce_to("orders"));
  EXPECT_EQ(co_await error_in(std::move(alone)), ErrorCode::none) << "it would wait for nothing";
}
TEST(RouterProduces, WhoSendsForTwoHomesByTurnsIsSentToAskForTheLeaders) {
  RouterWorld w;
  add_topics_to(w);
  w.tokyo.add_topic("tea");
  w.run(by_turns(&w));
}

// Nothing is owed before the second, and nobody leads its topic: the first goes on all the same.
io::Task<void> one_without_leader(RouterWorld* w) {
  Move move(w);
  auto connection = co_await w->at(101);
  auto first = send(*connection, sequenced("orders", 0));
  co_await io::sleep(w->world.loop(), io::milliseconds(100));
  w->tokyo.learn_of_takeover();
  co_await w->until_version(1);
  auto nobody = send(*connection, produce_to("unknown"));
  EXPECT_EQ(co_await error_in(std::move(first)), ErrorCode::none);
  EXPECT_EQ(co_await error_in(std::move(nobody)), ErrorCode::not_leader_or_follower);
  auto later = send(*connection, sequenced("orders", 1));
  EXPECT_EQ(co_await error_in(std::move(later)), ErrorCode::none);
  EXPECT_EQ(move.at_tokyo, (std::vector<int32_t>{0, 1}));
}
TEST(RouterProduces, ATopicThatNobodyLeadsHoldsUpNoOther) {
  RouterWorld w;
  add_topics_to(w);
  w.run(one_without_leader(&w));
}

// A broker that has just joined: the metadata name it before it has a port here.
io::Task<void> leader_without_port(RouterWorld* w) {
  w->tokyo.broker.on<kafka::ProduceRequest>([w](const kafka::ProduceRequest& request) {
    w->tokyo.metadata.topics[0].partitions[0].leader_id = 203;
    return std::optional(produced(request, -1, ErrorCode::not_leader_or_follower));
  });
  auto connection = co_await w->at(101);
  co_await w->flip();
  for (int n = 0; n < 2; ++n) {
    const auto answer = co_await error_in(send(*connection, sequenced("orders", n)));
    EXPECT_EQ(answer, ErrorCode::not_leader_or_follower);
    auto refreshed = co_await w->router->picture().site("tokyo")->cluster().refresh(io::soon(1000));
    EXPECT_TRUE(refreshed.has_value());
  }
}
TEST(RouterProduces, ALeaderThatHasNoPortYetIsNone) {
  RouterWorld w;
  add_topics_to(w);
  w.run(leader_without_port(&w));
}

// Of two topics one has moved: what the old home has taken is not sent again.
io::Task<void> in_part(RouterWorld* w) {
  const std::string yaml = "virtual_cluster: {name: corp, advertise: 127.0.0.1, ports: " +
                           w->config.virtual_cluster.ports.to_string() +
                           "}\n"
                           "clusters:\n"
                           "  seoul: {bootstrap.servers: \"127.0.0.1:1\"}\n"
                           "  tokyo: {bootstrap.servers: \"127.0.0.1:2\"}\n"
                           "routes: [{topic: orders, cluster: tokyo}, {default: seoul}]\n"
                           "admin: {bind: 127.0.0.1:3}\n";
  w->seoul.broker.on<kafka::ProduceRequest>([&](const kafka::ProduceRequest& request) {
    EXPECT_TRUE(w->router->reload(yaml, "router.yaml").has_value());
    kafka::ProduceResponse response = produced(request, -1, ErrorCode::not_leader_or_follower);
    response.responses.push_back({"stays", {{.base_offset = 7}}});
    return std::optional(response);
  });
  size_t asked_of_tokyo = 0;
  w->tokyo.broker.on<kafka::ProduceRequest>([&](const kafka::ProduceRequest& request) {
    asked_of_tokyo = request.topic_data.size();
    return std::optional(produced(request, 9));
  });
  auto connection = co_await w->at(101);
  kafka::ProduceRequest both = produce_to("orders");
  both.topic_data.push_back(produce_to("stays").topic_data[0]);
  auto response = co_await w->call(*connection, both);
  EXPECT_TRUE(response.has_value() && response->responses.size() == 2u);
  if (!response) co_return;
  EXPECT_EQ(asked_of_tokyo, 1u);
  EXPECT_EQ(response->responses[0].partition_responses[0].base_offset, 9);
  EXPECT_EQ(response->responses[0].partition_responses[0].error_code, ErrorCode::none);
  EXPECT_EQ(response->responses[1].partition_responses[0].base_offset, 7);
  auto divided = co_await w->call(*connection, both);
  EXPECT_EQ(error_of(divided), ErrorCode::not_leader_or_follower) << "no one node leads both";
}
TEST(RouterProduces, OnlyWhatWasRefusedGoesOn) {
  RouterWorld w;
  add_topics_to(w);
  w.run(in_part(&w));
}

// An election at a site is not our business: its refusal is the client's to act on.
io::Task<void> stale_client(RouterWorld* w) {
  Move move(w);
  w->seoul.broker.delay = io::milliseconds(0);
  auto connection = co_await w->at(101);
  auto refused = send(*connection, sequenced("orders", 0));
  const io::Instant before = w->world.loop().now();
  EXPECT_EQ(co_await error_in(std::move(refused)), ErrorCode::not_leader_or_follower);
  EXPECT_LT(w->world.loop().now() - before, std::chrono::seconds(2)) << "it waits for no move";
  EXPECT_TRUE(move.at_tokyo.empty());
}
TEST(RouterProduces, WhoAsksTheWrongNodeOfASiteIsToldAtOnce) {
  RouterWorld w;
  add_topics_to(w);
  w.seoul.metadata.topics[0].partitions[0].leader_id = 102;
  w.run(stale_client(&w));
}

// What the new leader has been sent may have been written: nobody but the client may ask again.
io::Task<void> lost_on_the_way(RouterWorld* w) {
  Move move(w);
  w->tokyo.broker.never<kafka::ProduceRequest>();
  auto connection = co_await w->at(101);
  auto first = send(*connection, sequenced("orders", 0));
  co_await io::sleep(w->world.loop(), io::milliseconds(100));
  w->tokyo.learn_of_takeover();
  const io::Instant deadline = io::soon(60'000);
  while (w->tokyo.broker.asked[kafka::ApiKey::produce] == 0 && w->world.loop().now() < deadline) {
    co_await io::sleep(w->world.loop(), io::milliseconds(5));
  }
  co_await w->tokyo.broker.stop();
  auto answer = co_await first;
  EXPECT_FALSE(answer.has_value()) << "the outcome is unknown: no answer may say anything";
}
TEST(RouterProduces, WhatIsLostAtTheNewLeaderEndsTheConnection) {
  RouterWorld w;
  add_topics_to(w);
  w.run(lost_on_the_way(&w));
}

// The new leader cannot be reached at first: what is given back to the client comes again, and what
// was sent behind it must not be there before.
io::Task<void> given_back(RouterWorld* w) {
  Move move(w);
  auto connection = co_await w->at(101);
  std::vector<Waiting> waiting;
  for (int n = 0; n < 3; ++n) waiting.push_back(send(*connection, sequenced("orders", n)));
  co_await io::sleep(w->world.loop(), io::milliseconds(100));
  w->tokyo.learn_of_takeover();
  co_await w->until_version(1);
  co_await w->tokyo.broker.stop();
  for (auto& one : waiting) {
    const ErrorCode error = co_await error_in(std::move(one));
    EXPECT_EQ(error, ErrorCode::not_leader_or_follower);
  }
  EXPECT_TRUE(move.at_tokyo.empty());
}
TEST(RouterProduces, OnceOneIsGivenBackWhatWasSentBehindItIsToo) {
  RouterWorld w;
  add_topics_to(w);
  w.run(given_back(&w));
}

}  // namespace
}  // namespace isthmus::router
