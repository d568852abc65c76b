#include "client/cluster.h"

#include "kafka/gen/heartbeat.h"
#include "tests/client/fake_broker.h"

namespace isthmus::client {
namespace {

using kafka::HeartbeatRequest;
using kafka::HeartbeatResponse;

// Every broker answers a heartbeat with its id, as throttle time.
void tell_ids(FakeCluster& fake, int brokers) {
  for (NodeId id = 1; id <= brokers; ++id) {
    fake.broker(id).on<HeartbeatRequest>([id](const HeartbeatRequest&) {
      HeartbeatResponse response;
      response.throttle_time_ms = id;
      return response;
    });
  }
}

io::Task<NodeId> who_leads(Cluster& cluster, TopicPartition partition, int ms = 5000) {
  auto answer = co_await cluster.call_leader(partition, HeartbeatRequest(), io::soon(ms));
  co_return answer ? answer->throttle_time_ms : -1;
}

io::Task<void> follows_leader(FakeCluster& fake) {
  Cluster cluster(fake.world.env(), fake.world.loop(), fake.options());
  NodeId leader = co_await who_leads(cluster, orders);
  EXPECT_EQ(leader, 2);
  fake.lead("orders", 0, 3, 6);
  auto refreshed = co_await cluster.refresh(io::soon(5000));
  EXPECT_TRUE(refreshed.has_value());
  leader = co_await who_leads(cluster, orders);
  EXPECT_EQ(leader, 3);
  fake.lead("orders", 0, 2, 5);  // from a broker that has not heard of the election
  refreshed = co_await cluster.refresh(io::soon(5000));
  leader = co_await who_leads(cluster, orders);
  EXPECT_EQ(leader, 3);
  EXPECT_EQ(cluster.metadata().cluster_id(), "fake");
  co_await cluster.close();
}
TEST(cluster, calls_the_leader_and_never_an_earlier_one) {
  FakeCluster fake(3);
  tell_ids(fake, 3);
  fake.lead("orders", 0, 2, 5);
  fake.run(follows_leader(fake));
}

io::Task<void> elect_later(FakeCluster& fake) {
  co_await io::sleep(fake.world.loop(), io::milliseconds(30));
  fake.lead("orders", 0, 2, 6);
}
io::Task<void> waits_for_leader(FakeCluster& fake) {
  Cluster cluster(fake.world.env(), fake.world.loop(), fake.options());
  io::Gate gate(fake.world.loop());
  gate.spawn("elect", elect_later(fake));
  const NodeId leader = co_await who_leads(cluster, orders);
  EXPECT_EQ(leader, 2);
  co_await gate.close();
  co_await cluster.close();
}
TEST(cluster, waits_for_a_leader_until_there_is_one) {
  FakeCluster fake(2);
  tell_ids(fake, 2);
  fake.lead("orders", 0, -1, 5);
  fake.run(waits_for_leader(fake));
}

io::Task<void> leader_dies(FakeCluster& fake) {
  Cluster cluster(fake.world.env(), fake.world.loop(), fake.options());
  NodeId leader = co_await who_leads(cluster, orders);
  EXPECT_EQ(leader, 1);
  co_await fake.broker(1).stop();
  const NodeId nobody = co_await who_leads(cluster, orders, 100);
  EXPECT_EQ(nobody, -1);
  fake.lead("orders", 0, 2, 6);
  leader = co_await who_leads(cluster, orders);
  EXPECT_EQ(leader, 2) << "metadata come from a broker that lives";
  co_await cluster.close();
}
TEST(cluster, survives_the_broker_it_got_its_metadata_from) {
  FakeCluster fake(2);
  tell_ids(fake, 2);
  fake.lead("orders", 0, 1, 5);
  fake.run(leader_dies(fake));
}

io::Task<void> nobody_there(FakeCluster& fake) {
  auto options = fake.options();
  co_await fake.broker(1).stop();
  Cluster cluster(fake.world.env(), fake.world.loop(), options);
  const auto begun = fake.world.loop().now();
  auto answer = co_await cluster.call_any(HeartbeatRequest(), begun + io::milliseconds(100));
  EXPECT_FALSE(answer.has_value());
  EXPECT_EQ(answer.error().kind, Error::Kind::timeout);
  EXPECT_GE(fake.world.loop().now(), begun + io::milliseconds(100)) << "it went on trying";
  co_await cluster.close();
}
TEST(cluster, tries_until_the_deadline_when_nobody_answers) {
  FakeCluster fake(1);
  fake.run(nobody_there(fake));
}

io::Task<void> nobody_there_once(FakeCluster& fake) {
  auto options = fake.options();
  co_await fake.broker(1).stop();
  Cluster cluster(fake.world.env(), fake.world.loop(), options);
  const auto begun = fake.world.loop().now();
  auto connection = co_await cluster.try_any(io::soon(60'000));
  EXPECT_FALSE(connection.has_value());
  EXPECT_LT(fake.world.loop().now(), begun + io::milliseconds(60'000)) << "it did not wait";
  co_await cluster.close();
}
TEST(cluster, tries_each_address_once_for_those_who_do_not_wait) {
  FakeCluster fake(1);
  fake.run(nobody_there_once(fake));
}

io::Task<void> one_refresh(Cluster& cluster, int& done) {
  auto refreshed = co_await cluster.refresh(io::soon(5000));
  if (refreshed) ++done;
}
io::Task<void> many_refreshes(FakeCluster& fake) {
  Cluster cluster(fake.world.env(), fake.world.loop(), fake.options());
  io::Gate gate(fake.world.loop());
  int done = 0;
  for (int i = 0; i < 10; ++i) gate.spawn("refresh", one_refresh(cluster, done));
  co_await gate.close();
  EXPECT_EQ(done, 10);
  EXPECT_EQ(fake.broker(1).asked[kafka::ApiKey::metadata], 1);
  co_await cluster.close();
}
TEST(cluster, one_metadata_request_serves_all_who_ask) {
  FakeCluster fake(1);
  fake.run(many_refreshes(fake));
}

io::Task<void> finds_coordinator(FakeCluster& fake) {
  Cluster cluster(fake.world.env(), fake.world.loop(), fake.options());
  for (int i = 0; i < 2; ++i) {
    auto answer = co_await cluster.call_coordinator(CoordinatorType::group, "g", HeartbeatRequest(),
                                                    io::soon(5000));
    EXPECT_TRUE(answer.has_value());
    if (answer) EXPECT_EQ(answer->throttle_time_ms, 2);
  }
  co_await cluster.close();
}
TEST(cluster, looks_a_coordinator_up_once_and_waits_until_there_is_one) {
  FakeCluster fake(2);
  tell_ids(fake, 2);
  int asked = 0;
  for (NodeId id : {1, 2}) {
    fake.broker(id).on<kafka::FindCoordinatorRequest>(
        [&fake, &asked](const kafka::FindCoordinatorRequest& request) {
          kafka::FindCoordinatorResponse response;
          auto& found = response.coordinators.emplace_back();
          found.key = request.coordinator_keys.at(0);
          found.error_code =
              ++asked < 3 ? kafka::ErrorCode::coordinator_not_available : kafka::ErrorCode::none;
          found.node_id = 2;
          found.host = fake.broker(2).address.host;
          found.port = fake.broker(2).address.port;
          return response;
        });
  }
  fake.run(finds_coordinator(fake));
  EXPECT_EQ(asked, 3);
}

io::Task<void> call_until_closed(Cluster& cluster, bool& ended) {
  auto answer = co_await cluster.call_any(HeartbeatRequest(), io::soon(60'000));
  EXPECT_FALSE(answer.has_value());
  ended = true;
}
io::Task<void> close_under_way(FakeCluster& fake) {
  Cluster cluster(fake.world.env(), fake.world.loop(), fake.options());
  io::Gate gate(fake.world.loop());
  bool ended = false;
  gate.spawn("call", call_until_closed(cluster, ended));
  while (fake.broker(1).asked[kafka::ApiKey::heartbeat] == 0) {
    co_await io::sleep(fake.world.loop(), io::milliseconds(1));
  }
  co_await cluster.close();
  co_await gate.close();
  EXPECT_TRUE(ended);
}
TEST(cluster, closing_ends_calls_under_way) {
  FakeCluster fake(1);
  fake.broker(1).on<HeartbeatRequest>(
      [](const HeartbeatRequest&) { return std::optional<HeartbeatResponse>(); });
  fake.run(close_under_way(fake));
}

class CountingRandom : public io::Random {
 public:
  void fill(MutableBytes out) override {
    for (auto& byte : out) byte = value;
  }
  uint8_t value = 0;
};
TEST(backoff, doubles_between_its_bounds_and_jitters_downwards) {
  CountingRandom random;
  Backoff backoff(random, io::milliseconds(100), io::milliseconds(450));
  EXPECT_EQ(backoff.next(), io::milliseconds(100));
  EXPECT_EQ(backoff.next(), io::milliseconds(200));
  EXPECT_EQ(backoff.next(), io::milliseconds(400));
  EXPECT_EQ(backoff.next(), io::milliseconds(450));
  random.value = 0x77;
  const auto jittered = backoff.next();
  EXPECT_LT(jittered, io::milliseconds(450));
  EXPECT_GE(jittered, io::milliseconds(225));
  backoff.reset();
  EXPECT_LE(backoff.next(), io::milliseconds(100));
}

}  // namespace
}  // namespace isthmus::client
