#include "broker/log/producers.h"

#include "base/crc32c.h"
#include "base/leader_epoch.h"
#include "broker/log/gap.h"
#include "broker/log/producer_snapshot.h"
#include "tests/broker/log/log_world.h"

namespace isthmus::broker {
namespace {

using Kind = ProducerVerdict::Kind;

kafka::BatchHeader batch(int32_t sequence, int records = 1, ProducerEpoch epoch = 0,
                         ProducerId id = 7) {
  kafka::BatchHeader header;
  header.producer_id = id;
  header.producer_epoch = epoch;
  header.base_sequence = sequence;
  header.last_offset_delta = records - 1;
  header.record_count = records;
  header.max_timestamp = 1000;
  return header;
}

class Producers : public ::testing::Test {
 protected:
  Kind check(const kafka::BatchHeader& header, bool behind_a_refusal = false) {
    return states.check(header, AppendOrigin::client, behind_a_refusal).kind;
  }
  void put(kafka::BatchHeader header) {
    header.base_offset = next;
    next = header.next_offset();
    states.appended(header, 2000);
  }
  ProducerStates states;
  Offset next = 0;
};

TEST_F(Producers, AnUnknownOneMayBeginAnywhere) {
  EXPECT_EQ(check(batch(0)), Kind::ok);
  EXPECT_EQ(check(batch(500)), Kind::ok);  // its state expired, or its records were deleted
}

TEST_F(Producers, SequencesFollowOneAnother) {
  put(batch(0, 3));
  EXPECT_EQ(check(batch(3)), Kind::ok);
  EXPECT_EQ(check(batch(4)), Kind::out_of_order_sequence);
  EXPECT_EQ(check(batch(2)), Kind::out_of_order_sequence);
}

TEST_F(Producers, TheLastFiveBatchesAreKnownAsDuplicates) {
  for (int i = 0; i < 7; ++i) put(batch(i * 2, 2));
  for (int i = 2; i < 7; ++i) {
    const auto verdict = states.check(batch(i * 2, 2), AppendOrigin::client);
    EXPECT_EQ(verdict.kind, Kind::duplicate);
    EXPECT_EQ(verdict.first_offset, i * 2);
    EXPECT_EQ(verdict.last_offset, i * 2 + 1);
  }
  EXPECT_EQ(check(batch(2, 2)), Kind::out_of_order_sequence);
  // The same first sequence, but another batch.
  EXPECT_EQ(check(batch(12, 3)), Kind::out_of_order_sequence);
}

TEST_F(Producers, SequencesWrapToZero) {
  put(batch(INT32_MAX - 1, 2));
  EXPECT_EQ(check(batch(0)), Kind::ok);
  put(batch(0));
  EXPECT_EQ(check(batch(INT32_MAX - 1, 2)), Kind::duplicate);

  ProducerStates inside;
  inside.appended(batch(INT32_MAX, 3), 0);  // INT32_MAX, 0, 1
  EXPECT_EQ(inside.check(batch(2), AppendOrigin::client).kind, Kind::ok);
  EXPECT_EQ(inside.check(batch(INT32_MAX, 3), AppendOrigin::client).kind, Kind::duplicate);
}

TEST_F(Producers, ANewEpochBeginsAtZeroAndFencesTheOld) {
  put(batch(0, 5));
  EXPECT_EQ(check(batch(5, 1, 1)), Kind::out_of_order_sequence);
  EXPECT_EQ(check(batch(0, 5, 1)), Kind::ok);
  put(batch(0, 5, 1));
  EXPECT_EQ(check(batch(5, 1, 0)), Kind::invalid_producer_epoch);
  EXPECT_EQ(check(batch(0, 5, 0)), Kind::invalid_producer_epoch);
  EXPECT_EQ(check(batch(0, 5, 1)), Kind::duplicate);
}

TEST_F(Producers, WhatALeaderHasAcceptedIsNotJudgedAgain) {
  put(batch(0));
  EXPECT_TRUE(states.check(batch(50), AppendOrigin::replication).accepted());
}

TEST_F(Producers, InsideATransactionEveryBatchIsTransactional) {
  auto begin = batch(0);
  begin.attributes |= kafka::BatchHeader::transactional_bit;
  put(begin);
  EXPECT_EQ(check(batch(1)), Kind::invalid_txn_state);
}

TEST_F(Producers, OneGapForwardIsAllowedAfterAFailover) {
  put(batch(0, 10));
  EXPECT_EQ(check(batch(40)), Kind::out_of_order_sequence);
  states.allow_one_gap();
  EXPECT_EQ(check(batch(40), true), Kind::too_early);
  EXPECT_EQ(check(batch(5)), Kind::out_of_order_sequence) << "backwards";
  EXPECT_EQ(check(batch(0, 10)), Kind::duplicate);
  EXPECT_EQ(check(batch(40)), Kind::gap);
  EXPECT_EQ(states.gaps_taken(), 0u);
  put(batch(40));
  EXPECT_EQ(states.gaps_taken(), 1u);
  EXPECT_EQ(check(batch(41)), Kind::ok);
  EXPECT_EQ(check(batch(60)), Kind::out_of_order_sequence);
}

// A batch was refused, for the site had not been promoted; the one behind it, on the same
// connection, arrives after the promotion. librdkafka ends a producer that is told "out of order".
TEST_F(Producers, WhoComesBehindARefusalIsTooEarlyAndNotOutOfOrder) {
  put(batch(0, 10));
  EXPECT_EQ(check(batch(26), true), Kind::too_early);
  EXPECT_EQ(check(batch(10, 16), true), Kind::ok) << "the retry";
  EXPECT_EQ(check(batch(5), true), Kind::out_of_order_sequence) << "backwards";
  EXPECT_EQ(check(batch(0, 10), true), Kind::duplicate);
  EXPECT_EQ(states.check(batch(26), AppendOrigin::client, true).error(),
            kafka::ErrorCode::not_leader_or_follower);
}

// The same of a new producer: its second batch would be taken for its first.
TEST_F(Producers, WhoIsUnknownAndComesBehindARefusalIsTooEarly) {
  EXPECT_EQ(check(batch(1, 52), true), Kind::too_early);
  EXPECT_EQ(check(batch(0), true), Kind::ok);
  EXPECT_EQ(check(batch(1, 52)), Kind::ok) << "its state may have expired";
}

TEST_F(Producers, TheGapLapsesWhenNothingWasMissing) {
  put(batch(0));
  states.allow_one_gap();
  put(batch(1));
  EXPECT_EQ(check(batch(9)), Kind::out_of_order_sequence);
  EXPECT_EQ(states.gaps_taken(), 0u);
}

TEST_F(Producers, TheGapMayCrossTheWrap) {
  put(batch(INT32_MAX - 2, 2));
  states.allow_one_gap();
  EXPECT_EQ(check(batch(3)), Kind::gap);
}

// The first batches of an epoch that began at the lost site may be what was lost.
TEST_F(Producers, TheGapMayLeadIntoALaterEpoch) {
  put(batch(0, 3));
  EXPECT_EQ(check(batch(7, 1, 1)), Kind::out_of_order_sequence);
  states.allow_one_gap();
  EXPECT_EQ(check(batch(7, 1, 1), true), Kind::too_early);
  EXPECT_EQ(check(batch(0, 1, 1), true), Kind::ok) << "nothing of it is missing";
  EXPECT_EQ(check(batch(7, 1, 1)), Kind::gap);
  put(batch(7, 1, 1));
  EXPECT_EQ(states.gaps_taken(), 1u);
  EXPECT_EQ(check(batch(8, 1, 1)), Kind::ok);
  EXPECT_EQ(check(batch(3)), Kind::invalid_producer_epoch);
  EXPECT_EQ(check(batch(7, 1, 2)), Kind::out_of_order_sequence) << "one gap, not two";
}

TEST_F(Producers, IdleOnesExpireButNotInsideATransaction) {
  put(batch(0));
  auto open = batch(0, 1, 0, 8);
  open.attributes |= kafka::BatchHeader::transactional_bit;
  put(open);
  states.expire(2999, 1000);
  EXPECT_EQ(states.all().size(), 2u);
  states.expire(3000, 1000);
  EXPECT_EQ(states.find(7), nullptr);
  EXPECT_NE(states.find(8), nullptr);
}

TEST(ProducerLimit, TheLongestSilentGiveWay) {
  ProducerStates states(16);
  for (int i = 0; i < 100; ++i) states.appended(batch(0, 1, 0, i), 1000 + i);
  EXPECT_LE(states.all().size(), 16u);
  EXPECT_NE(states.find(99), nullptr);
  EXPECT_EQ(states.find(0), nullptr);
}

TEST_F(Producers, ASnapshotKeepsAllOfIt) {
  for (int i = 0; i < 9; ++i) put(batch(i, 1, 3, i % 2 ? 7 : 1'000'000'007));
  auto open = batch(9, 2, 3, 42);
  open.attributes |= kafka::BatchHeader::transactional_bit;
  put(open);
  states.allow_one_gap();
  const auto bytes = encode_snapshot(states);
  auto decoded = decode_snapshot(bytes, "snapshot");
  ASSERT_TRUE(decoded) << decoded.error().text;
  EXPECT_EQ(decoded->all(), states.all());
  EXPECT_EQ(decoded->open_transactions(), states.open_transactions());
  EXPECT_EQ(encode_snapshot(*decoded), bytes);
}

TEST_F(Producers, ADamagedSnapshotIsRefusedAtEveryByte) {
  for (int i = 0; i < 6; ++i) put(batch(i));
  const auto bytes = encode_snapshot(states);
  for (size_t i = 0; i < bytes.size(); ++i) {
    auto damaged = bytes;
    damaged[i] ^= 0x10;
    EXPECT_FALSE(decode_snapshot(damaged, "snapshot")) << i;
    EXPECT_FALSE(decode_snapshot(Bytes(bytes).first(i), "snapshot")) << i;
  }
}

TEST(ProducerSnapshot, OfKafkaItselfIsRead) {
  // One producer (id 5, epoch 2, last sequence 9 at offset 20), without our second part.
  ProducerStates states;
  kafka::BatchHeader header = batch(9, 1, 2, 5);
  header.base_offset = 20;
  states.appended(header, -1);
  auto bytes = encode_snapshot(states);
  bytes.resize(2 + 4 + 4 + 46);
  const uint32_t crc = crc32c(Bytes(bytes).subspan(6));
  store_be(bytes.data() + 2, crc);
  auto decoded = decode_snapshot(bytes, "snapshot");
  ASSERT_TRUE(decoded) << decoded.error().text;
  ASSERT_NE(decoded->find(5), nullptr);
  EXPECT_EQ(decoded->find(5)->last_sequence(), 9);
  EXPECT_EQ(decoded->check(header, AppendOrigin::client).last_offset, 20);
}

TEST(ProducersOfALog, FiveRetriesAreRecognisedAfterARestart) {
  for (bool clean : {true, false}) {
    LogWorld w;
    w.open();
    for (int i = 0; i < 8; ++i) w.append_one({.producer_id = 4, .sequence = i});
    if (clean) {
      w.stop();
    } else {
      w.sync();
      w.crash();
    }
    w.open();
    for (int i = 3; i < 8; ++i) {
      EXPECT_TRUE(w.append_one({.producer_id = 4, .sequence = i}).duplicate) << i;
    }
    EXPECT_EQ(w.append_one({.producer_id = 4, .sequence = 8}).first_offset, 8);
  }
}

// A failover's gap, with a producer that is silent across it (4) and one that goes on (5).
class ProducersAcrossAGap : public ::testing::Test {
 protected:
  static constexpr LeaderEpoch promoted = 1 << election_bits;
  static constexpr Offset gap_end = 1'000;

  void SetUp() override {
    w.config.segment_bytes = 300;
    w.open();
    for (int i = 0; i < 5; ++i) {
      w.append_one({.producer_id = 4, .sequence = i});
      w.append_one({.producer_id = 5, .sequence = i});
    }
  }
  void fail_over() {
    ASSERT_TRUE(w.log->leave_gap(gap_end, promoted, w.now_ms));
    w.append(make_batch({.producer_id = 5, .sequence = 20}), promoted, able);
  }
  kafka::ErrorCode try_append(ProducerId id, int32_t sequence) {
    return w.append_error(make_batch({.producer_id = id, .sequence = sequence}), promoted, able);
  }
  void expect_one_gap() {
    EXPECT_EQ(try_append(5, 40), ErrorCode::out_of_order_sequence_number) << "it has gone on";
    EXPECT_EQ(try_append(4, 30), ErrorCode::none) << "its batches were lost with the old site";
    EXPECT_EQ(try_append(4, 40), ErrorCode::out_of_order_sequence_number) << "one gap, not two";
  }

  using ErrorCode = kafka::ErrorCode;
  static constexpr LeaderAppend able{};
  LogWorld w;
};

TEST_F(ProducersAcrossAGap, OneStepIsAllowedUntilTheNextBatch) {
  fail_over();
  expect_one_gap();
}

TEST_F(ProducersAcrossAGap, TheAllowanceOutlivesEveryKindOfRestart) {
  enum class Way { stop, kill, crash, crash_without_snapshots };
  for (Way way : {Way::stop, Way::kill, Way::crash, Way::crash_without_snapshots}) {
    w.crash();
    ASSERT_TRUE(w.disk().remove_folder(w.folder));
    w.hints = {};
    SetUp();
    fail_over();
    w.sync();
    if (way == Way::stop) w.stop();
    if (way == Way::kill) w.kill();
    if (way == Way::crash) w.crash();
    if (way == Way::crash_without_snapshots) {
      w.crash();
      for (const std::string& name : w.disk().list(w.folder).value()) {
        if (!name.ends_with(".snapshot")) continue;
        ASSERT_TRUE(w.disk().remove(w.folder + "/" + name));
      }
      w.hints.recovery_point = gap_end + 1;  // what lies before the gap is replayed, not scanned
    }
    SCOPED_TRACE(static_cast<int>(way));
    w.open();
    expect_one_gap();
  }
}

TEST_F(ProducersAcrossAGap, TheAllowanceOutlivesTheRecordsBeforeTheGap) {
  fail_over();
  ASSERT_TRUE(w.log->move_start_to(gap_end));
  w.sync();
  w.crash();
  w.hints.log_start = gap_end;
  w.open();
  ASSERT_EQ(w.log->start_offset(), gap_end);
  expect_one_gap();
}

// The way back: what the old site had beyond the common prefix is cut, and it comes to the gap as
// it follows the new one.
TEST_F(ProducersAcrossAGap, AMirrorComesToItAtTheSamePlace) {
  const Slice across =
      make_batch({.base_offset = gap_end, .epoch = promoted, .producer_id = 5, .sequence = 20});
  for (bool alone : {true, false}) {
    LogWorld mirror;
    mirror.open();
    for (int i = 0; i < 9; ++i) mirror.append_one({.producer_id = 4, .sequence = i});
    ASSERT_EQ(mirror.log->truncate_to(5), 5);
    if (alone) {
      const Slice gap = make_gap(5, gap_end, promoted);
      ASSERT_TRUE(mirror.log->append_verbatim(gap, 0, {.owner = 2}));
      ASSERT_TRUE(mirror.log->append_verbatim(across, 0, {.owner = 2}));
    } else {
      const Slice before = make_batch({.base_offset = 5, .epoch = 1});
      const Slice gap = make_gap(6, gap_end, promoted);
      ASSERT_TRUE(mirror.log->append_verbatim(joined({before, gap, across}), 0, {.owner = 2}));
    }
    const EpochEntry expected{promoted, alone ? 5 : 6, 2};
    EXPECT_EQ(mirror.log->epochs().entries().back(), expected);
    if (!alone) {
      mirror.sync();
      mirror.crash();
      mirror.open();
    }
    // Planned, after that: no gap of its own, and the producer has been silent all the while.
    const auto home = make_batch({.producer_id = 4, .sequence = 9});
    EXPECT_EQ(mirror.append(home, 2 << election_bits, able).first_offset, gap_end + 1);
    EXPECT_EQ(mirror.append_error(make_batch({.producer_id = 4, .sequence = 11}),
                                  2 << election_bits, able),
              ErrorCode::out_of_order_sequence_number);
  }
}

TEST_F(ProducersAcrossAGap, ACutBelowItTakesTheAllowanceBack) {
  fail_over();
  ASSERT_EQ(w.log->truncate_to(10), 10);
  EXPECT_EQ(try_append(4, 30), ErrorCode::out_of_order_sequence_number);
  EXPECT_EQ(try_append(4, 5), ErrorCode::none);
}

// A hole that a compaction has left at the source, and a planned promotion, lose nothing.
TEST_F(ProducersAcrossAGap, OtherGapsAndGenerationsAllowNothing) {
  ASSERT_TRUE(w.log->append_verbatim(make_batch({.base_offset = 500, .epoch = 2}), 0, {}));
  EXPECT_EQ(try_append(4, 30), ErrorCode::out_of_order_sequence_number);
  ASSERT_TRUE(w.log->append_verbatim(make_batch({.base_offset = 501, .epoch = promoted}), 0, {}));
  EXPECT_EQ(try_append(4, 30), ErrorCode::out_of_order_sequence_number);
}

TEST(ProducersOfALog, ABadSnapshotIsReplacedByMoreOfTheLog) {
  LogWorld w;
  w.config.segment_bytes = 300;
  w.open();
  for (int i = 0; i < 20; ++i) w.append_one({.producer_id = 4, .sequence = i});
  w.stop();
  w.host.disk().flip_bit(w.path(20, ".snapshot"), 12, 1);
  w.open();
  EXPECT_EQ(w.log->producers().find(4)->last_sequence(), 19);
  EXPECT_FALSE(w.disk().exists(w.path(20, ".snapshot")));
}

}  // namespace
}  // namespace isthmus::broker
