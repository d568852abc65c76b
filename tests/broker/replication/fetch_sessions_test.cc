// Fetch sessions between brokers (KIP-227), over the wire. Of three brokers two run; the test
// fetches in the name of the third, which is in sync: so what it says moves the high watermark.
#include <set>

#include "tests/broker/replication/cluster_world.h"

namespace isthmus::broker {
namespace {

using kafka::ErrorCode;
using std::chrono::milliseconds;
using std::chrono::seconds;
using Partitions = std::vector<kafka::FetchRequest::FetchPartition>;

class FetchSessionsTest : public ClusterWorld {
 protected:
  // Of these partitions the first and the fourth are led by a.
  void start_without_c() {
    topic_ = create("orders", 4);
    start(a);
    start(b);
    world.run_for(seconds(1));
    connection_ = dial(a, 9093);
  }

  static kafka::FetchRequest::FetchPartition from(PartitionIndex index, Offset offset) {
    kafka::FetchRequest::FetchPartition asked;
    asked.partition = index;
    asked.current_leader_epoch = 0;
    asked.fetch_offset = offset;
    asked.log_start_offset = 0;
    asked.partition_max_bytes = 1 << 20;
    return asked;
  }
  kafka::FetchRequest request(Partitions partitions) const {
    kafka::FetchRequest request;
    request.replica_state = {c, 1};
    request.max_wait_ms = 300;
    request.min_bytes = 1;
    request.session_id = session_;
    request.session_epoch = epoch_;
    if (partitions.empty()) return request;
    auto& topic = request.topics.emplace_back();
    topic.topic_id = topic_;
    topic.partitions = std::move(partitions);
    return request;
  }
  kafka::FetchResponse send(kafka::FetchRequest request) {
    const io::Instant deadline = world.now() + seconds(30);
    auto answer = run_in(world, client(), connection_->call(std::move(request), deadline));
    EXPECT_TRUE(answer) << answer.error().text;
    return answer.value_or(kafka::FetchResponse{});
  }
  // What the leader answers of its partitions.
  std::map<PartitionIndex, kafka::FetchResponse::PartitionData> fetch(Partitions partitions) {
    auto answer = send(request(std::move(partitions)));
    EXPECT_EQ(answer.error_code, ErrorCode::none);
    EXPECT_GT(answer.session_id, 0);
    session_ = answer.session_id;
    ++epoch_;
    std::map<PartitionIndex, kafka::FetchResponse::PartitionData> told;
    for (auto& topic : answer.responses) {
      EXPECT_FALSE(topic.partitions.empty());
      for (auto& data : topic.partitions) told[data.partition_index] = std::move(data);
    }
    return told;
  }
  void fetch_idly(io::Duration how_long) {
    const io::Instant end = world.now() + how_long;
    while (world.now() < end) (void)fetch({});
  }
  bool is_in_sync(NodeId node, PartitionIndex index) {
    const auto& isr = recorded("orders", index).isr;
    return std::ranges::find(isr, node) != isr.end();
  }

  Uuid topic_;
  std::shared_ptr<client::Connection> connection_;
  int32_t session_ = 0;
  int32_t epoch_ = 0;
};

TEST_F(FetchSessionsTest, OnlyWhatIsNewsIsAnswered) {
  start_without_c();
  EXPECT_EQ(fetch({from(0, 0), from(3, 0)}).size(), 2u);
  EXPECT_TRUE(fetch({}).empty());
  (void)produce(a, "orders", "x", 3, 1);
  auto told = fetch({});
  ASSERT_EQ(told.size(), 1u);
  EXPECT_FALSE(told.at(3).records.empty());
}

TEST_F(FetchSessionsTest, WhatIsSafeIsHeardOfWithoutBeingAskedFor) {
  start_without_c();
  (void)fetch({from(0, 0), from(3, 0)});
  (void)produce(a, "orders", "x", 3, 1);
  EXPECT_FALSE(fetch({}).at(3).records.empty());
  std::set<Offset> told;
  for (const auto& [index, data] : fetch({from(3, 1)})) told.insert(data.high_watermark);
  for (int i = 0; i < 3; ++i) {
    for (const auto& [index, data] : fetch({})) told.insert(data.high_watermark);
  }
  EXPECT_TRUE(told.contains(1)) << "b had it a little later";
  EXPECT_EQ(view(a, "orders", 3).high_watermark, 1);
}

// A fetch counts for all of its session: one that has had the end all the while has a second after
// a record has come to fetch it, and is not thrown out of the ISR for its silence before.
TEST_F(FetchSessionsTest, WhoIsNotNamedKeepsUpAllTheSame) {
  start_without_c();
  (void)fetch({from(0, 0), from(3, 0)});
  fetch_idly(seconds(30));
  ASSERT_TRUE(is_in_sync(c, 3));
  (void)produce(a, "orders", "x", 3, 1);
  fetch_idly(seconds(7));
  EXPECT_TRUE(is_in_sync(c, 3)) << "it lags for 7 s, of 10 that it may";
  fetch_idly(seconds(12));
  EXPECT_FALSE(is_in_sync(c, 3)) << "it does not take the record";
  EXPECT_TRUE(is_in_sync(c, 0));
}

TEST_F(FetchSessionsTest, WhatIsForgottenCountsNoMore) {
  start_without_c();
  (void)fetch({from(0, 0), from(3, 0)});
  auto forgets = request({});
  forgets.forgotten_topics_data = {{.topic = "", .topic_id = topic_, .partitions = {3}}};
  EXPECT_EQ(send(forgets).error_code, ErrorCode::none);
  ++epoch_;
  (void)produce(a, "orders", "x", 3, 1);
  EXPECT_TRUE(fetch({}).empty());
  fetch_idly(seconds(20));
  EXPECT_FALSE(is_in_sync(c, 3));
  EXPECT_TRUE(is_in_sync(c, 0));
}

TEST_F(FetchSessionsTest, ALeaderThatLeadsNoMoreSaysSoEachTime) {
  start_without_c();
  (void)fetch({from(0, 0), from(3, 0)});
  fenced_for_a_moment(a);
  ASSERT_NE(recorded("orders", 3).leader, a);
  world.run_for(seconds(1));
  for (int i = 0; i < 2; ++i) {
    auto told = fetch({});
    ASSERT_EQ(told.size(), 2u);
    EXPECT_NE(told.at(3).error_code, ErrorCode::none);
  }
}

TEST_F(FetchSessionsTest, ATopicThatIsDeletedIsKnownNoMore) {
  start_without_c();
  (void)fetch({from(0, 0), from(3, 0)});
  Plan plan;
  plan.remove(*members[a]->image.load()->find("orders"));
  decide(plan);
  world.run_for(seconds(1));
  EXPECT_EQ(fetch({}).at(0).error_code, ErrorCode::unknown_topic_id);
}

TEST_F(FetchSessionsTest, AnotherConnectionHasAnotherSession) {
  start_without_c();
  (void)fetch({from(0, 0)});
  const auto before = connection_;
  connection_ = dial(a, 9093);
  EXPECT_EQ(send(request({})).error_code, ErrorCode::fetch_session_id_not_found);
  connection_ = before;
  EXPECT_TRUE(fetch({}).empty()) << "the first goes on";
}

TEST_F(FetchSessionsTest, ARequestThatDoesNotComeNextIsRefused) {
  start_without_c();
  (void)fetch({from(0, 0), from(3, 0)});
  ++epoch_;
  EXPECT_EQ(send(request({})).error_code, ErrorCode::invalid_fetch_session_epoch);
  session_ = epoch_ = 0;
  EXPECT_EQ(fetch({from(3, 0)}).size(), 1u) << "it begins anew";
  (void)produce(a, "orders", "x", 0, 1);
  EXPECT_TRUE(fetch({}).empty()) << "with what it has named since";
}

TEST_F(FetchSessionsTest, ASessionEndsWithARequestThatHasNone) {
  start_without_c();
  (void)fetch({from(0, 0)});
  auto last = request({from(0, 0)});
  last.session_epoch = -1;
  const auto answer = send(last);
  EXPECT_EQ(answer.session_id, 0);
  EXPECT_EQ(answer.responses.size(), 1u);
  EXPECT_EQ(send(request({})).error_code, ErrorCode::fetch_session_id_not_found);
}

// A router could not send on after a move what only a broker remembers.
TEST_F(FetchSessionsTest, ClientsAreGivenNone) {
  start_without_c();
  connection_ = dial(a);
  auto asks = request({from(0, 0)});
  asks.replica_state = {};
  const auto answer = send(asks);
  EXPECT_EQ(answer.error_code, ErrorCode::none);
  EXPECT_EQ(answer.session_id, 0);
  EXPECT_EQ(answer.responses.size(), 1u);
  asks.session_epoch = 1;
  EXPECT_EQ(send(asks).error_code, ErrorCode::fetch_session_id_not_found);
}

// Naming all of them each time would take longer than a second each way.
TEST_F(FetchSessionsTest, IdlePartitionsTakeNothingOfALine) {
  create("orders", 300);
  start_all();
  for (NodeId one : {a, b, c}) {
    for (NodeId other : {a, b, c}) {
      if (one < other) world.network().set_rate(host_of(one), host_of(other), 4'000);
    }
  }
  world.run_for(seconds(20));
  for (int i = 0; i < 5; ++i) {
    const io::Instant begun = world.now();
    const auto answer = produce(a, "orders", "x", 0);
    EXPECT_EQ(answer.responses.at(0).partition_responses.at(0).error_code, ErrorCode::none);
    EXPECT_LT(world.now() - begun, milliseconds(800));
    world.run_for(milliseconds(700));
  }
}

}  // namespace
}  // namespace isthmus::broker
