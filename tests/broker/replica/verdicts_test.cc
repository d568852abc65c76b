// What ends a client is said only by who leads by all that was committed when it was asked.
#include "broker/replica/verdicts.h"

#include "tests/broker/replica/partition_world.h"

namespace isthmus::broker {
namespace {

class Verdicts : public PartitionTest {
 protected:
  Verdicts() {
    confirm_ = [this](io::Instant, io::Instant) { return confirm(); };
    open();
    EXPECT_TRUE(send({.count = 3, .producer = 7, .sequence = 0}));
  }
  ~Verdicts() override { close(); }

  io::Task<bool> confirm() {
    ++asked_;
    co_await io::sleep(world_.loop(), std::chrono::milliseconds(100));
    if (heard_) heard_();
    co_return is_confirmed_;
  }
  Result<Appended> send(Records records) {
    const ClientWriter writer{world_.loop().now()};
    auto append = world_.on_loop([&] { return partition_->enqueue(writer, batch(records)); });
    return world_.run(partition_->written(std::move(append)));
  }
  void another_leads() {
    topic_.partitions[0].replicas = topic_.partitions[0].isr = {1, 2};
    topic_.partitions[0].leader = 2;
    ++topic_.partitions[0].leader_epoch;
    ++image_.number;
    partition_->on_image(image_, topic_, config());
  }

  bool is_confirmed_ = true;
  int asked_ = 0;
  std::function<void()> heard_;
};

TEST_F(Verdicts, WhoLeadsSaysThatASequenceIsMissing) {
  EXPECT_EQ(asked_, 0) << "what is in order needs no word of anybody";
  EXPECT_EQ(code(send({.producer = 7, .sequence = 9})), ErrorCode::out_of_order_sequence_number);
  EXPECT_EQ(asked_, 1);
}

TEST_F(Verdicts, WhoCannotFindOutWhetherItLeadsSendsTheProducerAway) {
  is_confirmed_ = false;
  EXPECT_EQ(code(send({.producer = 7, .sequence = 9})), ErrorCode::not_leader_or_follower);
  auto again = send({.count = 3, .producer = 7, .sequence = 0});
  ASSERT_TRUE(again);
  EXPECT_TRUE(again->duplicate) << "what is in its log it knows";
}

TEST_F(Verdicts, WhoWasReplacedHearsItBeforeItJudges) {
  heard_ = [this] { another_leads(); };
  EXPECT_EQ(code(send({.producer = 7, .sequence = 9})), ErrorCode::not_leader_or_follower);
}

TEST_F(Verdicts, WhoHasNotHeardOfAPromotionHearsOfItBeforeItTurnsAProducerAway) {
  become_mirror();
  EXPECT_EQ(code(send({})), ErrorCode::policy_violation) << "a mirror, by all that is known";
  heard_ = [this] {
    topic_.writer = TopicWriter::Clients{};
    ++image_.number;
    partition_->on_image(image_, topic_, config());
  };
  EXPECT_EQ(code(send({})), ErrorCode::not_leader_or_follower) << "it is to come again";
  EXPECT_TRUE(send({}));
}

// It has led again since, behind another: what it judged by is gone.
TEST_F(Verdicts, AVerdictOfAnEarlierTenureIsNone) {
  heard_ = [this] {
    another_leads();
    topic_.partitions[0].leader = 1;
    ++topic_.partitions[0].leader_epoch;
    ++image_.number;
    partition_->on_image(image_, topic_, config());
  };
  EXPECT_EQ(code(send({.producer = 7, .sequence = 9})), ErrorCode::not_leader_or_follower);
}

// The retry of what was sent away may come behind what was sent after it.
TEST_F(Verdicts, WhatCameBehindWhatWasSentAwayIsSentAwayToo) {
  is_confirmed_ = false;
  const ClientWriter writer{world_.loop().now()};
  auto first = world_.on_loop(
      [&] { return partition_->enqueue(writer, batch({.producer = 7, .sequence = 4})); });
  EXPECT_EQ(code(world_.run(partition_->written(first))), ErrorCode::not_leader_or_follower);
  is_confirmed_ = true;
  auto second = world_.on_loop(
      [&] { return partition_->enqueue(writer, batch({.producer = 7, .sequence = 5})); });
  EXPECT_EQ(code(world_.run(partition_->written(second))), ErrorCode::not_leader_or_follower);
}

}  // namespace
}  // namespace isthmus::broker
