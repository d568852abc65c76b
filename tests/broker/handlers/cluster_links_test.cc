// Links at a site of three brokers: a way back, a failover, and a mirror process that comes anew.
#include <algorithm>

#include "kafka/gen/attach_link.h"
#include "kafka/gen/become_mirror.h"
#include "kafka/gen/ensure_mirror_topics.h"
#include "kafka/gen/epoch_history.h"
#include "kafka/gen/mirror_append.h"
#include "kafka/gen/promote.h"
#include "kafka/gen/take_way_back_step.h"
#include "tests/broker/handlers/requests.h"
#include "tests/broker/handlers/three_brokers.h"

namespace isthmus::broker {
namespace {

using kafka::ErrorCode;
using std::chrono::milliseconds;
using std::chrono::seconds;

class ClusterLinks : public ThreeBrokers {
 protected:
  void SetUp() override { start_all(); }

  struct End {
    size_t at = 0;  // of machines_
    Uuid topic_id;
    kafka::EpochHistoryResponse::EpochHistoryPartition history;
  };
  // As the leader of that partition tells it, of those that run.
  End end_of(const std::string& topic, PartitionIndex index) {
    kafka::EpochHistoryRequest request;
    request.topics = {topic};
    for (size_t i = 0; i < machines_.size(); ++i) {
      if (!machines_[i].process->running()) continue;
      const auto answer = ask(machines_[i], request, 9093);
      for (const auto& p : answer.topics.at(0).partitions) {
        if (p.index == index) return {i, answer.topics[0].topic_id, p};
      }
    }
    ADD_FAILURE() << "nobody leads " << topic << "-" << index;
    return {};
  }
  void write(const std::string& topic, int records) {
    const End end = end_of(topic, 0);
    for (int i = 0; i < records; ++i) {
      const auto answer = ask(machines_[end.at], produce_request(topic, make_batch({{}})));
      ASSERT_EQ(answer.responses.at(0).partition_responses.at(0).error_code, ErrorCode::none);
    }
  }
  // A new source that has all that is here.
  kafka::BecomeMirrorResponse become_mirror(const std::string& topic) {
    kafka::BecomeMirrorRequest request;
    request.link = "busan-seoul";
    request.left_link = "seoul-busan";
    request.origin = 3;
    auto& wanted = request.topics.emplace_back();
    wanted.name = topic;
    wanted.promoted_at = 1;
    for (PartitionIndex i = 0; i < 3; ++i) {
      const End end = end_of(topic, i);
      wanted.topic_id = end.topic_id;
      auto& p = wanted.partitions.emplace_back();
      p.index = i;
      p.leader_epoch = end.history.leader_epoch + (1 << 20);
      p.end_offset = end.history.end_offset;
      for (const auto& e : end.history.entries) {
        p.history.push_back({e.epoch, e.owner, e.start_offset});
      }
    }
    return ask(machines_[0], request, 9093);
  }
  int64_t attach(size_t at) {
    kafka::AttachLinkRequest request;
    request.link = "busan-seoul";
    request.source_name = "busan";
    request.source_number = 3;
    request.source_cluster_id = "AwMDAwMDAwMDAwMDAwMDAw";
    const auto answer = ask(machines_[at], request, 9093);
    EXPECT_EQ(answer.error_code, ErrorCode::none) << answer.error_message.value_or("");
    return answer.link_epoch;
  }
  // Neither hears the other two; what is between them comes later.
  void cut_off(size_t at) {
    for (size_t i = 0; i < machines_.size(); ++i) {
      if (i != at) world_.network().cut(machines_[at].name, machines_[i].name);
    }
  }
};

// Whoever of them is elected next would have what was cut, and the link find another log than its
// source's.
TEST_F(ClusterLinks, ACutIsDoneWhenAllThatAreInSyncHaveIt) {
  create(machines_[0], "orders", 3);
  world_.run_for(seconds(1));
  write("orders", 3);
  const auto done = become_mirror("orders");
  ASSERT_EQ(done.error_code, ErrorCode::none) << done.error_message.value_or("");
  const End before = end_of("orders", 0);
  kafka::TakeWayBackStepRequest cut;
  cut.step = kafka::WayBackStep::cut;
  cut.topic_id = before.topic_id;
  cut.offset = 1;
  cut.end_offset = 3;
  const size_t follower = (before.at + 1) % 3;
  world_.network().cut(machines_[before.at].name, machines_[follower].name);
  const auto early = ask(machines_[before.at], cut, 9093);
  EXPECT_EQ(early.error_code, ErrorCode::request_timed_out) << "one may lead that has not cut";
  EXPECT_EQ(end_of("orders", 0).history.end_offset, 1);
  world_.network().heal_all();
  const auto repeated = ask(machines_[before.at], cut, 9093);
  EXPECT_EQ(repeated.error_code, ErrorCode::none) << repeated.error_message.value_or("");
  machines_[before.at].connector->session->expire();
  machines_[before.at].host->kill();
  world_.run_for(seconds(3));
  EXPECT_EQ(end_of("orders", 0).history.end_offset, 1);
}

TEST_F(ClusterLinks, AWayBackLeavesOutNoGroupWhoseCoordinatorIsAway) {
  kafka::CreateTopicsRequest request;
  auto& topic = request.topics.emplace_back();
  topic.name = "__consumer_offsets";
  topic.num_partitions = 6;
  topic.replication_factor = 1;
  ask(machines_[0], std::move(request));
  create(machines_[0], "orders", 3);
  world_.run_for(seconds(1));
  write("orders", 1);
  machines_[2].connector->session->expire();
  machines_[2].host->kill();
  world_.run_for(seconds(3));
  const auto early = become_mirror("orders");
  EXPECT_NE(early.error_code, ErrorCode::none);
  EXPECT_NE(early.error_message.value_or("").find("nobody coordinates its groups"),
            std::string::npos)
      << early.error_message.value_or("");
  ASSERT_TRUE(start(machines_[2]));
  world_.run_for(seconds(3));
  const auto done = become_mirror("orders");
  EXPECT_EQ(done.error_code, ErrorCode::none) << done.error_message.value_or("");
}

// What the leader alone has may be gone with it: it is not among what was there.
TEST_F(ClusterLinks, AFailoverTellsOfNoMoreThanTheNextLeaderHasToo) {
  const int64_t epoch = attach(0);
  kafka::EnsureMirrorTopicsRequest ensure;
  ensure.link = "busan-seoul";
  ensure.link_epoch = epoch;
  auto& wanted = ensure.topics.emplace_back();
  wanted.name = "orders";
  wanted.topic_id.bytes.fill(5);
  wanted.origin = 3;
  wanted.partitions.push_back({0, 0});
  ASSERT_EQ(ask(machines_[0], ensure, 9093).topics.at(0).error_code, ErrorCode::none);
  world_.run_for(seconds(1));
  const End end = end_of("orders", 0);
  kafka::MirrorAppendRequest append;
  append.link = "busan-seoul";
  append.link_epoch = epoch;
  append.topics.emplace_back().topic_id = end.topic_id;
  const auto brings = [&](Offset at) {
    append.topics[0].partitions.clear();
    auto& p = append.topics[0].partitions.emplace_back();
    p.expected_offset = at;
    p.source_high_watermark = at + 1;
    p.records = Rope(make_batch({{}}, {}, 0, at));
    return append;
  };
  const auto first = ask(machines_[end.at], brings(0), 9093);
  ASSERT_EQ(first.topics.at(0).partitions.at(0).error_code, ErrorCode::none);
  cut_off(end.at);
  auto& mirror = world_.add_host("mirror").start_process();
  auto& gate = mirror.make<io::Gate>(mirror.env().main_loop());
  const io::Instant deadline = mirror.env().main_loop().now() + seconds(60);
  auto line = run_in(world_, mirror,
                     client::Connection::open(mirror.env(), gate, {machines_[end.at].name, 9093},
                                              client::ConnectionOptions{}, deadline));
  ASSERT_TRUE(line);
  // It waits for followers that do not come.
  const auto waits = start_in(mirror, (*line)->call(brings(1), deadline));
  world_.run_for(seconds(1));
  EXPECT_EQ(end_of("orders", 0).history.end_offset, 2);
  kafka::PromoteRequest request;
  request.link = "busan-seoul";
  request.switchover_id.bytes.fill(1);
  request.failover = true;
  const auto promoted = ask(machines_[end.at], request, 9093);
  ASSERT_EQ(promoted.error_code, ErrorCode::none) << promoted.error_message.value_or("");
  EXPECT_EQ(promoted.topics.at(0).partitions.at(0).end_offset, 1);
  EXPECT_GT(promoted.topics.at(0).partitions.at(0).next_offset, 1'000'000);
  world_.network().heal_all();
  world_.run_until([&] { return waits->has_value(); }, seconds(60));
}

// It opens many, on a disk that is slow; what the process asks for concerns none of them.
TEST_F(ClusterLinks, AMirrorProcessDoesNotWaitForPartitionsThatAreBeingOpened) {
  attach(0);
  world_.run_for(seconds(1));
  sim::ZookeeperSession& session = *machines_[2].connector->session;
  session.cut_line();
  kafka::EnsureMirrorTopicsRequest asks;
  asks.link = "busan-seoul";
  asks.link_epoch = attach(0);
  auto& disk = machines_[2].host->disk();
  disk.sync_latency_min = disk.sync_latency_max = seconds(30);
  create(machines_[0], "more", 3);
  world_.after(milliseconds(100), [&session] { session.mend_line(); });
  const auto before = world_.now();
  const auto answer = ask(machines_[2], asks, 9093);
  EXPECT_EQ(answer.error_code, ErrorCode::none);
  EXPECT_LT(world_.now() - before, milliseconds(1500));
}

// What is exported goes to a topic that one of them has just made.
TEST_F(ClusterLinks, AStepWaitsForWhoHasYetToOpenTheTopic) {
  auto& disk = machines_[2].host->disk();
  disk.sync_latency_min = disk.sync_latency_max = milliseconds(300);
  create(machines_[0], "orders", 3);
  const auto told = metadata(machines_[0]).topics.at(0);
  kafka::TakeWayBackStepRequest step;
  step.step = kafka::WayBackStep::read;
  step.topic_id = told.topic_id;
  for (const auto& p : told.partitions) {
    if (p.leader_id == 103) step.index = p.partition_index;
  }
  const auto answer = ask(machines_[2], step, 9093);
  EXPECT_EQ(answer.error_code, ErrorCode::none) << answer.error_message.value_or("");
  step.index = 77;
  EXPECT_EQ(ask(machines_[2], step, 9093).error_code, ErrorCode::kafka_storage_error);
}

}  // namespace
}  // namespace isthmus::broker
