// Three brokers of one cluster, on three machines, over the simulator's ZooKeeper.
#pragma once

#include <gtest/gtest.h>

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "broker/broker.h"
#include "client/connection.h"
#include "kafka/gen/create_topics.h"
#include "kafka/gen/metadata.h"
#include "tests/broker/started.h"
#include "tests/broker/store/sim_connector.h"

namespace isthmus::broker {

inline constexpr NodeId first_node = 101;

// A machine with its disk, and the broker's process there.
struct Machine {
  sim::SimHost* host = nullptr;
  std::string name;
  process::BrokerConfig config;
  std::shared_ptr<SimConnector> connector;
  sim::SimProcess* process = nullptr;
  Broker* broker = nullptr;
  std::optional<Error> failure;
};

class ThreeBrokers : public testing::Test {
 protected:
  ThreeBrokers() {
    for (NodeId node = first_node; node < first_node + 3; ++node) add_machine(node);
  }

  Machine& add_machine(NodeId node) {
    auto& machine = machines_.emplace_back();
    machine.name = "k" + std::to_string(machines_.size());
    machine.host = &world_.add_host(machine.name);
    auto& c = machine.config;
    c.cluster = {"seoul", 7};
    c.broker.node_id = node;
    c.broker.log_dirs = {"/data"};
    c.broker.num_partitions = 3;
    c.broker.offsets_topic_num_partitions = 6;
    c.broker.zookeeper = process::ZookeeperConfig{.connect = {{{"zk", 2181}}, "/isthmus"}};
    c.listeners = {{.name = "clients",
                    .bind = {"0.0.0.0", 9092},
                    .advertised = {machine.name, 9092},
                    .peers = {}},
                   {.name = "peers",
                    .bind = {"0.0.0.0", 9093},
                    .advertised = {machine.name, 9093},
                    .peers = {process::Peer::brokers}}};
    return machine;
  }

  Result<void> start(Machine& machine) {
    machine.process = &machine.host->start_process(1);
    machine.connector = std::make_shared<SimConnector>(ensemble_);
    machine.broker =
        &machine.process->make<Broker>(machine.process->env(), machine.config, machine.connector);
    machine.failure.reset();
    machine.broker->on_failed([&machine](Error why) { machine.failure = std::move(why); });
    return run_in(world_, *machine.process, machine.broker->start());
  }
  void start_all() {
    for (Machine& machine : machines_) {
      auto started = start(machine);
      ASSERT_TRUE(started) << started.error().text;
    }
    world_.run_for(std::chrono::seconds(1));
  }
  void stop(Machine& machine) {
    run_in(world_, *machine.process, stopped(machine.broker));
    machine.host->kill();
    world_.run_for(std::chrono::seconds(1));
  }

  template <typename Request>
  typename Request::Response ask(const Machine& machine, Request request, uint16_t port = 9092) {
    if (client_ == nullptr) {
      client_ = &world_.add_host("client").start_process();
      gate_ = &client_->make<io::Gate>(client_->env().main_loop());
    }
    const io::Instant deadline = client_->env().main_loop().now() + std::chrono::seconds(90);
    auto opened = run_in(world_, *client_,
                         client::Connection::open(client_->env(), *gate_, {machine.name, port},
                                                  client::ConnectionOptions{}, deadline));
    EXPECT_TRUE(opened) << opened.error().text;
    if (!opened) return {};
    auto answer = run_in(world_, *client_, (*opened)->call(std::move(request), deadline));
    EXPECT_TRUE(answer) << answer.error().text;
    return answer.value_or(typename Request::Response{});
  }
  kafka::MetadataResponse metadata(const Machine& machine, uint16_t port = 9092) {
    kafka::MetadataRequest all;
    all.topics = std::nullopt;
    return ask(machine, std::move(all), port);
  }
  // "101=k1:9092 ..."
  static std::string brokers_in(const kafka::MetadataResponse& response) {
    std::string text;
    for (const auto& b : response.brokers) {
      text += (text.empty() ? "" : " ") + std::to_string(b.node_id) + "=" + b.host + ":" +
              std::to_string(b.port);
    }
    return text;
  }
  void create(const Machine& machine, const std::string& name, int16_t replicas = -1) {
    kafka::CreateTopicsRequest request;
    auto& topic = request.topics.emplace_back();
    topic.name = name;
    topic.num_partitions = 3;
    topic.replication_factor = replicas;
    auto response = ask(machine, std::move(request));
    ASSERT_EQ(response.topics.at(0).error_code, kafka::ErrorCode::none)
        << response.topics.at(0).error_message.value_or("");
    EXPECT_EQ(response.topics.at(0).replication_factor, 3);
  }

  sim::ZookeeperEnsemble ensemble_;  // outlives the sessions of the world's processes
  sim::SimWorld world_{1};
  std::deque<Machine> machines_;

 private:
  static io::Task<bool> stopped(Broker* broker) {
    co_await broker->drain();
    co_return true;
  }

  sim::SimProcess* client_ = nullptr;
  io::Gate* gate_ = nullptr;
};

}  // namespace isthmus::broker
