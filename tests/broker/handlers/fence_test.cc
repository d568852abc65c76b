// What meets the fence of a switchover, at its source: it waits.
#include "kafka/gen/create_partitions.h"
#include "kafka/gen/delete_records.h"
#include "kafka/gen/delete_topics.h"
#include "kafka/gen/incremental_alter_configs.h"
#include "tests/broker/handlers/mirroring_world.h"

namespace isthmus::broker {
namespace {

class Fencing : public Mirroring {};
ON_ONE_LOOP_AND_ON_TWO(Fencing);

// As a producer sees it: the answer takes a little longer.
TEST_P(Fencing, AFenceHoldsProducersUntilItsDeadline) {
  start();
  create("t");
  ASSERT_EQ(fence(id(1), 5'000).error_code, ErrorCode::none);
  std::optional<kafka::ProduceResponse> first, second;
  begin_produce(*connection, {7, 0, 0}, first);
  begin_produce(*connection, {7, 0, 1}, second);
  auto silent = dial({"site", 9092});
  client()->spawn("acks=0", note_sent(*silent, produce_request("t", make_batch({{}}), 0)));
  world.run_for(std::chrono::seconds(4));
  EXPECT_FALSE(first || second);
  EXPECT_NE(fence(id(2), 5'000).error_code, ErrorCode::none) << "one switchover at a time";
  world.run_for(std::chrono::seconds(2));
  ASSERT_TRUE(first && second);
  EXPECT_EQ(outcome(*first).error_code, ErrorCode::none);
  EXPECT_EQ(outcome(*second).error_code, ErrorCode::none) << "the second has overtaken the first";
  EXPECT_LT(outcome(*first).base_offset, outcome(*second).base_offset);
  EXPECT_EQ(list_offset("t", -1).offset, 3) << "what was sent with acks=0 is lost";
  EXPECT_FALSE(silent->closed());
}

// From an old driver, say, when the topic has come here as a copy since.
TEST_P(Fencing, WhatClientsDoNotWriteIsNotFenced) {
  start();
  const int64_t epoch = attach();
  ensure(epoch);
  kafka::FenceRequest request;
  request.switchover_id = id(1);
  request.link = "seoul-busan";
  request.topics = {"orders"};
  request.deadline_ms = 5'000;
  EXPECT_NE(ask_peers(request).error_code, ErrorCode::none);
  EXPECT_EQ(append(epoch, 0, make_batch({{}}, {}, 0)).error_code, ErrorCode::none)
      << "the link goes on";
}

TEST_P(Fencing, ALiftedFenceLetsProducersGoOnAtOnce) {
  start();
  create("t");
  ASSERT_EQ(fence(id(2), 5'000).error_code, ErrorCode::none);
  std::optional<kafka::ProduceResponse> waiting;
  begin_produce(*connection, {7, 0, 0}, waiting);
  kafka::DeleteRecordsRequest records;
  records.timeout_ms = 10'000;
  records.topics.push_back({"t", {{0, -1}}});
  std::optional<kafka::DeleteRecordsResponse> deleted;
  auto other = dial({"site", 9092});
  begin(*other, records, deleted);
  world.run_for(std::chrono::seconds(1));
  EXPECT_FALSE(waiting || deleted);
  fence(id(2), 0, true);
  world.run_for(std::chrono::milliseconds(500));
  ASSERT_TRUE(waiting && deleted);
  EXPECT_EQ(outcome(*waiting).error_code, ErrorCode::none);
  EXPECT_EQ(deleted->topics[0].partitions[0].error_code, ErrorCode::none);
}

// Not before: the target has to lead first, or they would find no leader anywhere.
TEST_P(Fencing, WhatMetAFenceIsSentAwayWhenTheMoveIsDone) {
  start();
  const Uuid t = create("t");
  ASSERT_EQ(fence(id(1), 5'000).error_code, ErrorCode::none);
  std::optional<kafka::ProduceResponse> waiting;
  begin_produce(*connection, {7, 0, 0}, waiting);
  ASSERT_EQ(hand_over(id(1), t, 0).error_code, ErrorCode::none);
  world.run_for(std::chrono::seconds(5));
  EXPECT_FALSE(waiting);
  ASSERT_EQ(ask_peers(done(id(1))).error_code, ErrorCode::none);
  world.run_for(std::chrono::milliseconds(500));
  ASSERT_TRUE(waiting);
  EXPECT_EQ(outcome(*waiting).error_code, ErrorCode::not_leader_or_follower);
  EXPECT_EQ(list_offset("t", -1).offset, 0) << "written after the hand-over";
}

TEST_P(Fencing, ALongPollForWhatMovesAwayIsAnsweredAtOnce) {
  start();
  const Uuid t = create("t");
  auto other = dial({"site", 9092});
  std::optional<size_t> size;
  client()->spawn("poll", poll(*other, fetch_request("t", {.max_wait_ms = 20'000}), size));
  ASSERT_EQ(fence(id(1), 5'000).error_code, ErrorCode::none);
  ASSERT_EQ(hand_over(id(1), t, 0).error_code, ErrorCode::none);
  world.run_for(std::chrono::milliseconds(500));
  EXPECT_FALSE(size) << "the target has yet to lead";
  ASSERT_EQ(ask_peers(done(id(1))).error_code, ErrorCode::none);
  world.run_for(std::chrono::milliseconds(500));
  EXPECT_EQ(size, 0u);
}

TEST_P(Fencing, WhoWaitsAtAFenceTakesNoRoomOfThoseWhoEndIt) {
  config.broker.queued_max_request_bytes = 4096 * static_cast<int64_t>(GetParam());
  start();
  create("t");
  ASSERT_EQ(fence(id(1), 5'000).error_code, ErrorCode::none);
  const std::string text(3'500, 'x');
  std::vector<std::shared_ptr<client::Connection>> clients;
  std::vector<std::optional<kafka::ProduceResponse>> answers(2 * GetParam());
  for (auto& answer : answers) {
    clients.push_back(dial({"site", 9092}));
    client()->spawn(
        "produce", call(*clients.back(), produce_request("t", make_batch({{1000, text}})), answer));
  }
  world.run_for(std::chrono::seconds(1));
  auto too_large = produce("t", make_batch({{1000, std::string(20'000, 'x')}}));
  EXPECT_EQ(too_large.error_code, ErrorCode::not_leader_or_follower) << "there is no room for it";
  fence(id(1), 0, true);
  world.run_for(std::chrono::seconds(1));
  for (auto& answer : answers) {
    ASSERT_TRUE(answer);
    EXPECT_EQ(outcome(*answer).error_code, ErrorCode::none);
  }
}

TEST_P(Fencing, AStopAnswersWhoWaitsAtAFence) {
  start();
  create("t");
  ASSERT_EQ(fence(id(1), 60'000).error_code, ErrorCode::none);
  std::optional<kafka::ProduceResponse> waiting;
  begin_produce(*connection, {7, 0, 0}, waiting);
  world.run_for(std::chrono::seconds(1));
  const auto before = world.now();
  stop();
  EXPECT_LT(world.now() - before, std::chrono::seconds(1));
  world.run_until([&] { return waiting.has_value(); }, std::chrono::seconds(1));
  ASSERT_TRUE(waiting);
  EXPECT_EQ(outcome(*waiting).error_code, ErrorCode::not_leader_or_follower);
}

// What an administrator does to topics while a fence holds.
struct Changes {
  std::optional<kafka::CreateTopicsResponse> created;
  std::optional<kafka::CreatePartitionsResponse> grown;
  std::optional<kafka::DeleteTopicsResponse> deleted;
  std::optional<kafka::IncrementalAlterConfigsResponse> altered;

  bool any() const { return created || grown || deleted || altered; }
  bool all() const { return created && grown && deleted && altered; }
  // Of all four, if it is the same.
  ErrorCode error() const {
    const ErrorCode code = created->topics.at(0).error_code;
    EXPECT_EQ(created->topics.at(1).error_code, code) << "the second was not asked with the first";
    EXPECT_EQ(grown->results.at(0).error_code, code);
    EXPECT_EQ(deleted->responses.at(0).error_code, code);
    EXPECT_EQ(altered->responses.at(0).error_code, code);
    return code;
  }
};

class FencedChanges : public Mirroring {
 protected:
  void change_everything(Changes& changes) {
    kafka::CreateTopicsRequest topics;
    topics.timeout_ms = 10'000;
    topics.topics.push_back({.name = "new", .num_partitions = 1, .replication_factor = 1});
    topics.topics.push_back({.name = "newer", .num_partitions = 1, .replication_factor = 1});
    begin(*connection, topics, changes.created);
    kafka::CreatePartitionsRequest partitions;
    partitions.timeout_ms = 10'000;
    partitions.topics.push_back({"t", 4, std::nullopt});
    begin(*connection, partitions, changes.grown);
    kafka::DeleteTopicsRequest deletion;
    deletion.timeout_ms = 10'000;
    deletion.topics.push_back({"old", Uuid{}});
    begin(*connection, deletion, changes.deleted);
    kafka::IncrementalAlterConfigsRequest configs;
    auto& of = configs.resources.emplace_back();
    of.resource_type = kafka::ConfigResource::topic;
    of.resource_name = "t";
    of.configs.push_back({"retention.ms", kafka::ConfigOperation::set, "1000"});
    begin(*connection, configs, changes.altered);
  }
};
ON_ONE_LOOP_AND_ON_TWO(FencedChanges);

TEST_P(FencedChanges, WaitForTheEndOfAFence) {
  start();
  create("t");
  create("old");
  ASSERT_EQ(fence(id(1), 5'000).error_code, ErrorCode::none);
  Changes changes;
  change_everything(changes);
  auto other = dial({"site", 9092});
  std::optional<kafka::MetadataResponse> metadata;
  kafka::MetadataRequest request;
  request.topics->push_back({Uuid{}, "first-use"});
  begin(*other, request, metadata);
  world.run_for(std::chrono::seconds(3));
  EXPECT_FALSE(changes.any());
  ASSERT_TRUE(metadata) << "who asks for other topics, too, is kept from those";
  EXPECT_EQ(metadata->topics.at(0).error_code, ErrorCode::leader_not_available);
  world.run_for(std::chrono::seconds(3));
  ASSERT_TRUE(changes.all());
  EXPECT_EQ(changes.error(), ErrorCode::none);
}

// Made behind the hand-over they would be missing at the site that leads now.
TEST_P(FencedChanges, AreSentToTheOtherSiteAfterAMove) {
  start();
  const Uuid t = create("t");
  ASSERT_EQ(fence(id(1), 5'000).error_code, ErrorCode::none);
  Changes changes;
  change_everything(changes);
  ASSERT_EQ(hand_over(id(1), t, 0).error_code, ErrorCode::none);
  world.run_for(std::chrono::seconds(5));
  EXPECT_FALSE(changes.any());
  ASSERT_EQ(ask_peers(done(id(1))).error_code, ErrorCode::none);
  world.run_for(std::chrono::seconds(1));
  ASSERT_TRUE(changes.all());
  EXPECT_EQ(changes.error(), ErrorCode::not_controller);
}

TEST_P(FencedChanges, AreRefusedInTheTimeOfTheirRequest) {
  start();
  create("t");
  ASSERT_EQ(fence(id(1), 60'000).error_code, ErrorCode::none);
  Changes changes;
  change_everything(changes);
  world.run_for(std::chrono::seconds(8));
  ASSERT_TRUE(changes.all());
  EXPECT_EQ(changes.error(), ErrorCode::not_controller);
}

TEST_P(FencedChanges, AreAnsweredByAStop) {
  start();
  create("t");
  ASSERT_EQ(fence(id(1), 60'000).error_code, ErrorCode::none);
  Changes changes;
  change_everything(changes);
  world.run_for(std::chrono::seconds(1));
  const auto before = world.now();
  stop();
  EXPECT_LT(world.now() - before, std::chrono::seconds(1));
  world.run_until([&] { return changes.all(); }, std::chrono::seconds(1));
  ASSERT_TRUE(changes.all());
  EXPECT_EQ(changes.error(), ErrorCode::not_controller);
}

TEST_P(Fencing, AHandOverNamesTheEndThatWasDrainedTo) {
  start();
  Uuid t = create("t");
  produce("t", make_batch({{}, {}}));
  EXPECT_NE(hand_over(id(1), t, 2).error_code, ErrorCode::none) << "without a fence";
  ASSERT_EQ(fence(id(1), 5'000).error_code, ErrorCode::none);
  EXPECT_NE(hand_over(id(1), t, 1).error_code, ErrorCode::none) << "one record is missing";
  EXPECT_EQ(produce("t", make_batch({{}})).error_code, ErrorCode::none) << "refused, it opens";
}

// Two drivers may be at work on one switchover, and each promotes what it was answered here.
// Where only groups have committed in between, the ends are the same as before.
TEST_P(Fencing, AHandOverThatIsLateNamesAFenceThatHasEndedAndBegunAgain) {
  start();
  const Uuid t = create("t");
  const auto first = fence(id(1), 1'000);
  ASSERT_EQ(first.error_code, ErrorCode::none);
  world.run_for(std::chrono::seconds(2));
  const auto second = fence(id(1), 5'000);
  ASSERT_EQ(second.error_code, ErrorCode::none);
  const auto under = [&](const kafka::FenceResponse& fenced) {
    kafka::HandOverRequest request = hand_over_request(id(1), t, 0);
    const auto& p = fenced.topics.at(0).partitions.at(0);
    request.topics[0].partitions[0].number = p.number;
    request.topics[0].partitions[0].leader_epoch = p.leader_epoch;
    for (const auto& broker : fenced.brokers) {
      request.brokers.push_back({broker.node_id, broker.number, {}});
    }
    return request;
  };
  EXPECT_NE(ask_peers(under(first)).error_code, ErrorCode::none);
  ASSERT_EQ(fence(id(1), 5'000).error_code, ErrorCode::none) << "a late one has lifted nothing";
  EXPECT_EQ(ask_peers(under(second)).error_code, ErrorCode::none);
}

TEST_P(Fencing, AHandOverIsRepeatedWithWhatItSaidAndNothingElse) {
  start();
  const Uuid t = create("t"), other = create("other");
  ASSERT_EQ(fence(id(1), 5'000).error_code, ErrorCode::none);
  ASSERT_EQ(hand_over(id(1), t, 0).error_code, ErrorCode::none);
  EXPECT_EQ(hand_over(id(1), t, 0).error_code, ErrorCode::none) << "the answer was lost";
  EXPECT_NE(hand_over(id(1), other, 0).error_code, ErrorCode::none);
  kafka::HandOverRequest request = hand_over_request(id(1), t, 0);
  request.topics.clear();
  EXPECT_NE(ask_peers(request).error_code, ErrorCode::none) << "the topic would have no leader";
  request = hand_over_request(id(1), t, 0);
  request.target_number = 4;
  EXPECT_NE(ask_peers(request).error_code, ErrorCode::none) << "to another cluster";
}

// What is drained to, and handed over, no crash of the source takes any more.
TEST_P(Fencing, AFenceAnswersWhenItsEndsAreDurable) {
  start();
  create("t");
  site.disk().sync_latency_min = site.disk().sync_latency_max = std::chrono::seconds(2);
  EXPECT_EQ(produce("t", make_batch({{}}), 1).base_offset, 0);
  const auto before = world.now();
  const auto fenced = fence(id(1), 5'000);
  EXPECT_GE(world.now() - before, std::chrono::seconds(1));
  ASSERT_EQ(fenced.error_code, ErrorCode::none) << fenced.error_message.value_or("");
  EXPECT_EQ(fenced.topics.at(0).partitions.at(0).end_offset, 1);
  fence(id(1), 0, true);
  EXPECT_EQ(produce("t", make_batch({{}}), 1).base_offset, 1);
  const auto refused = fence(id(2), 500);
  EXPECT_NE(refused.error_code, ErrorCode::none) << "the disk is slower than the fence";
  EXPECT_EQ(produce("t", make_batch({{}}), 1).base_offset, 2) << "and it is lifted";
}

}  // namespace
}  // namespace isthmus::broker
