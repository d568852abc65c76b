// A partition that a link writes: what it takes, its promotion with and without its source, and the
// way home.
#include <cerrno>

#include "broker/log/gap.h"
#include "tests/broker/replica/partition_world.h"

namespace isthmus::broker {
namespace {

TEST_F(PartitionTest, AMirrorTakesBatchesVerbatimAtTheirOffsets) {
  become_mirror();
  auto end = mirror({.base_offset = 0, .count = 3, .epoch = 0});
  ASSERT_TRUE(end) << end.error().text;
  EXPECT_EQ(*end, 3);
  auto repeated = mirror({.base_offset = 0, .count = 3, .epoch = 0});
  EXPECT_EQ(code(repeated), ErrorCode::offset_out_of_range) << "a batch was written twice";
  EXPECT_EQ(code(mirror({.base_offset = 5, .epoch = 0})), ErrorCode::offset_out_of_range);
  settle();
  EXPECT_EQ(partition_->history().entries.back(), (EpochEntry{0, 0, 2}));
}

TEST_F(PartitionTest, AZombieMirrorProcessWritesNothing) {
  become_mirror(2);
  EXPECT_EQ(code(mirror({.epoch = 0})), ErrorCode::fenced_leader_epoch);
  EXPECT_EQ(view().end_offset, 0);
}

// KAFKA-18723.
TEST_F(PartitionTest, ABatchOfALaterEpochThanTheSenderClaimsIsRefused) {
  become_mirror();
  EXPECT_FALSE(mirror({.epoch = 9}));
  EXPECT_EQ(code(mirror({.epoch = 0}, -1, 9)), ErrorCode::unknown_leader_epoch);
  EXPECT_EQ(view().end_offset, 0);
}

TEST_F(PartitionTest, AMirrorIsNotWrittenByClients) {
  become_mirror();
  EXPECT_EQ(code(append()), ErrorCode::policy_violation);
}

TEST_F(PartitionTest, AnEmptyMirrorBeginsWhereItsSourceBegins) {
  become_mirror();
  auto end = mirror({.base_offset = 500, .count = 2, .epoch = 0}, 500);
  ASSERT_TRUE(end) << end.error().text;
  EXPECT_EQ(*end, 502);
  EXPECT_EQ(view().start_offset, 500);
}

// Its checkpoint is from before.
TEST_F(PartitionTest, AFollowersHighWatermarkIsNotBelowTheStartOfItsLog) {
  become_mirror();
  ASSERT_TRUE(mirror({.base_offset = 500, .count = 2, .epoch = 0}, 500));
  settle();
  topic_.partitions[0].replicas = topic_.partitions[0].isr = {1, 2};
  topic_.partitions[0].leader = 2;
  open();
  EXPECT_EQ(view().start_offset, 500);
  EXPECT_EQ(view().high_watermark, 500);
}

TEST_F(PartitionTest, AMirrorFollowsTheStartOfItsSourceForwardOnly) {
  become_mirror();
  ASSERT_TRUE(mirror({.count = 5, .epoch = 0}));
  settle();
  Rope before = read({.offset = 3}).records;
  EXPECT_EQ(follow(3, 5).value(), 5);
  EXPECT_EQ(view().start_offset, 3);
  EXPECT_EQ(read({.offset = 2}).error, ErrorCode::offset_out_of_range);
  EXPECT_EQ(*read({.offset = 3}).records.flatten(), *before.flatten());
  EXPECT_TRUE(follow(1, 5) && follow(-1, 5));
  EXPECT_EQ(view().start_offset, 3) << "what was deleted does not come back";
}

TEST_F(PartitionTest, AMirrorNeverDeletesBeyondWhatIsSafeHere) {
  become_mirror();
  ASSERT_TRUE(mirror({.count = 2, .epoch = 0}));
  settle();
  world_.host.disk().sync_latency_min = world_.host.disk().sync_latency_max = seconds(2);
  ASSERT_TRUE(mirror({.base_offset = 2, .count = 3, .epoch = 0}));
  EXPECT_TRUE(follow(4, 5));
  EXPECT_EQ(view().start_offset, 2) << "offset 4 is not on the disk yet";
  world_.run_for(seconds(5));
  EXPECT_TRUE(follow(1'000, 5));
  EXPECT_EQ(view().start_offset, 5);
  EXPECT_EQ(view().end_offset, 5);
}

TEST_F(PartitionTest, ALogStartIsFollowedOnlyWhileTheGateAdmitsTheLink) {
  become_mirror();
  ASSERT_TRUE(mirror({.count = 5, .epoch = 0}));
  settle();
  become_mirror(2);
  EXPECT_EQ(code(follow(3, 5, 1)), ErrorCode::fenced_leader_epoch) << "a zombie deletes";
  EXPECT_EQ(code(follow(3, 4, 2)), ErrorCode::offset_out_of_range) << "a late request deletes";
  world_.on_loop([&] { return partition_->freeze(uuid_of(7), uuid_of(8), false); });
  EXPECT_FALSE(follow(3, 5, 2)) << "while a promotion is written down";
  become_own(1 << election_bits, -1);
  EXPECT_FALSE(follow(3, 5, 2)) << "what a link deletes of a promoted topic";
  EXPECT_EQ(view().start_offset, 0);
}

TEST_F(PartitionTest, AFailoverLeavesItsGapBehindTheNewEpoch) {
  const LeaderEpoch promoted = 1 << election_bits;
  become_mirror();
  ASSERT_TRUE(mirror({.count = 3, .epoch = 0}));
  settle();
  become_own(promoted, 10'003);
  EXPECT_EQ(view().end_offset, 10'003);
  settle();
  EXPECT_EQ(view().high_watermark, 10'003) << "consumers must get across the gap";
  EXPECT_EQ(partition_->history().entries.back(), (EpochEntry{promoted, 3, 1}))
      << "the epoch before seems to cover what the lost site has";
  EXPECT_EQ(partition_->epoch_end(0), (EpochEnd{0, 3}));
  auto first = append();
  ASSERT_TRUE(first);
  EXPECT_EQ(first->first_offset, 10'003);
}

TEST_F(PartitionTest, AGapIsMadeOnceAndSurvivesPowerLoss) {
  const LeaderEpoch promoted = 1 << election_bits;
  become_mirror();
  ASSERT_TRUE(mirror({.count = 3, .epoch = 0}));
  settle();
  become_own(promoted, 10'003);
  lose_power();
  EXPECT_EQ(view().end_offset, 10'003);
  EXPECT_EQ(partition_->history().entries.back(), (EpochEntry{promoted, 3, 1}));
  ASSERT_TRUE(append({.count = 2}));
  settle();
  show();
  lose_power();
  EXPECT_EQ(view().end_offset, 10'005) << "the gap was made again";
}

// The record of the promotion is there; the disk refuses what the log writes for it.
TEST_F(PartitionTest, AGapThatFailedIsMadeAtTheNextStart) {
  const LeaderEpoch promoted = 1 << election_bits;
  for (int error : {EIO, ENOSPC}) {
    SCOPED_TRACE(error);
    become_mirror();
    ASSERT_TRUE(mirror({.base_offset = view().end_offset, .epoch = 0}));
    settle();
    const Offset end = view().end_offset;
    world_.host.disk().fail_next_append(".log", error);
    become_own(promoted, 10'003);
    EXPECT_EQ(code(append()), ErrorCode::kafka_storage_error) << "clients write without the gap";
    become_mirror();
    lose_power();
    EXPECT_EQ(view().end_offset, end);
  }
  become_own(promoted, 10'003);
  lose_power();
  EXPECT_EQ(view().end_offset, 10'003);
  EXPECT_EQ(partition_->history().entries.back(), (EpochEntry{promoted, 2, 1}));
}

// A power loss takes it before it was on the disk, and with it what was written behind it.
TEST_F(PartitionTest, NothingIsAcknowledgedBeforeTheGapIsSafe) {
  const LeaderEpoch promoted = 1 << election_bits;
  become_mirror();
  ASSERT_TRUE(mirror({.count = 3, .epoch = 0}));
  settle();
  world_.host.disk().fail_next_sync("", EIO);
  become_own(promoted, 10'003);
  ASSERT_TRUE(append());
  auto safe = committed(10'004);
  settle();
  ASSERT_TRUE(safe->has_value());
  EXPECT_EQ(code(**safe), ErrorCode::kafka_storage_error);
  EXPECT_EQ(view().high_watermark, 3);
  lose_power();
  EXPECT_GE(view().end_offset, 10'003);
  EXPECT_EQ(partition_->history().entries.back(), (EpochEntry{promoted, 3, 1}));
}

// A failover, the way back and a planned move home, seen from the site that was lost: its producer
// has been silent all the while, and what it had acknowledged last went with the cut.
class HomeAgainTest : public PartitionTest {
 protected:
  void lose_and_come_home() {
    const LeaderEpoch failed_over = 1 << election_bits;
    ASSERT_TRUE(append({.count = 3, .producer = 7, .sequence = 0}));
    ASSERT_TRUE(append({.count = 2, .producer = 7, .sequence = 3}));
    settle();
    topic_.partitions[0].leader_epoch = failed_over;
    become_mirror();
    ASSERT_EQ(world_.on_loop([&] { return partition_->truncate(3); }), 3);
    LinkWriter how;
    how.link = "l";
    how.link_epoch = 1;
    how.expected_offset = 3;
    auto followed = PartitionTest::write(how, make_gap(3, 10'003, failed_over));
    ASSERT_TRUE(followed) << followed.error().text;
    old_connection_ = world_.loop().now();
    settle();
  }
  ErrorCode write(int32_t sequence, io::Instant connection) {
    return code(PartitionTest::write(ClientWriter{connection},
                                     batch({.producer = 7, .sequence = sequence})));
  }
  io::Instant old_connection_;  // from before the promotion
};

TEST_F(HomeAgainTest, ASilentProducerGoesOn) {
  lose_and_come_home();
  become_own(2 << election_bits, -1);
  EXPECT_EQ(write(5, old_connection_), ErrorCode::none);
  EXPECT_EQ(write(15, old_connection_), ErrorCode::out_of_order_sequence_number);
}

TEST_F(HomeAgainTest, ASilentProducerGoesOnAfterPowerLosses) {
  lose_and_come_home();
  lose_power();
  become_own(2 << election_bits, -1);
  lose_power();
  EXPECT_EQ(write(5, old_connection_), ErrorCode::none);
  EXPECT_EQ(write(15, old_connection_), ErrorCode::out_of_order_sequence_number);
}

TEST_F(HomeAgainTest, ABatchBehindARefusedOneDoesNotTakeTheGap) {
  lose_and_come_home();
  EXPECT_EQ(write(5, old_connection_), ErrorCode::policy_violation);
  become_own(2 << election_bits, -1);
  EXPECT_EQ(write(6, old_connection_), ErrorCode::not_leader_or_follower);
  settle();
  EXPECT_EQ(write(5, world_.loop().now()), ErrorCode::none);
  EXPECT_EQ(write(6, old_connection_), ErrorCode::none);
}

TEST_F(HomeAgainTest, AConnectionThatWasRefusedLongAgoMayTakeTheGap) {
  lose_and_come_home();
  EXPECT_EQ(write(5, old_connection_), ErrorCode::policy_violation);
  become_own(2 << election_bits, -1);
  EXPECT_EQ(write(5, old_connection_), ErrorCode::not_leader_or_follower);
  world_.run_for(seconds(11));
  EXPECT_EQ(write(5, old_connection_), ErrorCode::none);
}

TEST_F(PartitionTest, APlannedPromotionLeavesNoGap) {
  become_mirror();
  ASSERT_TRUE(mirror({.count = 3, .epoch = 0}));
  settle();
  become_own(1 << election_bits, -1);
  auto first = append();
  ASSERT_TRUE(first);
  EXPECT_EQ(first->first_offset, 3);
}

TEST_F(PartitionTest, NoWriterOfTheClusterWritesAMirror) {
  become_mirror();
  EXPECT_EQ(code(write(CoordinatorWriter{}, batch())), ErrorCode::policy_violation);
  EXPECT_EQ(code(write(ExportWriter{500}, {})), ErrorCode::policy_violation);
  EXPECT_EQ(code(delete_before(-1)), ErrorCode::policy_violation);
  EXPECT_EQ(view().end_offset, 0);
}

}  // namespace
}  // namespace isthmus::broker
