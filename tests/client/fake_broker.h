// Brokers for tests of the client: they speak the real protocol over real TCP, through server/, and
// answer what the test says.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <map>

#include "client/cluster.h"
#include "kafka/gen/find_coordinator.h"
#include "kafka/gen/metadata.h"
#include "server/acceptor.h"
#include "server/api_versions.h"
#include "server/reply.h"
#include "tests/io/real_world.h"

namespace isthmus::client {

// Answers ApiVersions by itself, other requests by what on() has set, and what nobody has set with
// the end of the connection. An answer of nullopt does not come.
class FakeBroker : public server::Service {
 public:
  FakeBroker(io::RealWorld& world, NodeId node)
      : id(node), never_(world.loop()), acceptor_(world.env(), *this, {}) {
    address = *acceptor_.listen({"fake", {"127.0.0.1", 0}, true});
  }

  template <typename Request>
  void on(std::function<std::optional<typename Request::Response>(const Request&)> answer) {
    handlers_[Request::api_key] = [this,
                                   answer](const server::Request& request) -> std::optional<Rope> {
      auto message = server::decode_request<Request>(request);
      EXPECT_TRUE(message.has_value()) << message.error().text;
      latest_version = request.header.api_version;
      auto response = answer(*message);
      if (!response) return std::nullopt;
      return server::encode_response(request.header, *response);
    };
  }

  // Answers the same, always; or never.
  template <typename Request>
  void always(typename Request::Response answer = {}) {
    on<Request>([answer](const Request&) { return std::optional(answer); });
  }
  template <typename Request>
  void never() {
    on<Request>([](const Request&) { return std::optional<typename Request::Response>(); });
  }
  // Ends its connection at the next one, as a broker does that stops.
  template <typename Request>
  void hang_up() {
    handlers_.erase(Request::api_key);
  }

  io::Task<server::Reply> dispatch(server::Request request) override {
    const auto key = static_cast<kafka::ApiKey>(request.header.api_key);
    if (key == kafka::ApiKey::api_versions) {
      co_return io::ready(std::optional(answer_api_versions(request, server::describe_apis(apis))));
    }
    ++asked[key];
    const auto handler = handlers_.find(key);
    if (handler == handlers_.end()) {
      request.connection->end("the test has no answer");
      co_return server::no_reply();
    }
    auto rope = handler->second(request);
    if (!rope) co_return hold();
    if (delay.count() > 0) co_return after_delay(std::move(rope));
    co_return io::ready(std::move(rope));
  }

  void start() { acceptor_.start(); }
  io::Task<void> stop() {
    never_.close();
    co_await acceptor_.close(io::milliseconds(0));
  }

  const NodeId id;
  io::Address address;
  server::ApiFilter apis = server::public_and_private_apis;
  std::map<kafka::ApiKey, int> asked;
  int16_t latest_version = -1;
  io::milliseconds delay{0};  // of each answer; requests behind it are taken meanwhile
  int most_under_way = 0;     // of those that are delayed

 private:
  server::Reply after_delay(std::optional<Rope> rope) {
    most_under_way = std::max(most_under_way, ++under_way_);
    co_await io::sleep(never_.loop(), delay);
    --under_way_;
    co_return rope;
  }
  server::Reply hold() {
    co_await never_.wait();
    co_return std::nullopt;
  }

  std::map<kafka::ApiKey, std::function<std::optional<Rope>(const server::Request&)>> handlers_;
  io::Event never_;
  int under_way_ = 0;
  server::Acceptor acceptor_;
};

// Some brokers that agree on the metadata the test gives them.
class FakeCluster {
 public:
  explicit FakeCluster(int brokers) {
    for (NodeId id = 1; id <= brokers; ++id) {
      auto& broker = *brokers_.emplace_back(std::make_unique<FakeBroker>(world, id));
      broker.on<kafka::MetadataRequest>([this](const auto&) { return metadata; });
      metadata.brokers.push_back({id, broker.address.host, broker.address.port, std::nullopt});
    }
    metadata.cluster_id = "fake";
    metadata.controller_id = 1;
  }

  FakeBroker& broker(NodeId id) { return *brokers_[static_cast<size_t>(id - 1)]; }

  // Sets who leads partition `index` of a topic, which begins to exist.
  void lead(const std::string& topic, PartitionIndex index, NodeId leader, LeaderEpoch epoch) {
    for (auto& known : metadata.topics) {
      if (*known.name != topic) continue;
      for (auto& partition : known.partitions) {
        if (partition.partition_index != index) continue;
        partition.leader_id = leader;
        partition.leader_epoch = epoch;
        return;
      }
      known.partitions.push_back({kafka::ErrorCode::none, index, leader, epoch, {}, {}, {}});
      return;
    }
    auto& added = metadata.topics.emplace_back();
    added.name = topic;
    added.topic_id.bytes[0] = static_cast<uint8_t>(metadata.topics.size());
    lead(topic, index, leader, epoch);
  }

  ClusterOptions options() {
    ClusterOptions options;
    options.name = "fake";
    for (auto& broker : brokers_) options.bootstrap.push_back(broker->address);
    options.least_backoff = io::milliseconds(2);
    options.most_backoff = io::milliseconds(50);
    return options;
  }

  // Runs `body` with all brokers up, and stops them.
  void run(io::Task<void> body) { world.run(whole(this, std::move(body))); }

  io::RealWorld world;
  kafka::MetadataResponse metadata;

 private:
  static io::Task<void> whole(FakeCluster* self, io::Task<void> body) {
    for (auto& broker : self->brokers_) broker->start();
    co_await body;
    for (auto& broker : self->brokers_) co_await broker->stop();
  }

  std::vector<std::unique_ptr<FakeBroker>> brokers_;
};

inline const TopicPartition orders{"orders", 0};

}  // namespace isthmus::client
