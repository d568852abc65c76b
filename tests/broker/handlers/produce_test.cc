#include "kafka/gen/init_producer_id.h"
#include "tests/broker/handlers/broker_world.h"

namespace isthmus::broker {
namespace {

class Produce : public BrokerWorld {};
ON_ONE_LOOP_AND_ON_TWO(Produce);

TEST_P(Produce, OffsetsFollowOneAnotherInEveryPartition) {
  start();
  create("t", 4);
  for (PartitionIndex p = 0; p < 4; ++p) {
    for (int i = 0; i < 3; ++i) {
      auto answer = produce("t", make_batch({{}, {}}), -1, p);
      EXPECT_EQ(answer.error_code, ErrorCode::none);
      EXPECT_EQ(answer.base_offset, 2 * i);
      EXPECT_EQ(answer.log_start_offset, 0);
    }
  }
}

TEST_P(Produce, WhatWasAcknowledgedByAllIsThereAfterAPowerLoss) {
  start();
  create("t", 4);
  for (PartitionIndex p = 0; p < 4; ++p) {
    ASSERT_EQ(produce("t", make_batch({{}}), -1, p).error_code, ErrorCode::none);
  }
  lose_power();
  for (PartitionIndex p = 0; p < 4; ++p) {
    EXPECT_EQ(list_offset("t", -1, -1, p).offset, 1);
  }
}

TEST_P(Produce, MaxMessageBytesIsEnforced) {
  start();
  create("t", 1, {{"max.message.bytes", "200"}});
  EXPECT_EQ(produce("t", make_batch({{1, std::string(300, 'x')}})).error_code,
            ErrorCode::message_too_large);
  EXPECT_EQ(produce("t", make_batch({{1, "small"}})).base_offset, 0);
}

// UNKNOWN_SERVER_ERROR is final for a client: the records would be lost for good.
TEST_P(Produce, NothingIsAnsweredWithUnknownServerError) {
  start();
  create("t");
  Slice good = make_batch({{}});
  auto changed = [&](size_t at, uint8_t value) {
    std::vector<uint8_t> bytes(good.view().begin(), good.view().end());
    bytes[at] = value;
    return Slice::take(std::move(bytes));
  };
  EXPECT_EQ(produce("t", changed(70, 0xff)).error_code, ErrorCode::corrupt_message);
  EXPECT_EQ(produce("t", changed(16, 1)).error_code, ErrorCode::unsupported_for_message_format);
  EXPECT_EQ(produce("t", Slice()).error_code, ErrorCode::invalid_record);
  EXPECT_EQ(produce("t", good.sub(0, 40)).error_code, ErrorCode::corrupt_message);
  EXPECT_EQ(produce("none", good).error_code, ErrorCode::unknown_topic_or_partition);
  EXPECT_EQ(produce("t", good, -1, 1).error_code, ErrorCode::unknown_topic_or_partition);
  EXPECT_EQ(produce("t", good, -1, -1).error_code, ErrorCode::unknown_topic_or_partition);
  EXPECT_EQ(produce("t", good, 2).error_code, ErrorCode::invalid_required_acks);
  EXPECT_EQ(produce("__consumer_offsets", good).error_code, ErrorCode::invalid_topic_exception);
  EXPECT_EQ(produce("t", good).base_offset, 0) << "nothing of all this was written";
}

TEST_P(Produce, ADiskThatFailsIsToldAsStorageErrorAndWhatIsSafeIsRead) {
  start();
  create("t");
  EXPECT_EQ(produce("t", make_batch({{}})).base_offset, 0);
  site.disk().fail_next_sync("t-0", EIO);
  EXPECT_EQ(produce("t", make_batch({{}})).error_code, ErrorCode::kafka_storage_error);
  EXPECT_EQ(produce("t", make_batch({{}})).error_code, ErrorCode::kafka_storage_error);
  const auto read = fetch("t", {});
  EXPECT_EQ(read.error_code, ErrorCode::none);
  EXPECT_FALSE(read.records.empty());
  EXPECT_EQ(read.high_watermark, 1);
  EXPECT_EQ(list_offset("t", -1).offset, 1);
}

TEST_P(Produce, AFailureWithAcksZeroEndsTheConnection) {
  start();
  create("t");
  run_on(*client(), raw(*connection, produce_request("t", make_batch({{}}), 0)));
  world.run_for(std::chrono::seconds(1));
  EXPECT_FALSE(connection->closed());
  EXPECT_EQ(list_offset("t", -1).offset, 1);
  run_on(*client(), raw(*connection, produce_request("none", make_batch({{}}), 0)));
  world.run_for(std::chrono::seconds(1));
  EXPECT_TRUE(connection->closed()) << "the producer never looks for the leader again";
}

TEST_P(Produce, ARetryOfAnIdempotentProducerAnswersTheFirstOffset) {
  start();
  create("t");
  kafka::InitProducerIdRequest init;
  init.transactional_id = std::nullopt;
  auto producer = ask(init);
  ASSERT_EQ(producer.error_code, ErrorCode::none);
  Producing first{producer.producer_id, producer.producer_epoch, 0};
  produce("t", make_batch({{}}));
  EXPECT_EQ(produce("t", make_batch({{}, {}}, first)).base_offset, 1);
  produce("t", make_batch({{}}));
  auto again = produce("t", make_batch({{}, {}}, first));
  EXPECT_EQ(again.error_code, ErrorCode::none);
  EXPECT_EQ(again.base_offset, 1);
  EXPECT_EQ(list_offset("t", -1).offset, 4);
  Producing gap{producer.producer_id, producer.producer_epoch, 7};
  EXPECT_EQ(produce("t", make_batch({{}}, gap)).error_code,
            ErrorCode::out_of_order_sequence_number);
  lose_power();
  EXPECT_EQ(produce("t", make_batch({{}, {}}, first)).base_offset, 1);
}

TEST_P(Produce, ProducerIdsDifferAlsoAfterARestart) {
  start();
  kafka::InitProducerIdRequest init;
  init.transactional_id = std::nullopt;
  auto first = ask(init);
  auto second = ask(init);
  lose_power();
  auto third = ask(init);
  EXPECT_EQ(first.producer_epoch, 0);
  EXPECT_NE(first.producer_id, second.producer_id);
  EXPECT_NE(first.producer_id, third.producer_id);
  EXPECT_NE(second.producer_id, third.producer_id);
  EXPECT_EQ(first.producer_id >> 48, 7) << "the cluster's number";
}

TEST_P(Produce, ATransactionIsRefusedWhereItBegins) {
  start();
  kafka::InitProducerIdRequest init;
  init.transactional_id = "payments";
  auto answer = ask(init);
  EXPECT_NE(answer.error_code, ErrorCode::none);
  EXPECT_EQ(answer.producer_id, -1);
}

}  // namespace
}  // namespace isthmus::broker
