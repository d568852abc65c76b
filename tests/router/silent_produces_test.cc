// Produce requests with acks=0: nothing of them is lost in a move.
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
  const io::Instant deadline = io::soon(5000);
  while (node.taken.size() < count && w->world.loop().now() < deadline) {
    co_await io::sleep(w->world.loop(), io::milliseconds(5));
  }
  EXPECT_EQ(node.taken.size(), count);
}
io::Task<void> until_closed(RouterWorld* w, const client::Connection& connection) {
  const io::Instant deadline = io::soon(6000);
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
TEST(RouterSilentProduces, HaveNoAnswerAndHoldUpNothing) {
  RouterWorld w;
  w.run(without_answer(&w));
}

io::Task<void> refused(RouterWorld* w, ErrorCode why) {
  Node seoul(w->seoul.broker, why);
  auto connection = co_await w->at(101);
  auto none = co_await connection->call_raw(silent("orders"), io::soon(1000));
  co_await until_closed(w, *connection);
}
TEST(RouterSilentProduces, ARefusalEndsTheConnection) {
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
  co_await io::sleep(w->world.loop(), io::milliseconds(100));
  w->tokyo.learn_of_takeover();
  co_await until_taken(w, tokyo, 3);
  auto none = co_await connection->call_raw(silent("d"), io::soon(1000));
  co_await until_taken(w, tokyo, 4);
  EXPECT_EQ(tokyo.taken, (std::vector<std::string>{"a", "b", "c", "d"}));
  EXPECT_FALSE(connection->closed()) << "what it sends meanwhile would be lost";
  EXPECT_EQ(w->seoul.broker.asked[kafka::ApiKey::produce], 3);
  EXPECT_TRUE(seoul.taken.empty());
}
TEST(RouterSilentProduces, WhatAMoveTakesElsewhereGoesThereInItsOrder) {
  RouterWorld w;
  w.run(moved(&w));
}

}  // namespace
}  // namespace isthmus::router
