// A link between two whole brokers on simulated machines, and a client that deletes at its target.
#include "mirror/mirror.h"

#include "kafka/gen/delete_topics.h"
#include "tests/broker/handlers/broker_world.h"

namespace isthmus::broker {
namespace {

using std::chrono::seconds;

// The broker of BrokerWorld is the target.
class SessionTest : public BrokerWorld {
 protected:
  void start_both() {
    start();
    process::BrokerConfig other = config;
    other.cluster = {"tokyo", 8};
    other.broker.node_id = 801;
    for (auto& listener : other.listeners) listener.advertised.host = "source";
    sim::SimProcess& process = source_.start_process();
    auto& broker = process.make<Broker>(process.env(), other);
    ASSERT_TRUE(run_on(process, broker.start()));
    at_source_ = dial({"source", 9092});
  }
  void start_mirror() {
    process::MirrorConfig links;
    process::LinkConfig& link = links.links["tokyo-seoul"];
    link.source.bootstrap_servers = {{"source", 9093}};
    link.target.bootstrap_servers = {{"site", 9093}};
    sim::SimProcess& process = mirror_.start_process();
    auto& role =
        process.make<std::unique_ptr<process::Role>>(mirror::make_mirror(process.env(), links));
    ASSERT_TRUE(run_on(process, role->start()));
  }
  template <typename Request>
  typename Request::Response ask_source(Request request) {
    auto answer = run_on(*client(), at_source_->call(std::move(request), deadline(), INT16_MAX));
    EXPECT_TRUE(answer) << answer.error().text;
    return answer.value_or(typename Request::Response{});
  }
  void create_at_source(const std::string& name) {
    kafka::CreateTopicsRequest request;
    request.topics.push_back({name, 1, 1, {}, {}});
    EXPECT_EQ(ask_source(std::move(request)).topics.at(0).error_code, ErrorCode::none);
  }
  Offset produce_at_source(const std::string& name) {
    auto answer = ask_source(produce_request(name, make_batch({{}})));
    return answer.responses.at(0).partition_responses.at(0).base_offset;
  }
  ErrorCode remove(const std::string& name) {
    kafka::DeleteTopicsRequest request;
    request.timeout_ms = 30'000;
    request.topics.push_back({name, {}});
    return ask(request).responses.at(0).error_code;
  }

 private:
  sim::SimHost& source_ = world.add_host("source");
  sim::SimHost& mirror_ = world.add_host("mirror");
  std::shared_ptr<client::Connection> at_source_;
};
ON_ONE_LOOP_AND_ON_TWO(SessionTest);

// Nobody writes to it, so no append tells the link that its target has begun anew.
TEST_P(SessionTest, AnIdleTopicThatWasDeletedAtTheTargetIsCopiedAgain) {
  start_both();
  create_at_source("orders");
  for (Offset at : {0, 1, 2}) EXPECT_EQ(produce_at_source("orders"), at);
  start_mirror();
  world.run_for(seconds(5));
  ASSERT_EQ(list_offset("orders", -1).offset, 3);
  for (int life = 0; life < 3; ++life) {
    EXPECT_EQ(remove("orders"), ErrorCode::none);
    world.run_for(seconds(5));
    EXPECT_EQ(list_offset("orders", -1).offset, 3);
  }
  EXPECT_EQ(produce_at_source("orders"), 3);
  world.run_for(seconds(5));
  EXPECT_EQ(list_offset("orders", -1).offset, 4);
}

}  // namespace
}  // namespace isthmus::broker
