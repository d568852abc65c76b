#include "broker/log/producers.h"

#include "base/crc32c.h"
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
  Kind check(const kafka::BatchHeader& header, bool fresh = false) {
    return states.check(header, AppendOrigin::client, fresh).kind;
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

TEST_F(Producers, OneGapForwardIsAllowedAfterPromoteOnAFreshConnection) {
  put(batch(0, 10));
  EXPECT_EQ(check(batch(40), true), Kind::out_of_order_sequence);
  states.allow_one_gap();
  EXPECT_EQ(check(batch(40), false), Kind::out_of_order_sequence);
  EXPECT_EQ(check(batch(5), true), Kind::out_of_order_sequence) << "backwards";
  EXPECT_EQ(check(batch(0, 10), true), Kind::duplicate);
  EXPECT_EQ(check(batch(40), true), Kind::gap);
  EXPECT_EQ(states.gaps_taken(), 0u);
  put(batch(40));
  EXPECT_EQ(states.gaps_taken(), 1u);
  EXPECT_EQ(check(batch(41), true), Kind::ok);
  EXPECT_EQ(check(batch(60), true), Kind::out_of_order_sequence);
}

TEST_F(Producers, TheGapLapsesWhenNothingWasMissing) {
  put(batch(0));
  states.allow_one_gap();
  put(batch(1));
  EXPECT_EQ(check(batch(9), true), Kind::out_of_order_sequence);
  EXPECT_EQ(states.gaps_taken(), 0u);
}

TEST_F(Producers, TheGapMayCrossTheWrap) {
  put(batch(INT32_MAX - 2, 2));
  states.allow_one_gap();
  EXPECT_EQ(check(batch(3), true), Kind::gap);
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
