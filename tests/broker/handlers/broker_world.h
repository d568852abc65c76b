// BrokerWorld: a whole Broker on one simulated machine and a client on another, which speaks to it
// by the protocol. Every test runs twice: on a broker of one loop and on one of two, where requests
// hop between the connection's, the partition's and the main loop.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>

#include "broker/broker.h"
#include "client/connection.h"
#include "kafka/gen/create_topics.h"
#include "kafka/gen/list_offsets.h"
#include "kafka/gen/metadata.h"
#include "tests/broker/handlers/requests.h"
#include "tests/broker/started.h"

namespace isthmus::broker {

using kafka::ErrorCode;

class BrokerWorld : public testing::TestWithParam<size_t> {
 protected:
  BrokerWorld() {
    config.cluster = {"seoul", 7};
    config.broker.node_id = 701;
    config.broker.log_dirs = {"/data/1", "/data/2"};
    config.broker.num_partitions = 3;
    config.broker.offsets_topic_num_partitions = 2;
    config.listeners = {
        {.name = "clients", .bind = {"0.0.0.0", 9092}, .advertised = {"site", 9092}, .peers = {}},
        {.name = "peers",
         .bind = {"0.0.0.0", 9093},
         .advertised = {"site", 9093},
         .peers = {process::Peer::brokers, process::Peer::mirrors}}};
  }

  // Starts the broker with the configuration as it then is, and connects to it.
  Result<void> try_start() {
    process_ = &site.start_process(GetParam());
    broker_ = &process_->make<Broker>(process_->env(), config);
    return run_on(*process_, broker_->start());
  }
  void start() {
    auto started = try_start();
    ASSERT_TRUE(started) << started.error().text;
    client_ = &machine.start_process();
    gate_ = &client_->make<io::Gate>(client_->env().main_loop());
    connect();
  }
  // An orderly stop; what is asked from now on is not answered.
  void stop() { run_on(*process_, stopped(broker_)); }
  Samples measure() { return run_on(*process_, broker_->measure()); }
  // The machine loses power; the broker comes back on what its disk has kept.
  void lose_power() {
    client_->kill();
    site.crash();
    start();
  }
  // kill -9: what was written stays.
  void kill() {
    client_->kill();
    site.kill();
  }
  void connect() {
    connection = dial({"site", 9092});
    peers = dial({"site", 9093});
  }

  template <typename T>
  T run_on(sim::SimProcess& process, io::Task<T> task) {
    return run_in(world, process, std::move(task));
  }

  // The answer, at the highest version not above `at_most`.
  template <typename Request>
  typename Request::Response ask(Request request, int16_t at_most = INT16_MAX) {
    return ask_over(*connection, std::move(request), at_most);
  }
  template <typename Request>
  typename Request::Response ask_by(client::Connection& over, Request request,
                                    int16_t at_most = INT16_MAX) {
    return ask_over(over, std::move(request), at_most);
  }
  template <typename Request>
  typename Request::Response ask_peers(Request request) {
    return ask_over(*peers, std::move(request), INT16_MAX);
  }
  // A request without an answer: produce with acks=0. True when it was written.
  static io::Task<bool> raw(client::Connection& over, kafka::ProduceRequest request) {
    kafka::Writer writer;
    request.encode(writer, 9);
    client::RawRequest raw{static_cast<int16_t>(kafka::ApiKey::produce), 9, std::nullopt,
                           std::move(writer).finish(), false};
    auto written = co_await over.call_raw(std::move(raw), io::Instant::max());
    co_return written.has_value();
  }
  // Notes how many bytes of records it brought, when the answer comes.
  static io::Task<void> poll(client::Connection& over, kafka::FetchRequest request,
                             std::optional<size_t>& size) {
    auto answer = co_await over.call(std::move(request), io::Instant::max(), 12);
    size = 0;
    if (!answer) co_return;
    for (const auto& p : answer->responses.at(0).partitions) *size += p.records.size();
  }
  // Sends it, and notes the answer when it comes.
  static io::Task<void> call(client::Connection& over, kafka::ProduceRequest request,
                             std::optional<kafka::ProduceResponse>& response) {
    auto answer = co_await over.call(std::move(request), io::Instant::max());
    response = answer ? std::move(*answer) : kafka::ProduceResponse();
  }
  sim::SimProcess* client() { return client_; }
  process::Status status() { return run_on(*process_, broker_->status()); }
  sim::SimWorkers& workers() { return process_->workers(); }
  int64_t site_ms() const { return process_->env().main_loop().wall_ms(); }

  Uuid create(const std::string& name, int32_t partitions = 1,
              std::vector<std::pair<std::string, std::string>> configs = {}) {
    kafka::CreateTopicsRequest request;
    auto& topic = request.topics.emplace_back();
    topic.name = name;
    topic.num_partitions = partitions;
    topic.replication_factor = 1;
    for (auto& [key, value] : configs) topic.configs.push_back({key, value});
    auto response = ask(std::move(request));
    EXPECT_EQ(response.topics.at(0).error_code, ErrorCode::none)
        << response.topics.at(0).error_message.value_or("");
    return response.topics.at(0).topic_id;
  }

  using Produced = kafka::ProduceResponse::PartitionProduceResponse;
  Produced produce(const std::string& topic, Slice batch, int16_t acks = -1,
                   PartitionIndex partition = 0) {
    auto response = ask(produce_request(topic, std::move(batch), acks, partition));
    return response.responses.at(0).partition_responses.at(0);
  }

  // By name: version 12.
  kafka::FetchResponse::PartitionData fetch(const std::string& topic, const Fetching& f) {
    auto response = ask(fetch_request(topic, f), 12);
    return response.responses.at(0).partitions.at(0);
  }

  kafka::ListOffsetsResponse::ListOffsetsPartitionResponse list_offset(const std::string& topic,
                                                                       int64_t timestamp,
                                                                       LeaderEpoch epoch = -1,
                                                                       PartitionIndex index = 0) {
    kafka::ListOffsetsRequest request;
    auto& t = request.topics.emplace_back();
    t.name = topic;
    t.partitions.push_back({index, epoch, timestamp});
    return ask(std::move(request)).topics.at(0).partitions.at(0);
  }

  io::Instant deadline() { return client_->env().main_loop().now() + std::chrono::seconds(30); }
  std::shared_ptr<client::Connection> dial(io::Address to, std::string client_id = "isthmus") {
    client::ConnectionOptions options{.client_id = std::move(client_id)};
    auto opened = run_on(*client_, client::Connection::open(client_->env(), *gate_, std::move(to),
                                                            std::move(options), deadline()));
    EXPECT_TRUE(opened) << opened.error().text;
    return opened ? std::shared_ptr<client::Connection>(std::move(*opened)) : nullptr;
  }

  sim::SimWorld world{1};
  sim::SimHost& site = world.add_host("site");
  sim::SimHost& machine = world.add_host("client");
  process::BrokerConfig config;
  std::shared_ptr<client::Connection> connection, peers;

 private:
  static io::Task<bool> stopped(Broker* broker) {
    co_await broker->drain();
    co_return true;
  }
  template <typename Request>
  typename Request::Response ask_over(client::Connection& over, Request request, int16_t at_most) {
    auto answer = run_on(*client_, over.call(std::move(request), deadline(), at_most));
    EXPECT_TRUE(answer) << answer.error().text;
    return answer.value_or(typename Request::Response{});
  }

  sim::SimProcess* process_ = nullptr;
  sim::SimProcess* client_ = nullptr;
  Broker* broker_ = nullptr;
  io::Gate* gate_ = nullptr;
};

#define ON_ONE_LOOP_AND_ON_TWO(suite)                           \
  INSTANTIATE_TEST_SUITE_P(Loops, suite, testing::Values(1, 2), \
                           [](const auto& loops) { return std::to_string(loops.param); })

}  // namespace isthmus::broker
