// Clients that leave, and those that only have nothing more to say.
#include <future>

#include "tests/router/raw_client.h"
#include "tests/router/router_world.h"

namespace isthmus::router {
namespace {

template <typename Condition>
io::Task<void> until(RouterWorld* w, Condition condition) {
  const io::Instant deadline = io::soon(60'000);
  while (!condition() && w->world.loop().now() < deadline) {
    co_await io::sleep(w->world.loop(), io::milliseconds(5));
  }
}

io::Task<void> client_leaves(RouterWorld* w) {
  w->seoul.broker.never<kafka::HeartbeatRequest>();
  auto client = std::make_unique<RawClient>(w->port_of(101));
  EXPECT_TRUE(client->send(frame_of(heartbeat_of("g"), 4, 1)));
  auto& seoul = w->seoul.broker;
  co_await until(w, [&] { return seoul.asked[kafka::ApiKey::heartbeat] > 0; });
  client->reset_at_end();
  client.reset();
  co_await until(w, [&] { return seoul.closed_connections > 0; });
  EXPECT_EQ(seoul.closed_connections, 1);
}
TEST(RouterDeparture, AClientThatLeavesTakesItsConnectionToTheNodeAlong) {
  RouterWorld w;
  w.run(client_leaves(&w));
}

// One request that the node answers late, between two that the router answers.
io::Task<void> half_closed(RouterWorld* w, Rope at_node) {
  w->seoul.broker.always<kafka::HeartbeatRequest>();
  w->seoul.broker.on<kafka::ProduceRequest>(
      [](const auto& request) { return std::optional(produced(request, 7)); });
  w->seoul.broker.delay = io::milliseconds(300);
  RawClient client(w->port_of(101));
  Rope requests = frame_of(kafka::MetadataRequest{}, 12, 1);
  requests.append(std::move(at_node));
  requests.append(frame_of(kafka::ApiVersionsRequest{"raw", "1"}, 3, 3));
  EXPECT_TRUE(client.send(requests));
  client.say_no_more();
  auto replies = std::async(std::launch::async, [&] { return client.replies(); });
  co_await until(
      w, [&] { return replies.wait_for(std::chrono::seconds(0)) == std::future_status::ready; });
  EXPECT_EQ(replies.get(), (std::vector<int32_t>{1, 2, 3}));
  co_await until(w, [&] { return w->seoul.broker.closed_connections > 0; });
  EXPECT_EQ(w->seoul.broker.closed_connections, 1) << "all is said, on both sides";
}
TEST(RouterDeparture, AClientThatHalfClosesGetsAllItsAnswers) {
  for (const bool produces : {false, true}) {
    RouterWorld w;
    w.run(half_closed(
        &w, produces ? frame_of(produce_to("orders"), 9, 2) : frame_of(heartbeat_of("g"), 4, 2)));
  }
}

// As a program that writes a line to a log, and ends.
io::Task<void> sends_and_leaves(RouterWorld* w) {
  constexpr int count = 40;
  int written = 0;
  w->seoul.broker.on<kafka::ProduceRequest>([&](const kafka::ProduceRequest& request) {
    ++written;
    return std::optional(produced(request, 7));
  });
  RawClient client(w->port_of(101));
  Rope requests;
  for (int i = 0; i < count; ++i) requests.append(frame_of(produce_to("orders", 0), 9, i));
  EXPECT_TRUE(client.send(requests));
  client.say_no_more();
  co_await until(w, [&] { return written == count; });
  EXPECT_EQ(written, count);
}
TEST(RouterDeparture, WhatWasSentWithoutAcksIsWrittenAlthoughItsClientHasLeft) {
  RouterWorld w;
  w.run(sends_and_leaves(&w));
}

// A join that waits for long must not use up what requests may take.
io::Task<void> waiting_requests(RouterWorld* w) {
  w->seoul.broker.never<kafka::HeartbeatRequest>();
  auto& requests = w->router->picture().requests;
  kafka::HeartbeatRequest large = heartbeat_of("g");
  large.member_id = std::string(30'000, 'm');
  RawClient client(w->port_of(101));
  for (int32_t i = 0; i < 10; ++i) EXPECT_TRUE(client.send(frame_of(large, 4, i)));
  co_await until(w, [&] { return w->seoul.broker.asked[kafka::ApiKey::heartbeat] == 10; });
  co_await until(w, [&] { return requests.used() == 0; });
  EXPECT_EQ(requests.used(), 0u);
  EXPECT_GT(requests.parked(), 0u);
  EXPECT_LT(requests.parked(), 30'000u);
  client.reset_at_end();
}
TEST(RouterDeparture, WhatANodeHasTakenIsNotHeldHereWhileItsAnswerWaits) {
  RouterWorld w;
  w.run(waiting_requests(&w));
}

}  // namespace
}  // namespace isthmus::router
