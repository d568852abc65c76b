// The private API of mirror processes, against a broker that serves both.
#include "broker/handlers/dispatch.h"
#include "kafka/gen/create_partitions.h"
#include "kafka/gen/delete_records.h"
#include "kafka/gen/delete_topics.h"
#include "kafka/gen/describe_site.h"
#include "kafka/gen/finish_switchover.h"
#include "kafka/gen/report_mirror.h"
#include "kafka/gen/step_down.h"
#include "kafka/gen/switchover_wish.h"
#include "tests/broker/handlers/mirroring_world.h"

namespace isthmus::broker {
namespace {

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

// After the hand-over nobody writes anywhere: who asks is told why.
TEST_P(Mirroring, APromotionThatIsRefusedIsSeenUntilItIsDone) {
  start();
  auto link_epoch = attach();
  ensure(link_epoch);
  append(link_epoch, 0, make_batch({{}, {}}, {}, 0));
  kafka::SwitchoverWishRequest wish;
  wish.link = "busan-seoul";
  wish.switchover_id = id(1);
  EXPECT_EQ(ask_peers(wish).error_code, ErrorCode::none);
  EXPECT_EQ(trouble(), "");
  EXPECT_NE(promote(id(1), false, 3).error_code, ErrorCode::none);
  EXPECT_EQ(trouble(), "orders-0: the log ends at 2, not where it was handed over");
  append(link_epoch, 2, make_batch({{}}, {}, 0, 2));
  EXPECT_EQ(promote(id(1), false, 3).error_code, ErrorCode::none);
  EXPECT_EQ(trouble(), "");
}

TEST_P(Mirroring, ASwitchoverThatIsGivenUpIsToldWithTheReason) {
  start();
  attach();
  kafka::SwitchoverWishRequest wish;
  wish.link = "busan-seoul";
  wish.switchover_id = id(1);
  EXPECT_EQ(ask_peers(wish).error_code, ErrorCode::none);
  wish.abandon = true;
  wish.reason = "drain: orders-0 did not catch up within the fence";
  EXPECT_EQ(ask_peers(wish).error_code, ErrorCode::none);
  EXPECT_EQ(trouble(), wish.reason);
  wish.switchover_id = id(2);
  wish.abandon = false;
  wish.reason.clear();
  EXPECT_EQ(ask_peers(wish).error_code, ErrorCode::none);
  EXPECT_EQ(trouble(), "") << "of the one before";
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
