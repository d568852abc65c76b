// Leaders and followers over real logs: what is acknowledged survives every change of leaders, and
// all replicas come to be alike.
#include "tests/broker/replication/joined_replicas.h"

namespace isthmus::broker {
namespace {

using kafka::ErrorCode;
using std::chrono::seconds;

template <typename T>
ErrorCode refusal_of(const Result<T>& result) {
  if (result) return ErrorCode::none;
  return result.error().kind == Error::Kind::kafka ? kafka::error_code(result.error())
                                                   : ErrorCode::unknown_server_error;
}

using Replicas = JoinedReplicas;

TEST_F(Replicas, AnAcknowledgementWaitsForEveryMemberOfTheIsr) {
  auto appended = append(a);
  ASSERT_TRUE(appended);
  auto safe = committed(a, *appended);
  sync(a);
  follow(b);
  world_.run_for(seconds(1));
  EXPECT_FALSE(safe->has_value()) << "broker 3 does not have it";
  EXPECT_EQ(this->safe(a), 0);
  follow(c);
  world_.run_for(seconds(1));
  ASSERT_TRUE(safe->has_value());
  EXPECT_TRUE(safe->value());
  EXPECT_EQ(this->safe(a), 1);
  expect_same_logs();
}

TEST_F(Replicas, AFetchSaysWhatIsDurableAndNotWhatHasCome) {
  ASSERT_TRUE(append(a));
  sync(a);
  follow(c);
  Follower& follower = nodes_.at(b).follower;
  while (follower.step(now()).kind != FollowerStep::Kind::copy) ASSERT_TRUE(step(b));
  const FollowerStep copy = follower.step(now());
  ReplicaWriter writer{copy.epoch, copy.offset, copy.high_watermark, copy.log_start, {}};
  nodes_.at(b).host->disk().sync_latency_min = seconds(5);
  nodes_.at(b).host->disk().sync_latency_max = seconds(5);
  ASSERT_TRUE(on(b, [&](Partition& p) { return p.append(writer, copy.records); }));
  world_.run_for(seconds(1));
  EXPECT_EQ(end(b), 1);
  EXPECT_EQ(safe(a), 0) << "broker 2 would lose it with its power";
}

// The reserve is for what makes room again: a follower falls behind, and deletes what its leader
// has deleted.
TEST_F(Replicas, ACopyLeavesTheReserveAlone) {
  ASSERT_TRUE(append(a, 5));
  sync(a);
  all_follow();
  Node& full = nodes_.at(b);
  auto ballast = full.process->env().disk.open("/data/ballast", io::Disk::Open::create);
  ASSERT_TRUE((*ballast)->append(std::vector<uint8_t>(1 << 20)));
  full.host->disk().capacity = full.host->disk().used() + 50'000;  // less than a tenth
  full.room->look();
  ASSERT_TRUE(append(a));
  sync(a);
  all_follow();
  EXPECT_EQ(end(c), 6);
  EXPECT_EQ(end(b), 5);
  ASSERT_TRUE(on(a, [](Partition& p) { return p.delete_records(ClientWriter{}, 3); }));
  world_.run_for(seconds(2));
  follow(b);
  EXPECT_EQ(end(b), 5);
  EXPECT_EQ(view(b).start_offset, 3);
  full.host->disk().capacity = UINT64_MAX;
  full.room->look();
  world_.run_for(seconds(2));
  follow(b);
  EXPECT_EQ(end(b), 6);
}

TEST_F(Replicas, AFollowerServesNobodyAndTakesNothing) {
  EXPECT_EQ(refusal_of(append(b)), ErrorCode::not_leader_or_follower);
  on(b, [&](Partition& p) {
    EXPECT_EQ(p.read({.max_bytes = 100}).error, ErrorCode::not_leader_or_follower);
    EXPECT_EQ(p.read({.current_leader_epoch = epoch() + 1}).error, ErrorCode::unknown_leader_epoch);
    EXPECT_EQ(p.read({.current_leader_epoch = epoch() - 1}).error, ErrorCode::fenced_leader_epoch);
    EXPECT_EQ(refusal_of(p.append(CoordinatorWriter{}, {})), ErrorCode::not_leader_or_follower);
    EXPECT_EQ(refusal_of(p.append(MarkerWriter{}, {})), ErrorCode::not_leader_or_follower);
    EXPECT_EQ(refusal_of(p.append(LinkWriter{}, {})), ErrorCode::not_leader_or_follower);
    EXPECT_EQ(refusal_of(p.append(ExportWriter{}, {})), ErrorCode::not_leader_or_follower);
    EXPECT_EQ(refusal_of(p.delete_records(ClientWriter{}, 0)), ErrorCode::not_leader_or_follower);
    EXPECT_EQ(refusal_of(p.truncate(0)), ErrorCode::not_leader_or_follower);
    EXPECT_EQ(refusal_of(p.check_epoch(epoch())), ErrorCode::not_leader_or_follower);
    ASSERT_TRUE(p.fence(uuid_of(9), seconds(5)).refusal);
    EXPECT_EQ(p.fence(uuid_of(9), seconds(5)).refusal->code, ErrorCode::not_leader_or_follower);
  });
}

// KIP-101, KAFKA-1211: the follower's watermark lags by a fetch.
TEST_F(Replicas, WhatIsAcknowledgedSurvivesALeaderWhoseWatermarkLags) {
  ASSERT_TRUE(append(a, 3));
  sync(a);
  // Everybody has it, and the leader has acknowledged it; the followers do not know that yet.
  for (NodeId id : {b, c}) {
    while (end(id) < 3) ASSERT_TRUE(step(id));
    ASSERT_EQ(nodes_.at(id).follower.step(now()).kind, FollowerStep::Kind::fetch);
    const FollowerStep fetch = nodes_.at(id).follower.step(now());
    (void)read_as_follower(id, a, fetch);
  }
  ASSERT_EQ(safe(a), 3);
  ASSERT_EQ(safe(b), 0);
  restarts(b);
  restarts(a);
  elect(b, {b, c});
  all_follow();
  EXPECT_EQ(end(b), 3);
  EXPECT_EQ(safe(b), 3);
  expect_same_logs();
}

TEST_F(Replicas, ATailThatNobodyElseHadIsCutWhenItsLeaderComesBack) {
  ASSERT_TRUE(append(a, 2));
  sync(a);
  all_follow();
  ASSERT_TRUE(append(a, 5));  // and nobody fetches it
  sync(a);
  ASSERT_EQ(end(a), 7);
  decide(b, {b, c});
  hears(b);
  hears(c);
  ASSERT_TRUE(append(b, 3));
  sync(b);
  follow(c);
  EXPECT_EQ(safe(b), 5) << "two of three are enough";
  hears(a);
  follow(a);
  EXPECT_EQ(end(a), 5);
  expect_same_logs();
}

// An unsynced tail may be gone after a power loss, or some of it.
TEST_F(Replicas, AFollowerThatLostAnUnsyncedTailCopiesItAgain) {
  durability_ = Durability::page_cache;
  for (auto& [id, node] : nodes_) {
    close(node);
    open(node);
  }
  all_hear();
  ASSERT_TRUE(append(a, 4));
  all_follow();
  EXPECT_EQ(safe(a), 4);
  restarts(b);
  isr_becomes({a, c});
  ASSERT_TRUE(append(a, 1));
  all_follow();
  EXPECT_EQ(end(b), 5);
  expect_same_logs();
}

// KAFKA-6361, KIP-279: two failovers in a row, and each leader has a tail of its own.
TEST_F(Replicas, FastDoubleFailoverLeavesNoDivergence) {
  ASSERT_TRUE(append(a, 4));
  sync(a);
  all_follow();
  ASSERT_TRUE(append(a, 6));  // only broker 1 has it
  sync(a);
  decide(b, {b, c});
  hears(b);
  ASSERT_TRUE(append(b, 2, false));  // only broker 2 has it
  sync(b);
  decide(c, {c, b});
  hears(c);
  ASSERT_TRUE(append(c, 3, false));
  sync(c);
  // They come back in either order.
  hears(a);
  hears(b);
  follow(a);
  follow(b);
  EXPECT_EQ(end(c), 7);
  expect_same_logs();
  EXPECT_EQ(safe(c), 7);
  // And once more, to the one that was cut first.
  elect(a);
  ASSERT_TRUE(append(a, 2));
  sync(a);
  all_follow();
  EXPECT_EQ(safe(a), 9);
  expect_same_logs();
}

// KIP-320: it has not heard that another leads.
TEST_F(Replicas, AZombieLeaderAcknowledgesNothing) {
  ASSERT_TRUE(append(a, 2));
  sync(a);
  all_follow();
  ASSERT_EQ(safe(a), 2);
  decide(b, {b, c});
  hears(b);
  hears(c);
  auto late = append(a, 3);
  ASSERT_TRUE(late) << "it does not know better";
  auto acknowledged = committed(a, *late);
  sync(a);
  const FollowerStep step{.epoch = epoch(), .offset = 2, .last_epoch = 1, .max_bytes = 1 << 20};
  EXPECT_EQ(read_as_follower(c, a, step).error, ErrorCode::unknown_leader_epoch);
  ASSERT_TRUE(append(b, 1));
  sync(b);
  follow(c);
  EXPECT_EQ(safe(b), 3);
  world_.run_for(seconds(1));
  EXPECT_FALSE(acknowledged->has_value());
  EXPECT_EQ(safe(a), 2);
  hears(a);
  world_.run_for(seconds(1));
  ASSERT_TRUE(acknowledged->has_value()) << "the producer hangs";
  EXPECT_EQ(refusal_of(acknowledged->value()), ErrorCode::not_leader_or_follower);
  follow(a);
  expect_same_logs();
}

// Others lie at those offsets by then: their watermark is no answer to what was cut.
TEST_F(Replicas, WhoWaitsIsNotToldThatAnothersRecordsAreHis) {
  all_follow();
  auto cut = append(a, 3);
  ASSERT_TRUE(cut);
  sync(a);
  elect(b, {b, c});
  ASSERT_TRUE(append(b, 5));
  sync(b);
  all_follow();
  all_follow();
  ASSERT_EQ(safe(a), 5);
  auto outcome = committed(a, *cut);
  world_.run_for(seconds(1));
  ASSERT_TRUE(outcome->has_value());
  EXPECT_EQ(refusal_of(outcome->value()), ErrorCode::not_leader_or_follower);
}

// KAFKA-18991, at the partition: the copier's answer was under way when the image came.
TEST_F(Replicas, WhatWasAskedForUnderAnEarlierEpochIsNotWritten) {
  ASSERT_TRUE(append(a, 2));
  sync(a);
  while (nodes_.at(c).follower.step(now()).kind != FollowerStep::Kind::copy) ASSERT_TRUE(step(c));
  const FollowerStep late = nodes_.at(c).follower.step(now());
  elect(b, {b, c});
  EXPECT_EQ(refusal_of(copy(c, late)), ErrorCode::fenced_leader_epoch);
  EXPECT_EQ(end(c), 0);
  EXPECT_EQ(refusal_of(on(c, [&](Partition& p) { return p.cut_to(late.epoch, 0); })),
            ErrorCode::fenced_leader_epoch);
  EXPECT_EQ(refusal_of(on(c, [&](Partition& p) { return p.begin_anew(late.epoch, 9); })),
            ErrorCode::fenced_leader_epoch);
  const FollowerStep at_leader{.epoch = epoch(), .offset = 0};
  EXPECT_EQ(refusal_of(copy(b, at_leader)), ErrorCode::fenced_leader_epoch) << "it leads";
}

TEST_F(Replicas, ADamagedBatchIsNotWritten) {
  ASSERT_TRUE(append(a, 2));
  sync(a);
  while (nodes_.at(c).follower.step(now()).kind != FollowerStep::Kind::copy) ASSERT_TRUE(step(c));
  FollowerStep damaged = nodes_.at(c).follower.step(now());
  std::vector<uint8_t> bytes(damaged.records.view().begin(), damaged.records.view().end());
  bytes.back() ^= 1;
  damaged.records = Slice::take(std::move(bytes));
  EXPECT_EQ(refusal_of(copy(c, damaged)), ErrorCode::corrupt_message);
  EXPECT_EQ(end(c), 0);
}

// A client has several on their way. The first was refused, and then there are enough: librdkafka
// takes OUT_OF_ORDER_SEQUENCE_NUMBER for the second as the end of its producer.
TEST_F(Replicas, WhatWasSentBehindARefusalForTooFewReplicasIsToBeSentAgain) {
  ASSERT_TRUE(append_in_sequence(a, 0));
  sync(a);
  all_follow();
  isr_becomes({a});
  EXPECT_EQ(refusal_of(append_in_sequence(a, 1)), ErrorCode::not_enough_replicas);
  isr_becomes({a, b});
  EXPECT_EQ(refusal_of(append_in_sequence(a, 2)), ErrorCode::not_leader_or_follower);
  EXPECT_TRUE(append_in_sequence(a, 1));
  EXPECT_TRUE(append_in_sequence(a, 2));
}

TEST_F(Replicas, BelowMinInsyncReplicasNothingIsTakenAndNothingBecomesSafe) {
  ASSERT_TRUE(append(a, 2));
  sync(a);
  all_follow();
  auto before = append(a);
  ASSERT_TRUE(before);
  sync(a);
  auto outcome = committed(a, *before, seconds(5));
  isr_becomes({a});
  EXPECT_EQ(refusal_of(append(a)), ErrorCode::not_enough_replicas);
  EXPECT_EQ(refusal_of(on(a, [](Partition& p) { return p.append(CoordinatorWriter{}, {}); })),
            ErrorCode::not_enough_replicas);
  ASSERT_TRUE(append(a, 1, false)) << "who does not wait for others needs none";
  sync(a);
  EXPECT_EQ(safe(a), 2) << "KAFKA-15583";
  world_.run_for(seconds(6));
  ASSERT_TRUE(outcome->has_value());
  EXPECT_EQ(refusal_of(outcome->value()), ErrorCode::not_enough_replicas_after_append);
  isr_becomes({a, b});
  follow(b);
  EXPECT_EQ(safe(a), 4);
}

TEST_F(Replicas, ATopicMaySayHowManyAreEnough) {
  topic_.configs["min.insync.replicas"] = "1";
  ASSERT_TRUE(append(a));
  sync(a);
  isr_becomes({a});
  EXPECT_EQ(safe(a), 1);
  EXPECT_TRUE(append(a));
  topic_.configs["min.insync.replicas"] = "5";
  isr_becomes({a, b, c});
  EXPECT_TRUE(append(a)) << "never more than there are";
}

// KIP-207.
TEST_F(Replicas, ANewLeaderTellsNoEndBelowWhatTheOneBeforeHasTold) {
  ASSERT_TRUE(append(a, 3));
  sync(a);
  for (NodeId id : {b, c}) {
    while (end(id) < 3) ASSERT_TRUE(step(id));
    (void)read_as_follower(id, a, nodes_.at(id).follower.step(now()));
  }
  ASSERT_EQ(safe(a), 3);
  elect(b, {b, c});
  Node& leader = nodes_.at(b);
  io::Workers& workers = leader.process->env().workers;
  const auto latest = [&] { return run(leader, leader.partition->list_offset({}, workers)); };
  EXPECT_EQ(refusal_of(latest()), ErrorCode::offset_not_available);
  OffsetQuery earliest;
  earliest.timestamp = OffsetQuery::earliest;
  EXPECT_TRUE(run(leader, leader.partition->list_offset(earliest, workers)));
  follow(c);
  auto told = latest();
  ASSERT_TRUE(told) << told.error().text;
  EXPECT_EQ(told->offset, 3);
}

TEST_F(Replicas, AFollowerThatRetentionHasOvertakenBeginsAnew) {
  ASSERT_TRUE(append(a, 2));
  sync(a);
  follow(b);
  follow(c);
  ASSERT_TRUE(append(a, 8));
  sync(a);
  isr_becomes({a, c});
  follow(c);
  ASSERT_EQ(safe(a), 10);
  ASSERT_TRUE(on(a, [](Partition& p) { return p.delete_records(ClientWriter{}, 6); }));
  all_follow();
  EXPECT_EQ(view(b).start_offset, 6) << "within a batch";
  EXPECT_EQ(end(b), 10);
  expect_same_logs();
}

TEST_F(Replicas, TheStartOfTheLogFollowsItsLeaders) {
  ASSERT_TRUE(append(a, 2));
  ASSERT_TRUE(append(a, 2));
  sync(a);
  all_follow();
  ASSERT_EQ(safe(a), 4);
  ASSERT_TRUE(on(a, [](Partition& p) { return p.delete_records(ClientWriter{}, 3); }));
  all_follow();
  EXPECT_EQ(view(b).start_offset, 3);
  EXPECT_EQ(view(c).start_offset, 3);
}

TEST_F(Replicas, WhatAFollowerLearnsOfProducersIsThereWhenItLeads) {
  kafka::BatchBuilder builder({.producer_id = 7, .producer_epoch = 0, .base_sequence = 0});
  builder.add(1000, std::nullopt, as_bytes("v"));
  const Slice batch = std::move(builder).finish();
  ASSERT_TRUE(on(a, [&](Partition& p) { return p.append(ClientWriter{}, batch); }));
  sync(a);
  all_follow();
  elect(b);
  auto again = on(b, [&](Partition& p) { return p.append(ClientWriter{}, batch); });
  ASSERT_TRUE(again);
  EXPECT_TRUE(again->duplicate);
  EXPECT_EQ(end(b), 1);
}

// Its source's epochs, its source's owner; and after a promotion ours.
TEST_F(Replicas, AMirrorIsCopiedWithTheOwnersOfItsEpochs) {
  topic_.writer = kafka::TopicWriter::Link{"l", 2};
  image_.links["l"].epoch = 1;
  put_epoch(partition(), 20, image_);
  all_hear();
  LinkWriter link;
  link.link = "l";
  link.link_epoch = 1;
  const auto mirror = [&](Offset at, LeaderEpoch source_epoch) {
    link.expected_offset = at;
    kafka::BatchBuilder builder({.base_offset = at, .leader_epoch = source_epoch});
    builder.add(1000, std::nullopt, as_bytes("v"));
    const Slice batch = std::move(builder).finish();
    return on(a, [&](Partition& p) { return p.append(link, batch); });
  };
  ASSERT_TRUE(mirror(0, 12));
  ASSERT_TRUE(mirror(1, 14));
  sync(a);
  all_follow();
  ASSERT_TRUE(mirror(2, 15));
  sync(a);
  all_follow();
  expect_same_logs();
  EXPECT_EQ(epochs(b), (std::vector<EpochEntry>{{12, 0, 2}, {14, 1, 2}, {15, 2, 2}}));
  topic_.writer = kafka::TopicWriter::Clients{};
  put_epoch(partition(), next_generation(20), image_);
  partition().promoted_to = 10;
  all_hear();
  EXPECT_EQ(end(b), 3) << "a follower leaves no gap of its own";
  EXPECT_EQ(end(a), 10);
  sync(a);
  all_follow();
  expect_same_logs();
}

// ---- the ISR ----

TEST_F(Replicas, ALeaderProposesToLeaveOutWhoIsSilentAndToLetInWhoIsBack) {
  const auto propose = [&] {
    auto proposal = on(a, [](Partition& p) { return p.propose_isr(); });
    std::vector<NodeId> nodes;
    if (!proposal) return nodes;
    for (const auto& member : proposal->isr) nodes.push_back(member.node);
    return nodes;
  };
  const auto decided = [&] {
    on(a, [&](Partition& p) { p.isr_proposed(epoch(), IsrOutcome::decided); });
  };
  all_follow();
  EXPECT_TRUE(propose().empty());
  auto appended = append(a);
  ASSERT_TRUE(appended);
  sync(a);
  world_.run_for(seconds(8));
  follow(b);
  world_.run_for(seconds(4));
  ASSERT_EQ(propose(), (std::vector<NodeId>{a, b}));
  follow(b);
  EXPECT_EQ(safe(a), 0) << "broker 3 may be elected until the record has left it out";
  isr_becomes({a, b});
  decided();
  EXPECT_EQ(safe(a), 1);
  ASSERT_TRUE(append(a, 2));
  sync(a);
  follow(b);
  EXPECT_EQ(safe(a), 3);
  while (end(c) < 1) ASSERT_TRUE(step(c));
  follow(c);
  ASSERT_EQ(propose(), (std::vector<NodeId>{a, b, c}));
  ASSERT_TRUE(append(a));
  sync(a);
  follow(b);
  EXPECT_EQ(safe(a), 3) << "broker 3 may be in the record already";
  isr_becomes({a, b, c});
  decided();
  follow(c);
  EXPECT_EQ(safe(a), 4);
}

// KIP-903: it comes back with an empty disk, and would say that it has what it had.
TEST_F(Replicas, AFetchOfAnEarlierStartIsRefused) {
  ASSERT_TRUE(append(a, 2));
  sync(a);
  all_follow();
  ++image_.brokers[c].starts;
  all_hear();
  const FollowerStep step{.epoch = epoch(), .offset = 2, .last_epoch = 1, .max_bytes = 1000};
  ReadSpec spec;
  spec.offset = step.offset;
  spec.current_leader_epoch = step.epoch;
  spec.follower = ReadingFollower{c, image_.brokers[c].starts - 1};
  EXPECT_EQ(on(a, [&](Partition& p) { return p.read(spec); }).error,
            ErrorCode::not_leader_or_follower);
  spec.follower = ReadingFollower{9, 1};
  EXPECT_EQ(on(a, [&](Partition& p) { return p.read(spec); }).error,
            ErrorCode::not_leader_or_follower)
      << "no replica";
  spec.follower = ReadingFollower{c, image_.brokers[c].starts};
  spec.current_leader_epoch = -1;
  EXPECT_EQ(on(a, [&](Partition& p) { return p.read(spec); }).error,
            ErrorCode::unknown_leader_epoch)
      << "it names no epoch";
}

}  // namespace
}  // namespace isthmus::broker
