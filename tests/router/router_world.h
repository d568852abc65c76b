// A router before two sites of one scripted broker each, over real TCP: seoul (node 101, home of
// everything) and tokyo (node 201, home of the topic "tea" and the group "samurai").
#pragma once

#include <unistd.h>

#include "client/connection.h"
#include "kafka/batch.h"
#include "kafka/gen/heartbeat.h"
#include "kafka/gen/produce.h"
#include "router/router.h"
#include "tests/router/fake_site.h"

namespace isthmus::router {

class RouterWorld {
 public:
  using Connection = std::unique_ptr<client::Connection>;

  // Runs `body` while the sites and the router serve.
  void run(io::Task<void> body) { world.run(whole(this, std::move(body))); }
  // Returns why the router does not start.
  std::string start_error() {
    std::string error = "it started";
    world.run(only_start(this, error));
    return error;
  }

  io::Task<Connection> connect(uint16_t port) {
    auto opened = co_await client::Connection::open(world.env(), connections, {"127.0.0.1", port},
                                                    {}, io::soon(60'000));
    EXPECT_TRUE(opened.has_value()) << opened.error().text;
    if (!opened) co_return nullptr;
    co_return std::move(*opened);
  }
  io::Task<Connection> bootstrap() { return connect(config.virtual_cluster.ports.first); }
  io::Task<Connection> at(NodeId node) { return connect(port_of(node)); }
  uint16_t port_of(NodeId node) const { return router->picture().virtual_cluster.node(node)->port; }

  template <typename Request>
  static io::Task<Result<typename Request::Response>> call(client::Connection& connection,
                                                           Request request,
                                                           int16_t at_most = INT16_MAX) {
    return connection.call(std::move(request), io::soon(60'000), at_most);
  }

  // Both sites know that tokyo has taken over seoul's routes, and so does the router.
  io::Task<void> flip() {
    for (FakeSite* site : {&seoul, &tokyo}) site->learn_of_takeover();
    co_await until_version(1);
  }
  io::Task<void> until_version(int64_t version) {
    const io::Instant deadline = io::soon(60'000);
    while (router->picture().routes.takeovers().version() < version &&
           world.loop().now() < deadline) {
      co_await io::sleep(world.loop(), io::milliseconds(5));
    }
    EXPECT_EQ(router->picture().routes.takeovers().version(), version);
  }
  io::Task<void> until_away(const std::string& site) {
    const io::Instant deadline = io::soon(60'000);
    while (router->picture().site(site)->reachable() && world.loop().now() < deadline) {
      co_await io::sleep(world.loop(), io::milliseconds(5));
    }
    EXPECT_FALSE(router->picture().site(site)->reachable());
  }
  io::Task<void> until_asked(SiteBroker& broker, kafka::ApiKey api, int count) {
    const io::Instant deadline = io::soon(60'000);
    while (broker.asked[api] < count && world.loop().now() < deadline) {
      co_await io::sleep(world.loop(), io::milliseconds(5));
    }
    EXPECT_GE(broker.asked[api], count);
  }

  io::RealWorld world;
  io::Gate connections{world.loop()};  // of the tests as clients
  FakeSite seoul{world, "seoul", 101};
  FakeSite tokyo{world, "tokyo", 201};
  process::RouterConfig config = make_config();
  io::Workers* workers = nullptr;  // instead of the world's
  std::unique_ptr<Router> router;

 private:
  process::RouterConfig make_config() const {
    process::RouterConfig made;
    made.virtual_cluster.name = "corp";
    made.virtual_cluster.advertise = "127.0.0.1";
    made.virtual_cluster.bind = "127.0.0.1";
    made.clusters["seoul"] = {{seoul.broker.address}, {seoul.broker.address}};
    made.clusters["tokyo"] = {{tokyo.broker.address}, {tokyo.broker.address}};
    made.routes = {{.topic = "tea", .group = {}, .fallback = {}, .cluster = "tokyo"},
                   {.topic = {}, .group = "samurai", .fallback = {}, .cluster = "tokyo"},
                   {.topic = {}, .group = {}, .fallback = "seoul", .cluster = {}}};
    return made;
  }

  // Below the ports that the system gives out, and apart from other tests at the same time.
  void choose_ports(int attempt) {
    constexpr int first = 20'000, blocks = 1200, block = 10;
    const int chosen = first + (getpid() + attempt * 37) % blocks * block;
    config.virtual_cluster.ports = {static_cast<uint16_t>(chosen),
                                    static_cast<uint16_t>(chosen + block - 1)};
  }

  io::Task<Result<void>> start_router() {
    Result<void> started = fail("not tried");
    for (int attempt = 0; attempt < 5 && !started; ++attempt) {
      choose_ports(attempt);
      io::Env& real = world.env();
      io::Env env{real.loops, real.disk, real.network, real.random,
                  workers != nullptr ? *workers : real.workers};
      router = std::make_unique<Router>(env, config);
      started = co_await router->start();
      if (!started) co_await router->drain();
    }
    co_return started;
  }

  static io::Task<void> whole(RouterWorld* self, io::Task<void> body) {
    self->seoul.start();
    self->tokyo.start();
    auto started = co_await self->start_router();
    EXPECT_TRUE(started.has_value()) << started.error().text;
    if (started) {
      co_await body;
      co_await self->connections.close();
      co_await self->router->drain();
    }
    co_await self->seoul.stop();
    co_await self->tokyo.stop();
  }
  static io::Task<void> only_start(RouterWorld* self, std::string& error) {
    self->seoul.start();
    self->tokyo.start();
    auto started = co_await self->start_router();
    if (!started) error = started.error().text;
    if (started) co_await self->router->drain();
    co_await self->seoul.stop();
    co_await self->tokyo.stop();
  }
};

inline kafka::ProduceRequest produce_to(const std::string& topic, int16_t acks = -1) {
  kafka::ProduceRequest request;
  request.acks = acks;
  request.topic_data.push_back({topic, {{0, Rope(Slice::copy_of("records"))}}});
  return request;
}

// Of partition 0, by an idempotent producer.
inline kafka::ProduceRequest sequenced(const std::string& topic, int32_t sequence, int records = 1,
                                       ProducerEpoch epoch = 0) {
  kafka::BatchBuilder::Options options;
  options.producer_id = 7;
  options.producer_epoch = epoch;
  options.base_sequence = sequence;
  kafka::BatchBuilder batch(options);
  for (int i = 0; i < records; ++i) batch.add(1'000, std::nullopt, as_bytes("value"));
  kafka::ProduceRequest request;
  request.acks = -1;
  request.topic_data.push_back({topic, {{0, Rope(std::move(batch).finish())}}});
  return request;
}

inline kafka::ProduceResponse produced(const kafka::ProduceRequest& request, Offset offset,
                                       kafka::ErrorCode error = kafka::ErrorCode::none) {
  kafka::ProduceResponse response;
  auto& topic = response.responses.emplace_back();
  topic.name = request.topic_data[0].name;
  auto& partition = topic.partition_responses.emplace_back();
  partition.base_offset = offset;
  partition.error_code = error;
  return response;
}

inline kafka::HeartbeatRequest heartbeat_of(const std::string& group) {
  kafka::HeartbeatRequest request;
  request.group_id = group;
  return request;
}

// Of the only partition.
inline kafka::ErrorCode error_of(const Result<kafka::ProduceResponse>& response) {
  if (!response) return kafka::ErrorCode::network_exception;
  return response->responses[0].partition_responses[0].error_code;
}

}  // namespace isthmus::router
