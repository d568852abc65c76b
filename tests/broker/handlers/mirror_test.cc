// The private API of mirror processes, against a broker that serves both.
#include "broker/handlers/dispatch.h"
#include "kafka/gen/attach_link.h"
#include "kafka/gen/create_partitions.h"
#include "kafka/gen/delete_records.h"
#include "kafka/gen/delete_topics.h"
#include "kafka/gen/describe_configs.h"
#include "kafka/gen/describe_site.h"
#include "kafka/gen/ensure_mirror_topics.h"
#include "kafka/gen/fence.h"
#include "kafka/gen/finish_switchover.h"
#include "kafka/gen/hand_over.h"
#include "kafka/gen/incremental_alter_configs.h"
#include "kafka/gen/mirror_append.h"
#include "kafka/gen/promote.h"
#include "kafka/gen/report_mirror.h"
#include "kafka/gen/step_down.h"
#include "kafka/gen/switchover_wish.h"
#include "tests/broker/handlers/broker_world.h"

namespace isthmus::broker {
namespace {

const char* const busan = "AwMDAwMDAwMDAwMDAwMDAw";

class Mirroring : public BrokerWorld {
 protected:
  int64_t attach() {
    kafka::AttachLinkRequest request;
    request.link = "busan-seoul";
    request.source_name = "busan";
    request.source_number = 3;
    request.source_cluster_id = busan;
    auto response = ask_peers(std::move(request));
    EXPECT_EQ(response.error_code, ErrorCode::none) << response.error_message.value_or("");
    return response.link_epoch;
  }
  using Ensured = kafka::EnsureMirrorTopicsResponse::MirrorTopicResult;
  Ensured try_ensure(int64_t epoch, LeaderEpoch source_epoch = 0) {
    topic_.bytes.fill(5);
    kafka::EnsureMirrorTopicsRequest request;
    request.link = "busan-seoul";
    request.link_epoch = epoch;
    auto& topic = request.topics.emplace_back();
    topic.name = "orders";
    topic.topic_id = topic_;
    topic.origin = 3;
    topic.configs = configs_;
    topic.partitions.push_back({0, source_epoch});
    auto response = ask_peers(std::move(request));
    EXPECT_EQ(response.error_code, ErrorCode::none);
    return response.topics.at(0);
  }
  void ensure(int64_t epoch, LeaderEpoch source_epoch = 0) {
    const Ensured answer = try_ensure(epoch, source_epoch);
    ASSERT_EQ(answer.error_code, ErrorCode::none) << answer.error_message.value_or("");
  }
  kafka::MirrorAppendResponse::MirrorAppendPartitionResult append(int64_t link_epoch,
                                                                  Offset expected, Slice batch,
                                                                  LeaderEpoch source_epoch = 0) {
    kafka::MirrorAppendRequest request;
    request.link = "busan-seoul";
    request.link_epoch = link_epoch;
    auto& topic = request.topics.emplace_back();
    topic.topic_id = topic_;
    auto& p = topic.partitions.emplace_back();
    p.expected_offset = expected;
    p.source_leader_epoch = source_epoch;
    p.source_high_watermark = expected;
    p.records = Rope(std::move(batch));
    return ask_peers(std::move(request)).topics.at(0).partitions.at(0);
  }
  // The source says just now that it ends there.
  void report(int64_t link_epoch, Offset source_end) {
    kafka::ReportMirrorRequest request;
    request.link = "busan-seoul";
    request.link_epoch = link_epoch;
    auto& topic = request.topics.emplace_back();
    topic.topic_id = topic_;
    auto& p = topic.partitions.emplace_back();
    p.state = kafka::MirrorState::mirroring;
    p.source_end_offset = source_end;
    p.source_age_ms = 0;
    EXPECT_EQ(ask_peers(std::move(request)).error_code, ErrorCode::none);
  }
  kafka::PromoteResponse promote_drained(const Uuid& id) {
    kafka::PromoteRequest request;
    request.switchover_id = id;
    request.link = "busan-seoul";
    request.failover = request.drained = true;
    return ask_peers(std::move(request));
  }
  kafka::PromoteResponse promote(const Uuid& id, bool failover, Offset end = -1) {
    kafka::PromoteRequest request;
    request.switchover_id = id;
    request.link = "busan-seoul";
    request.failover = failover;
    if (!failover) {
      request.topics.emplace();
      auto& topic = request.topics->emplace_back();
      topic.topic_id = topic_;
      topic.partitions.emplace().push_back({0, end});
    }
    return ask_peers(std::move(request));
  }
  kafka::FenceResponse fence(const Uuid& id, int32_t for_ms, bool lift = false) {
    kafka::FenceRequest request;
    request.switchover_id = id;
    request.link = "seoul-busan";
    request.topics = {"t"};
    request.deadline_ms = for_ms;
    request.lift = lift;
    return ask_peers(std::move(request));
  }
  static kafka::HandOverRequest hand_over_request(const Uuid& id, const Uuid& topic, Offset end) {
    kafka::HandOverRequest request;
    request.switchover_id = id;
    request.link = "seoul-busan";
    request.target_id = busan;
    request.target_number = 3;
    auto& t = request.topics.emplace_back();
    t.topic_id = topic;
    t.partitions.push_back({0, end});
    return request;
  }
  kafka::HandOverResponse hand_over(const Uuid& id, const Uuid& topic, Offset end) {
    return ask_peers(hand_over_request(id, topic, end));
  }
  // Asks, and notes the answer when it comes.
  template <typename Request>
  static io::Task<void> note(client::Connection& over, Request request,
                             std::optional<typename Request::Response>& answer) {
    auto got = co_await over.call(std::move(request), io::Instant::max(), INT16_MAX);
    if (got) answer = std::move(*got);
  }
  template <typename Request>
  void begin(client::Connection& over, Request request,
             std::optional<typename Request::Response>& answer) {
    client()->spawn("request", note(over, std::move(request), answer));
  }
  void begin_produce(client::Connection& over, Producing producer,
                     std::optional<kafka::ProduceResponse>& answer) {
    begin(over, produce_request("t", make_batch({{}}, producer)), answer);
  }
  static io::Task<void> note_sent(client::Connection& over, kafka::ProduceRequest request) {
    const bool sent = co_await raw(over, std::move(request));
    EXPECT_TRUE(sent);
  }
  static const Produced& outcome(const kafka::ProduceResponse& response) {
    return response.responses.at(0).partition_responses.at(0);
  }
  static kafka::FinishSwitchoverRequest done(const Uuid& id) {
    kafka::FinishSwitchoverRequest request;
    request.switchover_id = id;
    request.link = "seoul-busan";
    request.promoted = true;
    request.reverse_link = "busan-seoul";
    request.new_origin = 3;
    return request;
  }
  static io::Task<void> note_hand_over(client::Connection& over, Uuid id, Uuid topic, bool& done) {
    auto answer = co_await over.call(hand_over_request(id, topic, 2), io::Instant::max());
    done = answer && answer->error_code == ErrorCode::none;
  }
  static Uuid id(uint8_t number) {
    Uuid id;
    id.bytes.fill(number);
    return id;
  }
  // The value in force of the copy's key, and whether it is its own.
  std::pair<std::string, bool> config_of_copy(const std::string& key) {
    kafka::DescribeConfigsRequest request;
    auto& resource = request.resources.emplace_back();
    resource.resource_type = kafka::ConfigResource::topic;
    resource.resource_name = "orders";
    resource.configuration_keys = {{key}};
    const auto entry = ask(std::move(request)).results.at(0).configs.at(0);
    return {entry.value.value_or("(null)"), entry.config_source == kafka::ConfigSource::topic};
  }
  Uuid topic_;
  std::vector<kafka::EnsureMirrorTopicsRequest::MirrorTopicConfig> configs_;
};
ON_ONE_LOOP_AND_ON_TWO(Mirroring);

// "Keep for ever" at the source's broker, and a week here: the copy is kept for ever, after a move,
// too.
TEST_P(Mirroring, ACopyLivesUnderTheConfigsInForceAtTheSource) {
  using Value = std::pair<std::string, bool>;
  config.broker.log_retention_bytes = 5'000'000;
  start();
  configs_ = {{"retention.ms", "-1", true},
              {"retention.bytes", "5000000", true},
              {"segment.ms", "604800000", false},
              {"max.message.bytes", "no number", true},
              {"unheard.of", "x", true}};
  const int64_t epoch = attach();
  ensure(epoch);
  EXPECT_EQ(config_of_copy("retention.ms"), (Value{"-1", true}));
  EXPECT_EQ(config_of_copy("retention.bytes"), (Value{"5000000", false})) << "as it is here";
  EXPECT_EQ(config_of_copy("segment.ms"), (Value{"604800000", true})) << "its own there, too";
  EXPECT_FALSE(config_of_copy("max.message.bytes").second) << "it would be refused here";
  configs_[0].value = "3600000";
  ensure(epoch);
  EXPECT_EQ(config_of_copy("retention.ms"), (Value{"3600000", true})) << "it follows";
}

TEST_P(Mirroring, EachListenerAnnouncesWhatIsHandledThereAndNothingElse) {
  start();
  for (const auto& api : kafka::all_apis()) {
    const auto key = static_cast<int16_t>(api.key);
    const bool handled = find_handler(api.key) != nullptr;
    EXPECT_EQ(connection->range_of(key).has_value(), handled && !api.is_private) << api.name;
    EXPECT_EQ(peers->range_of(key).has_value(), handled) << api.name;
  }
}

// A schema alone, as for an API that only our clients speak, promises nothing.
TEST(Announced, AnApiWithoutAHandlerIsNot) {
  kafka::ApiInfo api = *kafka::find_api(kafka::ApiKey::metadata);
  EXPECT_TRUE(announced(api, false));
  api.key = static_cast<kafka::ApiKey>(9999);
  EXPECT_FALSE(announced(api, false));
  EXPECT_FALSE(announced(api, true));
}

TEST_P(Mirroring, ProducingToAMirrorTopicIsRefusedWithTheNameOfItsLink) {
  start();
  ensure(attach());
  auto answer = produce("orders", make_batch({{}}));
  EXPECT_EQ(answer.error_code, ErrorCode::policy_violation);
  EXPECT_NE(answer.error_message.value_or("").find("busan-seoul"), std::string::npos);
  kafka::DeleteRecordsRequest records;
  records.topics.push_back({"orders", {{0, 0}}});
  EXPECT_EQ(ask(records).topics[0].partitions[0].error_code, ErrorCode::policy_violation);
  kafka::CreatePartitionsRequest partitions;
  partitions.timeout_ms = 10'000;
  partitions.topics.push_back({"orders", 4, std::nullopt});
  EXPECT_EQ(ask(partitions).results[0].error_code, ErrorCode::policy_violation);
}

TEST_P(Mirroring, BatchesAreThereVerbatimAtTheirOffsetsWhenAnswered) {
  start();
  auto link_epoch = attach();
  ensure(link_epoch);
  Slice batch = make_batch({{}, {}}, {}, 0);
  EXPECT_EQ(append(link_epoch, 0, batch).end_offset, 2);
  EXPECT_EQ(append(link_epoch, 0, batch).error_code, ErrorCode::offset_out_of_range);
  lose_power();
  EXPECT_EQ(*fetch("orders", {}).records.flatten(), batch);
}

// A console consumer looks for a topic that nobody has written yet: founded here, it would travel
// home and close the name to the producers there.
TEST_P(Mirroring, AStandbyMakesNoTopicThatAClientOnlyAsksFor) {
  start();
  kafka::MetadataRequest unknown;
  unknown.topics->push_back({Uuid{}, "new"});
  ensure(attach());
  EXPECT_EQ(ask(unknown).topics[0].error_code, ErrorCode::unknown_topic_or_partition);
  create("own");
  EXPECT_EQ(ask(unknown).topics[0].error_code, ErrorCode::none) << "it is home to something";
}

TEST_P(Mirroring, AMirrorProcessThatWasReplacedIsFenced) {
  start();
  auto zombie = attach();
  ensure(zombie);
  auto now = attach();
  EXPECT_EQ(append(zombie, 0, make_batch({{}}, {}, 0)).error_code, ErrorCode::fenced_leader_epoch);
  EXPECT_EQ(append(now, 0, make_batch({{}}, {}, 0)).error_code, ErrorCode::none);
}

TEST_P(Mirroring, WhatCrossedTheLineIsCheckedBeforeItIsWritten) {
  start();
  auto link_epoch = attach();
  ensure(link_epoch);
  Slice good = make_batch({{}}, {}, 0);
  std::vector<uint8_t> bytes(good.view().begin(), good.view().end());
  bytes.back() ^= 1;
  EXPECT_EQ(append(link_epoch, 0, Slice::take(bytes)).error_code, ErrorCode::corrupt_message);
  EXPECT_EQ(append(link_epoch, 0, good.sub(0, good.size() - 1)).error_code,
            ErrorCode::corrupt_message);
  EXPECT_EQ(append(link_epoch, 0, good).end_offset, 1);
}

TEST_P(Mirroring, AReportSaysHowLongTheNextContactMayTake) {
  start();
  kafka::ReportMirrorRequest report;
  report.link = "busan-seoul";
  report.link_epoch = attach();
  EXPECT_EQ(ask_peers(kafka::DescribeSiteRequest()).links.at(0).next_within_ms, -1);
  report.next_within_ms = 4400;
  EXPECT_EQ(ask_peers(report).error_code, ErrorCode::none);
  EXPECT_EQ(ask_peers(kafka::DescribeSiteRequest()).links.at(0).next_within_ms, 4400);
  attach();
  EXPECT_EQ(ask_peers(kafka::DescribeSiteRequest()).links.at(0).next_within_ms, -1)
      << "another process, perhaps over another line";
}

TEST_P(Mirroring, GoodBatchesBeforeADamagedOneAreAppended) {
  start();
  auto link_epoch = attach();
  ensure(link_epoch);
  const Slice first = make_batch({{}, {}}, {}, 0);
  const Slice second = make_batch({{}}, {}, 0, 2);
  std::vector<uint8_t> bytes(first.view().begin(), first.view().end());
  bytes.insert(bytes.end(), second.view().begin(), second.view().end());
  bytes.back() ^= 1;
  const auto answer = append(link_epoch, 0, Slice::take(bytes));
  EXPECT_EQ(answer.error_code, ErrorCode::corrupt_message);
  EXPECT_EQ(answer.trouble, kafka::MirrorTrouble::damaged_batch);
  EXPECT_EQ(answer.end_offset, 2);
  EXPECT_NE(answer.error_message.value_or("").find("at offset 2"), std::string::npos);
  EXPECT_EQ(append(link_epoch, 2, second).end_offset, 3);
}

TEST_P(Mirroring, WhatATargetCannotTakeIsToldWithItsCause) {
  start();
  auto link_epoch = attach();
  EXPECT_TRUE(try_ensure(link_epoch).troubled.empty());
  const auto reserve = site.disk().capacity;
  site.disk().capacity = site.disk().used() * 20 / 19;
  world.run_for(std::chrono::seconds(3));
  auto told = try_ensure(link_epoch).troubled;
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].trouble, kafka::MirrorTrouble::target_full);
  EXPECT_EQ(append(link_epoch, 0, make_batch({{}}, {}, 0)).trouble,
            kafka::MirrorTrouble::target_full);
  site.disk().capacity = reserve;
  world.run_for(std::chrono::seconds(3));
  EXPECT_TRUE(try_ensure(link_epoch).troubled.empty());
  site.disk().fail_next_append("orders-0", EIO);
  EXPECT_EQ(append(link_epoch, 0, make_batch({{}}, {}, 0)).trouble,
            kafka::MirrorTrouble::target_offline);
  told = try_ensure(link_epoch).troubled;
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].trouble, kafka::MirrorTrouble::target_offline);
  EXPECT_FALSE(told[0].reason.empty());
}

// The source holds an election: the epoch here follows before its batches come in.
TEST_P(Mirroring, TheEpochFollowsTheSourcesAndFencesReaders) {
  start();
  auto link_epoch = attach();
  ensure(link_epoch);
  EXPECT_EQ(append(link_epoch, 0, make_batch({{}}, {}, 9), 9).error_code, ErrorCode::none);
  EXPECT_EQ(fetch("orders", {.current_epoch = 8}).error_code, ErrorCode::fenced_leader_epoch);
  EXPECT_EQ(fetch("orders", {.current_epoch = 9}).error_code, ErrorCode::none);
  EXPECT_EQ(fetch("orders", {.current_epoch = 10}).error_code, ErrorCode::unknown_leader_epoch);
}

TEST_P(Mirroring, APlannedPromotionOpensTheTopicAtTheEndThatWasHandedOver) {
  start();
  auto link_epoch = attach();
  ensure(link_epoch);
  append(link_epoch, 0, make_batch({{}, {}}, {}, 0));
  EXPECT_EQ(promote(id(1), false, 2).error_code, ErrorCode::none);
  EXPECT_EQ(promote(id(1), false, 2).error_code, ErrorCode::none) << "repeated";
  EXPECT_EQ(produce("orders", make_batch({{}})).base_offset, 2);
  EXPECT_EQ(append(link_epoch, 3, make_batch({{}}, {}, 0)).error_code, ErrorCode::policy_violation);
}

// The ends are looked at under a fence without a deadline: a refusal has to lift it.
TEST_P(Mirroring, AfterAPromotionThatWasRefusedTheMirrorGoesOn) {
  start();
  auto link_epoch = attach();
  ensure(link_epoch);
  append(link_epoch, 0, make_batch({{}, {}}, {}, 0));
  EXPECT_NE(promote(id(1), false, 3).error_code, ErrorCode::none) << "a record is missing";
  EXPECT_EQ(append(link_epoch, 2, make_batch({{}}, {}, 0, 2)).error_code, ErrorCode::none);
  EXPECT_EQ(promote(id(1), false, 3).error_code, ErrorCode::none);
}

TEST_P(Mirroring, AFailoverOpensTheTopicBehindAGapForGood) {
  start();
  auto link_epoch = attach();
  ensure(link_epoch);
  append(link_epoch, 0, make_batch({{}, {}}, {}, 0));
  report(link_epoch, 2);
  const auto told = promote(id(1), true);
  EXPECT_EQ(told.error_code, ErrorCode::none);
  Offset first = produce("orders", make_batch({{}})).base_offset;
  EXPECT_GE(first, 1'000'002);
  ASSERT_EQ(told.topics.size(), 1u);
  EXPECT_EQ(told.topics[0].partitions.at(0).next_offset, first);
  EXPECT_EQ(append(link_epoch, 2, make_batch({{}}, {}, 0, 2)).error_code,
            ErrorCode::policy_violation);
  EXPECT_EQ(bases(fetch("orders", {.offset = 2})), (std::vector<Offset>{2, first}))
      << "consumers must get across the gap";
  EXPECT_EQ(promote(id(1), true).error_code, ErrorCode::none);
  lose_power();
  for (uint8_t command : {1, 2}) {  // its answer was lost; the second time, it has a new id
    const auto again = promote(id(command), true);
    ASSERT_EQ(again.topics.size(), 1u) << "what was lost is told no more";
    EXPECT_EQ(again.topics[0].partitions.at(0).next_offset, first);
    EXPECT_EQ(again.topics[0].partitions.at(0).end_offset, 2);
  }
  EXPECT_EQ(produce("orders", make_batch({{}})).base_offset, first + 1) << "the gap grew";
  kafka::SwitchoverWishRequest abandon;
  abandon.link = "busan-seoul";
  abandon.switchover_id = id(1);
  abandon.abandon = true;
  EXPECT_NE(ask_peers(abandon).error_code, ErrorCode::none);
}

TEST_P(Mirroring, APromotionThatLosesNothingLeavesNoGap) {
  start();
  auto link_epoch = attach();
  ensure(link_epoch);
  append(link_epoch, 0, make_batch({{}, {}}, {}, 0));
  EXPECT_NE(promote_drained(id(1)).error_code, ErrorCode::none) << "nothing is known of the source";
  report(link_epoch, 3);
  EXPECT_NE(promote_drained(id(1)).error_code, ErrorCode::none) << "a record is missing";
  EXPECT_EQ(append(link_epoch, 2, make_batch({{}}, {}, 0, 2)).error_code, ErrorCode::none)
      << "the mirror does not go on";
  world.run_for(std::chrono::seconds(20));
  EXPECT_NE(promote_drained(id(1)).error_code, ErrorCode::none) << "it may have more by now";
  report(link_epoch, 3);
  const auto told = promote_drained(id(1));
  EXPECT_EQ(told.error_code, ErrorCode::none) << told.error_message.value_or("");
  ASSERT_EQ(told.topics.size(), 1u);
  EXPECT_EQ(told.topics[0].partitions.at(0).next_offset, 3);
  EXPECT_EQ(produce("orders", make_batch({{}})).base_offset, 3);
}

// Neither a mirror that is gone nor a restart of the target takes from what the source may have
// reached since it was heard.
TEST_P(Mirroring, TheGapGrowsFromTheSourcesLastWordOverRestarts) {
  start();
  auto link_epoch = attach();
  ensure(link_epoch);
  append(link_epoch, 0, make_batch({{}, {}}, {}, 0));
  report(link_epoch, 500);
  world.run_for(std::chrono::seconds(15));
  lose_power();
  world.run_for(std::chrono::minutes(5));
  const auto told = promote(id(1), true);
  ASSERT_EQ(told.topics.size(), 1u) << told.error_message.value_or("");
  const auto& p = told.topics[0].partitions.at(0);
  EXPECT_EQ(p.source_end_offset, 500);
  EXPECT_GT(p.next_offset, 300'000'000);
  EXPECT_LT(p.next_offset, 400'000'000);
}

// As a producer sees it: the answer takes a little longer.
TEST_P(Mirroring, AFenceHoldsProducersUntilItsDeadline) {
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

TEST_P(Mirroring, ALiftedFenceLetsProducersGoOnAtOnce) {
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
TEST_P(Mirroring, WhatMetAFenceIsSentAwayWhenTheMoveIsDone) {
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

TEST_P(Mirroring, ALongPollForWhatMovesAwayIsAnsweredAtOnce) {
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

TEST_P(Mirroring, WhoWaitsAtAFenceTakesNoRoomOfThoseWhoEndIt) {
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

TEST_P(Mirroring, AStopAnswersWhoWaitsAtAFence) {
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

class MirroringChanges : public Mirroring {
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
ON_ONE_LOOP_AND_ON_TWO(MirroringChanges);

TEST_P(MirroringChanges, WaitForTheEndOfAFence) {
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
TEST_P(MirroringChanges, AreSentToTheOtherSiteAfterAMove) {
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

TEST_P(MirroringChanges, AreRefusedInTheTimeOfTheirRequest) {
  start();
  create("t");
  ASSERT_EQ(fence(id(1), 60'000).error_code, ErrorCode::none);
  Changes changes;
  change_everything(changes);
  world.run_for(std::chrono::seconds(8));
  ASSERT_TRUE(changes.all());
  EXPECT_EQ(changes.error(), ErrorCode::not_controller);
}

TEST_P(MirroringChanges, AreAnsweredByAStop) {
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

TEST_P(Mirroring, AHandOverNamesTheEndThatWasDrainedTo) {
  start();
  Uuid t = create("t");
  produce("t", make_batch({{}, {}}));
  EXPECT_NE(hand_over(id(1), t, 2).error_code, ErrorCode::none) << "without a fence";
  ASSERT_EQ(fence(id(1), 5'000).error_code, ErrorCode::none);
  EXPECT_NE(hand_over(id(1), t, 1).error_code, ErrorCode::none) << "one record is missing";
  EXPECT_EQ(produce("t", make_batch({{}})).error_code, ErrorCode::none) << "refused, it opens";
}

// What is drained to, and handed over, no crash of the source takes any more.
TEST_P(Mirroring, AFenceAnswersWhenItsEndsAreDurable) {
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

TEST_P(Mirroring, WhatWasHandedOverStaysClosedOverTimeAndPowerLoss) {
  start();
  Uuid t = create("t");
  produce("t", make_batch({{}, {}}));
  ASSERT_EQ(fence(id(1), 5'000).error_code, ErrorCode::none);
  ASSERT_EQ(hand_over(id(1), t, 2).error_code, ErrorCode::none);
  EXPECT_EQ(hand_over(id(1), t, 2).error_code, ErrorCode::none) << "repeated";
  world.run_for(std::chrono::seconds(60));
  EXPECT_EQ(produce("t", make_batch({{}})).error_code, ErrorCode::not_leader_or_follower);
  lose_power();
  EXPECT_EQ(produce("t", make_batch({{}})).error_code, ErrorCode::not_leader_or_follower);
  kafka::FinishSwitchoverRequest back;
  back.switchover_id = id(1);
  back.link = "seoul-busan";
  back.promoted = false;
  back.target_id = "BBBBBBBBBBBBBBBBBBBBBB";
  back.target_number = 4;
  EXPECT_EQ(ask_peers(back).error_code, ErrorCode::invalid_request) << "a stranger's word";
  EXPECT_EQ(produce("t", make_batch({{}})).error_code, ErrorCode::not_leader_or_follower);
  back.target_id = busan;
  back.target_number = 3;
  ASSERT_EQ(ask_peers(back).error_code, ErrorCode::none);
  EXPECT_EQ(produce("t", make_batch({{}})).base_offset, 2);
}

// The disk is slow, the clock of the fence runs out, and the driver repeats itself: none of them
// may open what is being handed over.
TEST_P(Mirroring, NothingOpensWhileAHandOverIsBeingWrittenDown) {
  start();
  Uuid t = create("t");
  produce("t", make_batch({{}, {}}));
  ASSERT_EQ(fence(id(1), 2'000).error_code, ErrorCode::none);
  site.disk().sync_latency_min = site.disk().sync_latency_max = std::chrono::seconds(10);
  auto other = dial({"site", 9093});
  bool handed_over = false;
  client()->spawn("hand over", note_hand_over(*other, id(1), t, handed_over));
  world.run_for(std::chrono::seconds(1));
  EXPECT_NE(fence(id(1), 1, true).error_code, ErrorCode::none) << "a late lift";
  EXPECT_NE(fence(id(1), 1).error_code, ErrorCode::none) << "a late fence";
  world.run_for(std::chrono::seconds(3));
  EXPECT_FALSE(handed_over);
  EXPECT_EQ(produce("t", make_batch({{}}), 1).error_code, ErrorCode::not_leader_or_follower);
  world.run_until([&] { return handed_over; }, std::chrono::seconds(20));
  EXPECT_TRUE(handed_over);
}

// Its deletion and its return both fall into the time in which the partitions follow something
// else: they do not see that it was gone in between.
TEST_P(Mirroring, ATopicThatIsDeletedAndComesAgainUnderItsIdBeginsWithNothing) {
  start();
  const int64_t epoch = attach();
  ensure(epoch);
  EXPECT_EQ(append(epoch, 0, make_batch({{}, {}}, {}, 0)).end_offset, 2);
  site.disk().sync_latency_min = site.disk().sync_latency_max = std::chrono::milliseconds(10);
  kafka::CreateTopicsRequest create_many;
  auto& many = create_many.topics.emplace_back();
  many.name = "many";
  many.num_partitions = 500;
  many.replication_factor = 1;
  kafka::DeleteTopicsRequest remove;
  remove.timeout_ms = 30'000;
  remove.topics.push_back({"orders", {}});
  auto other = dial({"site", 9092});
  const auto created = start_in(*client(), connection->call(std::move(create_many), deadline()));
  world.run_for(std::chrono::milliseconds(200));
  const auto removed = start_in(*client(), other->call(std::move(remove), deadline()));
  world.run_for(std::chrono::milliseconds(200));
  ASSERT_FALSE(created->has_value() || removed->has_value()) << "they are followed";
  Ensured answer = try_ensure(epoch);
  for (int i = 0; i < 40 && answer.error_code == ErrorCode::leader_not_available; ++i) {
    world.run_for(std::chrono::milliseconds(250));
    answer = try_ensure(epoch);
  }
  ASSERT_EQ(answer.error_code, ErrorCode::none) << answer.error_message.value_or("");
  EXPECT_EQ(answer.partitions.at(0).end_offset, 0);
  EXPECT_EQ(append(epoch, 0, make_batch({{}}, {}, 0)).end_offset, 1);
}

// A failover went past this site while it was away. Until the way back nobody writes here what the
// other site writes, also after a restart; what only this site has goes on.
TEST_P(Mirroring, ASiteThatHasSteppedDownRefusesWritersGroupsAndNewNames) {
  start();
  const Uuid moved = create("t");
  create("local");
  kafka::StepDownRequest order;
  order.switchover_id.bytes.fill(6);
  order.link = "seoul-busan";
  order.topics = {moved};
  order.route_version = 1;
  order.routes.push_back({"seoul", "busan"});
  const auto stepped_down = ask_peers(order);
  ASSERT_EQ(stepped_down.error_code, ErrorCode::none);
  EXPECT_EQ(stepped_down.closed, 1);
  for (bool restarted : {false, true}) {
    SCOPED_TRACE(restarted);
    if (restarted) lose_power();
    EXPECT_EQ(produce("t", make_batch({{}})).error_code, ErrorCode::not_leader_or_follower);
    EXPECT_EQ(produce("local", make_batch({{}})).error_code, ErrorCode::none);
    kafka::MetadataRequest unknown;
    unknown.topics->push_back({Uuid{}, "new"});
    EXPECT_EQ(ask(unknown).topics[0].error_code, ErrorCode::unknown_topic_or_partition);
  }
  EXPECT_EQ(ask_peers(order).error_code, ErrorCode::none) << "repeated";
  kafka::FinishSwitchoverRequest open;
  open.switchover_id = order.switchover_id;
  open.link = order.link;
  EXPECT_NE(ask_peers(open).error_code, ErrorCode::none) << "not without the operator's word";
  open.force = true;
  ASSERT_EQ(ask_peers(open).error_code, ErrorCode::none);
  EXPECT_GT(produce("t", make_batch({{}})).base_offset, 1'000'000);
  EXPECT_EQ(produce("local", make_batch({{}})).base_offset, 2) << "nobody else wrote that";
}

// The other site may have been promoted, written and read before it died. A producer that went on
// there comes back with later sequences.
class TakingBack : public Mirroring {
 protected:
  void write_as(ProducerId producer) {
    t_ = create("t");
    EXPECT_EQ(produce("t", make_batch({{}, {}}, {producer, 0, 0})).base_offset, 0);
  }
  ErrorCode take_back(const Uuid& id) {
    kafka::FinishSwitchoverRequest request;
    request.switchover_id = id;
    request.link = "seoul-busan";
    request.force = true;
    return ask_peers(request).error_code;
  }
  void expect_one_gap(ProducerId producer) {
    // The refusal of the closed site is long ago.
    world.run_for(std::chrono::seconds(15));
    const auto jump = produce("t", make_batch({{}}, {producer, 0, 7}));
    EXPECT_EQ(jump.error_code, ErrorCode::none);
    EXPECT_GT(jump.base_offset, Offset{1} << 40) << "offsets that were read there";
    EXPECT_EQ(produce("t", make_batch({{}}, {producer, 0, 9})).error_code,
              ErrorCode::out_of_order_sequence_number);
    EXPECT_EQ(fetch("t", {.offset = 2, .current_epoch = 0}).error_code,
              ErrorCode::fenced_leader_epoch);
  }
  Uuid t_;
};
ON_ONE_LOOP_AND_ON_TWO(TakingBack);

TEST_P(TakingBack, WhatWasHandedOverGoesOnBehindAGap) {
  start();
  write_as(77);
  ASSERT_EQ(fence(id(1), 5'000).error_code, ErrorCode::none);
  ASSERT_EQ(hand_over(id(1), t_, 2).error_code, ErrorCode::none);
  EXPECT_EQ(take_back(id(1)), ErrorCode::none);
  EXPECT_EQ(take_back(id(1)), ErrorCode::none) << "repeated";
  expect_one_gap(77);
}

TEST_P(TakingBack, ASiteThatNeverHeardOfTheFailoverGoesOnBehindAGap) {
  start();
  write_as(77);
  EXPECT_EQ(take_back(id(1)), ErrorCode::none);
  const Offset first = produce("t", make_batch({{}})).base_offset;
  EXPECT_EQ(take_back(id(1)), ErrorCode::none) << "repeated";
  EXPECT_EQ(produce("t", make_batch({{}})).base_offset, first + 1);
  lose_power();
  expect_one_gap(77);
  // The other one lives after all, and says that it was promoted before.
  kafka::StepDownRequest late;
  late.switchover_id = id(2);
  late.link = "seoul-busan";
  late.topics = {t_};
  late.route_version = 1;
  ask_peers(late);
  EXPECT_EQ(produce("t", make_batch({{}})).error_code, ErrorCode::none);
}

TEST_P(TakingBack, WhereNothingIsWrittenThereIsNothingToTakeBack) {
  start();
  ensure(attach());
  EXPECT_EQ(take_back(id(1)), ErrorCode::invalid_request);
}

}  // namespace
}  // namespace isthmus::broker
