// Three brokers over the simulated network: real Fetch requests, real logs, power losses.
#include "tests/broker/replication/cluster_world.h"

#include "kafka/gen/delete_records.h"
#include "kafka/gen/list_offsets.h"

namespace isthmus::broker {
namespace {

using kafka::ErrorCode;
using std::chrono::milliseconds;
using std::chrono::seconds;
using Values = std::vector<std::string>;

class ClusterTest : public ClusterWorld {
 protected:
  ErrorCode code_of(const kafka::ProduceResponse& response) {
    return response.responses.at(0).partition_responses.at(0).error_code;
  }
  std::set<NodeId> isr(PartitionIndex index = 0) {
    const auto& isr = recorded("orders", index).isr;
    return {isr.begin(), isr.end()};
  }
  // At whoever leads, until it is acknowledged.
  void must_produce(const std::string& value, PartitionIndex index = 0) {
    for (int i = 0; i < 100; ++i) {
      const NodeId leader = recorded("orders", index).leader;
      if (leader >= 0 && members.contains(leader) &&
          code_of(produce(leader, "orders", value, index)) == ErrorCode::none) {
        acknowledged_[index].push_back(value);
        return;
      }
      world.run_for(io::milliseconds(100));
    }
    FAIL() << value << " is never acknowledged";
  }
  // Each record that was acknowledged is there, in order; others may be among them.
  void expect_all_kept() {
    for (const auto& [index, values] : acknowledged_) {
      for (const auto& [id, member] : members) {
        const Values log = log_of(id, "orders", index);
        auto at = log.begin();
        for (const std::string& value : values) {
          at = std::find(at, log.end(), value);
          ASSERT_NE(at, log.end()) << value << " is lost at broker " << id;
        }
      }
    }
  }
  void expect_same_logs() {
    for (PartitionIndex index = 0; index < 3; ++index) {
      for (const auto& [id, member] : members) {
        EXPECT_EQ(log_of(id, "orders", index), log_of(a, "orders", index)) << "broker " << id;
      }
    }
  }

  std::map<PartitionIndex, Values> acknowledged_;
};

TEST_F(ClusterTest, WhatIsAcknowledgedIsOnEveryBroker) {
  create("orders", 3);
  start_all();
  for (int i = 0; i < 12; ++i) must_produce(std::to_string(i), i % 3);
  for (NodeId id : {a, b, c}) {
    for (PartitionIndex index = 0; index < 3; ++index) {
      EXPECT_EQ(log_of(id, "orders", index).size(), 4u) << "broker " << id;
    }
  }
  expect_all_kept();
}

// KIP-951.
TEST_F(ClusterTest, WhoAsksAFollowerIsToldTheLeaderAndItsAddress) {
  create("orders", 1);
  start_all();
  auto refused = produce(b, "orders", "x");
  const auto& answer = refused.responses.at(0).partition_responses.at(0);
  EXPECT_EQ(answer.error_code, ErrorCode::not_leader_or_follower);
  EXPECT_EQ(answer.current_leader.leader_id, a);
  ASSERT_EQ(refused.node_endpoints.size(), 1u);
  EXPECT_EQ(refused.node_endpoints[0].host, host_of(a));
  EXPECT_EQ(refused.node_endpoints[0].port, 9092);
  kafka::FetchRequest fetch = fetch_request("orders", {});
  fetch.topics[0].topic_id = uuid_of(101);
  auto fetched = ask(c, std::move(fetch));
  EXPECT_EQ(fetched.responses.at(0).partitions.at(0).error_code, ErrorCode::not_leader_or_follower);
  EXPECT_EQ(fetched.responses.at(0).partitions.at(0).current_leader.leader_id, a);
  ASSERT_EQ(fetched.node_endpoints.size(), 1u);
  EXPECT_EQ(fetched.node_endpoints[0].node_id, a);
}

// KIP-392, and what a consumer of each rack is told: a is the leader, with b beside it, c is away.
class NearestReplica : public ClusterTest {
 protected:
  NearestReplica() { selector = process::ReplicaSelector::rack_aware; }
  kafka::FetchRequest fetch(const std::string& rack, Offset offset = 0) {
    kafka::FetchRequest request = fetch_request("orders", {.offset = offset});
    request.topics[0].topic_id = uuid_of(101);
    request.rack_id = rack;
    request.max_wait_ms = 1000;
    request.min_bytes = 1;
    return request;
  }
  kafka::FetchResponse::PartitionData fetched(NodeId from, const std::string& rack,
                                              Offset offset = 0, int16_t version = INT16_MAX) {
    kafka::FetchRequest request = fetch(rack, offset);
    if (version < 13) request.topics[0].topic = "orders";
    return ask(from, std::move(request), 9092, version).responses.at(0).partitions.at(0);
  }
};

io::Task<void> poll(std::shared_ptr<client::Connection> connection, kafka::FetchRequest request,
                    io::Instant deadline, std::optional<kafka::FetchResponse>& answer) {
  auto got = co_await connection->call(std::move(request), deadline, INT16_MAX);
  if (got) answer = std::move(*got);
}

TEST_F(NearestReplica, IsNamedByTheLeaderAndGivesWhatIsSafe) {
  create("orders", 1);
  start_all();
  must_produce("x");
  const auto begun = world.now();
  const auto told = fetched(a, "west");
  EXPECT_EQ(told.error_code, ErrorCode::none);
  EXPECT_EQ(told.preferred_read_replica, c);
  EXPECT_TRUE(told.records.empty());
  EXPECT_LT(world.now() - begun, milliseconds(500)) << "nobody waits for records there";
  world.run_for(seconds(1));  // c hears how much is safe
  const auto given = fetched(c, "west");
  EXPECT_EQ(given.error_code, ErrorCode::none);
  EXPECT_EQ(given.preferred_read_replica, -1);
  EXPECT_EQ(given.high_watermark, 1);
  EXPECT_FALSE(given.records.empty());
}

TEST_F(NearestReplica, IsTheLeaderForWhoIsBesideItAndForWhoDoesNotSayWhereItIs) {
  create("orders", 1);
  start_all();
  must_produce("x");
  for (const char* rack : {"east", "", "elsewhere"}) {
    const auto given = fetched(a, rack);
    EXPECT_EQ(given.preferred_read_replica, -1) << rack;
    EXPECT_FALSE(given.records.empty()) << rack;
  }
}

TEST_F(NearestReplica, WakesWhoWaitsThereWhenItHearsThatMoreIsSafe) {
  create("orders", 1);
  start_all();
  must_produce("x");
  world.run_for(seconds(1));
  auto connection = dial(c);
  kafka::FetchRequest request = fetch("west", 1);
  request.max_wait_ms = 20'000;
  std::optional<kafka::FetchResponse> answer;
  client().spawn("consumer", poll(connection, request, world.now() + seconds(30), answer));
  world.run_for(seconds(2));
  EXPECT_FALSE(answer) << "there is nothing yet";
  must_produce("y");
  ASSERT_TRUE(eventually([&] { return answer.has_value(); }, seconds(5)));
  EXPECT_FALSE(answer->responses.at(0).partitions.at(0).records.empty());
}

// It might be cut off, and its readers never get on.
TEST_F(NearestReplica, IsNoneThatHasLeftTheIsr) {
  create("orders", 1);
  start_all();
  must_produce("x");
  world.network().cut(host_of(a), host_of(c));
  must_produce("y");
  ASSERT_FALSE(isr().contains(c));
  EXPECT_EQ(fetched(a, "west").preferred_read_replica, -1);
  world.run_for(seconds(1));
  EXPECT_EQ(fetched(c, "west").error_code, ErrorCode::not_leader_or_follower);
}

TEST_F(NearestReplica, IsNoneForWhoCannotKnowOfIt) {
  create("orders", 1);
  start_all();
  must_produce("x");
  world.run_for(seconds(1));
  EXPECT_EQ(fetched(c, "west", 0, 10).error_code, ErrorCode::not_leader_or_follower);
  EXPECT_FALSE(fetched(a, "west", 0, 10).records.empty());
}

// It has read on from another leader, which is no more.
TEST_F(NearestReplica, GivesNothingToWhoHasReadMoreThanItHas) {
  create("orders", 1);
  start_all();
  must_produce("x");
  world.run_for(seconds(1));
  EXPECT_EQ(fetched(c, "west", 2).error_code, ErrorCode::not_leader_or_follower);
  EXPECT_EQ(fetched(a, "west", 2).error_code, ErrorCode::offset_out_of_range);
}

// The consumer asks the leader then: only that one's word ends its reading here.
TEST_F(NearestReplica, SaysToWhoAsksBelowItsStartThatItIsOutOfRange) {
  create("orders", 1);
  start_all();
  must_produce("x");
  world.run_for(seconds(1));
  EXPECT_EQ(fetched(c, "west", -7).error_code, ErrorCode::offset_out_of_range);
}

// Else anybody could read what is not safe yet, and say what he has.
TEST_F(ClusterTest, NobodyFetchesAsAFollowerWhereClientsAre) {
  create("orders", 1);
  start_all();
  must_produce("x");
  kafka::FetchRequest fetch = fetch_request("orders", {.current_epoch = 0});
  fetch.topics[0].topic_id = uuid_of(101);
  fetch.replica_state = {b, 1};
  auto on_clients = ask(a, fetch);
  EXPECT_EQ(on_clients.responses.at(0).partitions.at(0).error_code,
            ErrorCode::topic_authorization_failed);
  auto on_peers = ask(a, fetch, 9093);
  EXPECT_EQ(on_peers.responses.at(0).partitions.at(0).error_code, ErrorCode::none);
  EXPECT_FALSE(on_peers.responses.at(0).partitions.at(0).records.empty());
}

TEST_F(ClusterTest, ADeadLeaderIsFollowedByAnotherAndComesBackInSync) {
  create("orders", 3);
  start_all();
  for (int i = 0; i < 6; ++i) must_produce("before " + std::to_string(i), i % 3);
  dies(a);
  for (int i = 0; i < 6; ++i) must_produce("without " + std::to_string(i), i % 3);
  EXPECT_EQ(isr(), (std::set<NodeId>{b, c}));
  comes_back(a);
  EXPECT_TRUE(eventually([&] { return isr(0).size() + isr(1).size() + isr(2).size() == 9; }));
  for (int i = 0; i < 6; ++i) must_produce("after " + std::to_string(i), i % 3);
  expect_all_kept();
  expect_same_logs();
}

TEST_F(ClusterTest, AFollowerBehindACutLineLeavesTheIsrAndIsLetInAgain) {
  create("orders", 1);
  start_all();
  must_produce("0");
  world.network().cut(host_of(a), host_of(c));
  const auto waiting = world.now();
  must_produce("1");
  EXPECT_LT(world.now() - waiting, seconds(20));
  EXPECT_EQ(isr(), (std::set<NodeId>{a, b}));
  must_produce("2");
  world.network().heal(host_of(a), host_of(c));
  EXPECT_TRUE(eventually([&] { return isr().size() == 3; }));
  must_produce("3");
  expect_all_kept();
}

TEST_F(ClusterTest, OneBrokerOfThreeAcknowledgesNothing) {
  create("orders", 1);
  start_all();
  must_produce("0");
  dies(b);
  dies(c);
  world.run_for(io::milliseconds(50));
  EXPECT_EQ(code_of(produce(a, "orders", "1")), ErrorCode::not_enough_replicas);
  comes_back(b);
  must_produce("2");
  comes_back(c);
  EXPECT_TRUE(eventually([&] { return isr().size() == 3; }));
  expect_all_kept();
}

// With page_cache the disk may not have what b acknowledged before its power went. Who elected it
// out of the ELR would have a follow it, and cut what only a has.
TEST_F(ClusterTest, AfterAPowerLossWhoHadNotSyncedIsNotElected) {
  durability = process::Durability::page_cache;
  create("orders", 1);
  start_all();
  must_produce("0");
  dies(c);
  must_produce("1");
  dies(b);
  EXPECT_EQ(recorded("orders").elr, std::vector<NodeId>{b});
  comes_back(b);
  EXPECT_EQ(recorded("orders").elr, std::vector<NodeId>{}) << "it may lack what was acknowledged";
  EXPECT_EQ(isr(), std::set<NodeId>{a});
  fenced_for_a_moment(a);
  EXPECT_EQ(recorded("orders").leader, a);
  comes_back(c);
  must_produce("2");
  EXPECT_TRUE(eventually([&] { return isr().size() == 3; })) << "told once, they are in sync again";
  world.run_for(seconds(1));
  expect_all_kept();
}

TEST_F(ClusterTest, TheLastOneLeadsWithWhatItsPageCacheHasLeftIt) {
  durability = process::Durability::page_cache;
  create("orders", 1);
  start_all();
  must_produce("0");
  for (NodeId id : {c, b, a}) dies(id);
  EXPECT_EQ(recorded("orders").elr, (std::vector<NodeId>{b, a}));
  comes_back(b);
  EXPECT_EQ(recorded("orders").leader, -1) << "a may have more";
  comes_back(a);
  EXPECT_EQ(recorded("orders").leader, a);
  EXPECT_EQ(isr(), std::set<NodeId>{a});
}

// The next leader has nothing of it, and brings nothing back.
TEST_F(ClusterTest, WhatIsDeletedIsDeletedAtAllThatAreInSync) {
  create("orders", 1);
  start_all();
  for (int i = 0; i < 5; ++i) must_produce(std::to_string(i));
  kafka::DeleteRecordsRequest request;
  request.topics = {{.name = "orders", .partitions = {{0, 3}}}};
  request.timeout_ms = 10'000;
  auto answer = ask(a, request);
  EXPECT_EQ(answer.topics.at(0).partitions.at(0).error_code, ErrorCode::none);
  EXPECT_EQ(answer.topics.at(0).partitions.at(0).low_watermark, 3);
  for (NodeId id : {a, b, c}) EXPECT_EQ(view(id, "orders").start_offset, 3) << "broker " << id;
  // One that does not hear of it, and is in sync still.
  world.network().cut(host_of(a), host_of(c));
  (void)produce(a, "orders", "lagging", 0, 1);
  request.topics[0].partitions[0].offset = 4;
  request.timeout_ms = 2000;
  answer = ask(a, request);
  EXPECT_EQ(answer.topics.at(0).partitions.at(0).error_code, ErrorCode::request_timed_out);
  world.run_for(seconds(20));
  answer = ask(a, request);
  EXPECT_EQ(answer.topics.at(0).partitions.at(0).error_code, ErrorCode::none)
      << "c has left those in sync";
}

// Leaders die in turn, with appends under way that nobody has acknowledged.
class ManyFailovers : public ClusterTest, public testing::WithParamInterface<uint64_t> {
 protected:
  ManyFailovers() {
    for (uint64_t i = 0; i < GetParam(); ++i) world.random().next();
    loops = 1 + GetParam() % 2;
    if (GetParam() % 3 == 0) durability = process::Durability::page_cache;
  }
  bool all_in_sync() { return isr(0).size() + isr(1).size() + isr(2).size() == 9; }
  // Whatever it meets, it is in no log or in all.
  void append_without_waiting(PartitionIndex index) {
    const NodeId leader = recorded("orders", index).leader;
    (void)produce(leader, "orders", "unknown " + std::to_string(++number_), index, 1);
  }
  void must_produce_everywhere() {
    for (PartitionIndex i = 0; i < 3; ++i) must_produce(std::to_string(++number_), i);
  }

 private:
  int number_ = 0;
};

TEST_P(ManyFailovers, LoseNothingThatWasAcknowledged) {
  create("orders", 3);
  start_all();
  for (int round = 0; round < 4; ++round) {
    must_produce_everywhere();
    must_produce_everywhere();
    const auto victim = static_cast<NodeId>(1 + world.random().next() % 3);
    const bool cut = world.random().next() % 2 == 0;
    const NodeId other = victim % 3 + 1;
    if (cut) world.network().cut(host_of(victim), host_of(other));
    for (PartitionIndex index = 0; index < 3; ++index) append_without_waiting(index);
    dies(victim);
    must_produce_everywhere();
    if (cut) world.network().heal(host_of(victim), host_of(other));
    comes_back(victim);
    ASSERT_TRUE(eventually([&] { return all_in_sync(); }));
  }
  must_produce_everywhere();
  world.run_for(seconds(1));
  expect_all_kept();
  expect_same_logs();
}

INSTANTIATE_TEST_SUITE_P(Seeds, ManyFailovers, testing::Range<uint64_t>(1, 31));

}  // namespace
}  // namespace isthmus::broker
