// A partition and its clients: what is acknowledged, read, deleted and refused.
#include <cerrno>

#include "tests/broker/replica/partition_world.h"

namespace isthmus::broker {
namespace {

TEST_F(PartitionTest, NothingIsAcknowledgedBeforeItsFsync) {
  world_.host.disk().sync_latency_min = world_.host.disk().sync_latency_max = seconds(2);
  ASSERT_TRUE(append());
  auto safe = committed(1);
  world_.run_for(seconds(1));
  EXPECT_FALSE(safe->has_value()) << "acknowledged while the disk was still writing";
  EXPECT_EQ(view().high_watermark, 0);
  EXPECT_TRUE(read({}).records.empty()) << "a consumer has seen what a crash could take back";
  world_.run_for(seconds(2));
  ASSERT_TRUE(safe->has_value());
  EXPECT_TRUE(safe->value());
  EXPECT_EQ(view().high_watermark, 1);
  EXPECT_FALSE(read({}).records.empty());
}

// The first sync of a new segment is followed by one of the slot, for the next start.
TEST_F(PartitionTest, NobodyWaitsForWhatTheNextStartIsTold) {
  segment_bytes_ = 300;
  open();
  for (int i = 0; i < 6; ++i) ASSERT_TRUE(append());
  world_.host.disk().fail_next_sync("synced-end", EIO);
  ASSERT_TRUE(world_.run(partition_->committed(6, world_.loop().now() + seconds(30))));
  EXPECT_FALSE(world_.world.faults().contains("disk: sync failed"));
  settle();
  EXPECT_EQ(world_.world.faults().at("disk: sync failed"), 1u);
  EXPECT_EQ(end_of(append()), 7);
}

TEST_F(PartitionTest, WhatWasAcknowledgedSurvivesPowerLoss) {
  ASSERT_TRUE(append({.count = 5}));
  ASSERT_TRUE(world_.run(partition_->committed(5, world_.loop().now() + seconds(30))));
  lose_power();
  EXPECT_EQ(view().end_offset, 5);
  EXPECT_EQ(view().high_watermark, 5);
}

// Else a start would read the whole log again, and the loss of one tail in it would take the rest.
TEST_F(PartitionTest, InPageCacheModeCompleteSegmentsAreSynced) {
  durability_ = Durability::page_cache;
  segment_bytes_ = 300;
  open();
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(append());
  settle();
  EXPECT_EQ(partition_->marks().recovery_point, 0) << "nothing waits for the disk in this mode";
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(append());
  EXPECT_EQ(view().high_watermark, 13) << "nothing waits for the disk in this mode";
  settle();
  EXPECT_GE(partition_->marks().recovery_point, 12);
}

TEST_F(PartitionTest, ATimeoutLeavesTheOutcomeUnknown) {
  world_.host.disk().sync_latency_min = world_.host.disk().sync_latency_max = seconds(5);
  ASSERT_TRUE(append());
  auto safe = committed(1, seconds(1));
  world_.run_for(seconds(2));
  ASSERT_TRUE(safe->has_value());
  EXPECT_EQ(code(safe->value()), ErrorCode::request_timed_out);
  world_.run_for(seconds(10));
  EXPECT_EQ(view().high_watermark, 1);
}

// fsyncgate: after a failed fsync the page cache says clean and the disk has nothing.
TEST_F(PartitionTest, AFailedFsyncIsFinal) {
  world_.host.disk().fail_next_sync("orders-0", EIO);
  ASSERT_TRUE(append());
  auto safe = committed(1);
  settle();
  ASSERT_TRUE(safe->has_value()) << "the producer hangs";
  EXPECT_EQ(code(safe->value()), ErrorCode::kafka_storage_error);
  EXPECT_EQ(code(append()), ErrorCode::kafka_storage_error) << "fsync was retried";
  EXPECT_EQ(read({}).error, ErrorCode::none) << "what is safe is read on";
  EXPECT_TRUE(read({}).records.empty()) << "what is not was never shown";
  EXPECT_EQ(view().high_watermark, 0);
}

// KAFKA-10778.
TEST_F(PartitionTest, AFailedWriteFencesFurtherAppends) {
  world_.host.disk().fail_next_append("orders-0", EIO);
  EXPECT_FALSE(append());
  EXPECT_EQ(code(append()), ErrorCode::kafka_storage_error);
}

TEST_F(PartitionTest, ADuplicateAnswersTheFirstOffsetAndAppendsNothing) {
  ASSERT_TRUE(append({.count = 2}));
  auto first = append({.count = 3, .producer = 7, .sequence = 0});
  ASSERT_TRUE(first);
  EXPECT_EQ(first->first_offset, 2);
  ASSERT_TRUE(append());
  auto again = append({.count = 3, .producer = 7, .sequence = 0});
  ASSERT_TRUE(again);
  EXPECT_TRUE(again->duplicate);
  EXPECT_EQ(again->first_offset, 2);
  EXPECT_EQ(again->last_offset, 4);
  EXPECT_EQ(view().end_offset, 6);
  settle();
  lose_power();
  auto after = append({.count = 3, .producer = 7, .sequence = 0});
  ASSERT_TRUE(after);
  EXPECT_TRUE(after->duplicate) << "a crash has forgotten the producer";
  EXPECT_EQ(after->first_offset, 2);
}

// KIP-320: each side may be the one that is behind.
TEST_F(PartitionTest, AReaderOfAnotherEpochIsTold) {
  topic_.partitions[0].leader_epoch = 5;
  show();
  EXPECT_EQ(read({.current_leader_epoch = 4}).error, ErrorCode::fenced_leader_epoch);
  EXPECT_EQ(read({.current_leader_epoch = 6}).error, ErrorCode::unknown_leader_epoch);
  EXPECT_EQ(read({.current_leader_epoch = 5}).error, ErrorCode::none);
  EXPECT_EQ(read({.current_leader_epoch = -1}).error, ErrorCode::none);
}

TEST_F(PartitionTest, AReaderWhoseHistoryPartedIsToldWhere) {
  ASSERT_TRUE(append({.count = 4}));
  topic_.partitions[0].leader_epoch = 3;
  show();
  ASSERT_TRUE(append({.count = 2}));
  settle();
  auto result = read({.offset = 6, .last_fetched_epoch = 1});
  ASSERT_TRUE(result.diverging);
  EXPECT_EQ(result.diverging->epoch, 0);
  EXPECT_EQ(result.diverging->end_offset, 4);
  EXPECT_FALSE(read({.offset = 4, .last_fetched_epoch = 0}).diverging);
}

TEST_F(PartitionTest, ACutTakesTheWatermarkAlong) {
  ASSERT_TRUE(append({.count = 2}));
  ASSERT_TRUE(append({.count = 2}));
  settle();
  auto cut = partition_->truncate(2);
  ASSERT_TRUE(cut);
  EXPECT_EQ(*cut, 2);
  EXPECT_EQ(view().high_watermark, 2);
  ASSERT_TRUE(append());
  settle();
  EXPECT_EQ(view().high_watermark, 3);
  lose_power();
  EXPECT_EQ(view().end_offset, 3);
}

// KAFKA-5634: nothing above the high watermark may be deleted.
TEST_F(PartitionTest, RecordsAboveTheWatermarkAreNotDeleted) {
  world_.host.disk().sync_latency_min = world_.host.disk().sync_latency_max = seconds(2);
  ASSERT_TRUE(append({.count = 2}));
  EXPECT_EQ(code(delete_before(1)), ErrorCode::offset_out_of_range);
  world_.run_for(seconds(5));
  EXPECT_EQ(code(delete_before(3)), ErrorCode::offset_out_of_range);
  EXPECT_EQ(code(delete_before(-5)), ErrorCode::offset_out_of_range);
  EXPECT_EQ(delete_before(1).value(), 1);
  EXPECT_EQ(view().start_offset, 1);
  EXPECT_EQ(delete_before(-1).value(), 2) << "-1 is the high watermark";
}

// Whoever writes or deletes passes the gate: also what this broker makes itself. A hand-over at the
// ends that it has seen would else leave records behind.
TEST_F(PartitionTest, AFenceHoldsEveryWriterOfTheCluster) {
  ASSERT_TRUE(append({.count = 2}));
  settle();
  world_.on_loop([&] { return partition_->fence(uuid_of(7), seconds(60)); });
  const auto refused = ErrorCode::not_leader_or_follower;
  EXPECT_EQ(code(append()), refused);
  EXPECT_EQ(code(write(CoordinatorWriter{}, batch())), refused);
  EXPECT_EQ(code(write(MarkerWriter{}, batch())), refused);
  EXPECT_EQ(code(write(ExportWriter{}, batch({.base_offset = 2, .epoch = 0}))), refused);
  EXPECT_EQ(code(delete_before(1)), refused);
  EXPECT_EQ(view().end_offset, 2);
  EXPECT_EQ(view().start_offset, 0);
  world_.on_loop([&] { partition_->lift(uuid_of(7)); });
  EXPECT_TRUE(write(CoordinatorWriter{}, batch()));
}

// It led the partition before somebody else did, and does not know yet.
TEST_F(PartitionTest, ACoordinatorWritesUnderTheEpochInForceOnly) {
  EXPECT_TRUE(write(CoordinatorWriter{0}, batch()));
  topic_.partitions[0].leader_epoch = 5;
  show();
  EXPECT_EQ(code(write(CoordinatorWriter{0}, batch())), ErrorCode::fenced_leader_epoch);
  EXPECT_EQ(code(write(CoordinatorWriter{6}, batch())), ErrorCode::fenced_leader_epoch);
  EXPECT_EQ(view().end_offset, 1);
  EXPECT_TRUE(write(CoordinatorWriter{5}, batch()));
}

TEST_F(PartitionTest, AnExportBeginsWhereItIsToldAndGoesOnAtItsEnd) {
  const ExportWriter writer{500};
  EXPECT_EQ(write(writer, {})->log_end, 500);
  EXPECT_EQ(write(writer, batch({.base_offset = 500, .count = 2, .epoch = 0}))->log_end, 502);
  settle();
  lose_power();
  EXPECT_EQ(write(writer, {})->log_end, 502) << "what was exported is exported again";
}

// The files go while others may still hold a ref.
TEST_F(PartitionTest, WhoMeetsADeletionLooksForTheLeaderElsewhere) {
  world_.host.disk().sync_latency_min = world_.host.disk().sync_latency_max = seconds(2);
  ASSERT_TRUE(append());
  settle();
  auto erased = world_.start(partition_->erase());
  world_.run_for(seconds(3));
  const auto refused = ErrorCode::not_leader_or_follower;
  EXPECT_EQ(code(append()), refused);
  EXPECT_EQ(code(delete_before(0)), refused);
  EXPECT_EQ(read({}).error, refused);
  world_.run_for(seconds(5));
  ASSERT_TRUE(erased->has_value());
  EXPECT_TRUE(erased->value());
  EXPECT_EQ(code(append()), refused);
  EXPECT_FALSE(world_.disk().exists("/data/orders-0"));
  partition_.reset();
}

TEST_F(PartitionTest, ClosingEndsAllWaits) {
  world_.host.disk().sync_latency_min = world_.host.disk().sync_latency_max = seconds(5);
  ASSERT_TRUE(append());
  auto safe = committed(2);
  close();
  ASSERT_TRUE(safe->has_value());
  EXPECT_EQ(code(safe->value()), ErrorCode::not_leader_or_follower);
}

TEST_F(PartitionTest, WhoseWordCountsNoMoreRefusesWhoWaitsAndWhoComes) {
  world_.host.disk().sync_latency_min = world_.host.disk().sync_latency_max = seconds(5);
  ASSERT_TRUE(append());
  auto safe = committed(2);
  world_.on_loop([&] { partition_->refuse_all(); });
  settle();
  ASSERT_TRUE(safe->has_value());
  EXPECT_EQ(code(safe->value()), ErrorCode::not_leader_or_follower);
  EXPECT_EQ(code(append()), ErrorCode::not_leader_or_follower);
  EXPECT_EQ(read({}).error, ErrorCode::not_leader_or_follower);
  world_.run_for(seconds(10));
  EXPECT_TRUE(world_.run(partition_->close())) << "what was written is kept";
  partition_.reset();
  open();
  EXPECT_EQ(view().end_offset, 1);
}

// ---- appends that are written together ----

class Together : public PartitionTest {
 protected:
  std::shared_ptr<PendingAppend> enqueue(Records records = {}) {
    return world_.on_loop(
        [&] { return partition_->enqueue(ClientWriter{world_.loop().now()}, batch(records)); });
  }
  // In one turn of the loop.
  std::vector<std::shared_ptr<PendingAppend>> enqueue_all(std::vector<Records> all) {
    return world_.on_loop([&] {
      std::vector<std::shared_ptr<PendingAppend>> appends;
      for (const Records& records : all) {
        appends.push_back(partition_->enqueue(ClientWriter{world_.loop().now()}, batch(records)));
      }
      return appends;
    });
  }
};

TEST_F(Together, WhatArrivesInOneTurnIsOneWrite) {
  ASSERT_TRUE(append());
  settle();
  const uint64_t before = world_.host.disk().operations();
  auto appends = enqueue_all({{.count = 2}, {}, {.count = 3}});
  EXPECT_FALSE(appends.front()->outcome) << "more may come in this turn";
  settle();
  EXPECT_EQ(world_.host.disk().operations(), before + 3)
      << "a write, a sync, and the end that it synced";
  std::vector<Offset> offsets;
  for (auto& append : appends) offsets.push_back((*append->outcome)->first_offset);
  EXPECT_EQ(offsets, (std::vector<Offset>{1, 3, 4}));
  EXPECT_EQ(view().high_watermark, 7);
}

TEST_F(Together, AWriteThatFailsTellsEveryWriterAndGivesNoOffset) {
  ASSERT_TRUE(append());
  world_.host.disk().fail_next_append(".log", ENOSPC);
  auto appends = enqueue_all({{.producer = 7, .sequence = 0}, {}, {.producer = 7, .sequence = 1}});
  settle();
  for (auto& append : appends) {
    ASSERT_TRUE(append->outcome);
    EXPECT_FALSE(*append->outcome);
  }
  EXPECT_EQ(view().end_offset, 1);
  appends = enqueue_all({{.producer = 7, .sequence = 0}, {.producer = 7, .sequence = 1}});
  settle();
  EXPECT_EQ((*appends.back()->outcome)->first_offset, 2);
}

TEST_F(Together, AFenceComesBeforeWhatWasNotWrittenYet) {
  auto late = world_.on_loop([&] {
    auto append = partition_->enqueue(ClientWriter{world_.loop().now()}, batch());
    EXPECT_FALSE(partition_->fence(uuid_of(9), seconds(5)).refusal);
    return append;
  });
  settle();
  ASSERT_TRUE(late->outcome);
  EXPECT_FALSE(*late->outcome);
  EXPECT_EQ(view().end_offset, 0) << "nothing is written behind what the fence showed";
}

// ---- a fence: what clients bring waits for its end ----

class AtAFence : public Together {
 protected:
  AtAFence() {
    EXPECT_TRUE(append());
    settle();
    fence(seconds(20));
  }
  void fence(io::Duration span) {
    world_.on_loop([&] { EXPECT_FALSE(partition_->fence(uuid_of(9), span).refusal); });
  }
  void lift() {
    world_.on_loop([&] { partition_->lift(uuid_of(9)); });
  }
  std::shared_ptr<PendingAppend> park(Records records = {}, io::Duration patience = seconds(10)) {
    return world_.on_loop([&] {
      const io::Instant now = world_.loop().now();
      return partition_->enqueue({now, now + patience}, batch(records));
    });
  }
  static io::Task<void> note_end(Partition& partition, io::Instant until, bool& ended) {
    co_await partition.fence_ended(until);
    ended = true;
  }
  static Offset offset_of(const std::shared_ptr<PendingAppend>& append) {
    return append->outcome && *append->outcome ? (*append->outcome)->first_offset : -1;
  }
  static ErrorCode refusal_of(const std::shared_ptr<PendingAppend>& append) {
    return append->outcome ? code(*append->outcome) : ErrorCode::unknown_server_error;
  }
};

TEST_F(AtAFence, ItGoesOnInTheOrderOfArrivalWhenTheFenceLifts) {
  auto first = park({.producer = 7, .sequence = 0});
  EXPECT_TRUE(first->held);
  world_.run_for(seconds(1));
  auto second = park({.count = 2, .producer = 7, .sequence = 1});
  world_.run_for(seconds(1));
  EXPECT_FALSE(first->outcome || second->outcome);
  EXPECT_EQ(view().end_offset, 1) << "nothing is written behind what the fence showed";
  lift();
  auto third = park({.producer = 7, .sequence = 3});
  EXPECT_FALSE(third->held);
  settle();
  EXPECT_EQ(offset_of(first), 1);
  EXPECT_EQ(offset_of(second), 2);
  EXPECT_EQ(offset_of(third), 4);
}

TEST_F(AtAFence, ItGoesOnAtTheDeadlineAlsoIfThatHasMoved) {
  lift();
  fence(seconds(2));
  auto waiting = park();
  world_.run_for(seconds(1));
  fence(seconds(3));
  world_.run_for(seconds(2));
  EXPECT_FALSE(waiting->outcome) << "the fence was repeated";
  world_.run_for(seconds(2));
  EXPECT_EQ(offset_of(waiting), 1);
}

TEST_F(AtAFence, AfterAHandOverItIsSentAwayOnlyWhenTheOtherSiteLeads) {
  topic_.writer = TopicWriter::Nobody{uuid_of(9)};
  show();
  auto waiting = park();
  world_.run_for(seconds(5));
  EXPECT_FALSE(waiting->outcome) << "nobody leads it now";
  topic_.writer = TopicWriter::Link{"l", 2, true};
  show();
  settle();
  EXPECT_EQ(refusal_of(waiting), ErrorCode::not_leader_or_follower);
  EXPECT_EQ(view().end_offset, 1) << "written after the hand-over";
}

TEST_F(AtAFence, TakenBackItGoesOnAsIfNothingHadBeen) {
  topic_.writer = TopicWriter::Nobody{uuid_of(9)};
  show();
  auto waiting = park();
  world_.run_for(seconds(5));
  topic_.writer = TopicWriter::Clients{};
  show();
  settle();
  EXPECT_EQ(offset_of(waiting), 1);
}

TEST_F(AtAFence, WhoHasWaitedEnoughIsRefusedWithWhatCameBehindIt) {
  auto first = park({.producer = 7, .sequence = 0}, seconds(2));
  auto second = park({.producer = 7, .sequence = 1}, seconds(10));
  auto other = park({.producer = 8, .sequence = 0}, seconds(10));
  auto impatient = park({}, seconds(1));
  world_.run_for(std::chrono::milliseconds(1500));
  EXPECT_EQ(refusal_of(impatient), ErrorCode::not_leader_or_follower);
  EXPECT_FALSE(first->outcome || second->outcome || other->outcome);
  world_.run_for(seconds(1));
  EXPECT_EQ(refusal_of(first), ErrorCode::not_leader_or_follower);
  EXPECT_EQ(refusal_of(second), ErrorCode::not_leader_or_follower) << "out of sequence";
  EXPECT_FALSE(other->outcome);
  lift();
  settle();
  EXPECT_EQ(offset_of(other), 1);
}

TEST_F(AtAFence, DeletionsWaitToo) {
  bool ended = false;
  world_.process->spawn("delete", note_end(*partition_, world_.loop().now() + seconds(5), ended));
  world_.run_for(seconds(4));
  EXPECT_FALSE(ended);
  lift();
  settle();
  EXPECT_TRUE(ended);
}

TEST_F(AtAFence, AStopAnswersAtOnceAndNobodyWaitsAnyMore) {
  auto waiting = park();
  world_.on_loop([&] { partition_->end_waits(); });
  settle();
  EXPECT_EQ(refusal_of(waiting), ErrorCode::not_leader_or_follower);
  auto late = park();
  EXPECT_FALSE(late->held);
  settle();
  EXPECT_EQ(refusal_of(late), ErrorCode::not_leader_or_follower);
}

TEST_F(AtAFence, ClosingAnswersWhatWaits) {
  auto waiting = park();
  settle();
  close();
  EXPECT_EQ(refusal_of(waiting), ErrorCode::not_leader_or_follower);
}

TEST_F(Together, WhatWaitsWhenThePartitionClosesIsAnswered) {
  auto append = world_.on_loop([&] {
    auto waiting = partition_->enqueue(ClientWriter{world_.loop().now()}, batch());
    return waiting;
  });
  world_.run(partition_->close());
  EXPECT_TRUE(append->outcome);
  partition_.reset();
}

// ---- a disk that is full but for its reserve ----

TEST_F(PartitionTest, TheReserveIsForTheClustersOwnRecords) {
  auto room = std::make_shared<StorageWatch>(world_.disk(), "/data", 1000);
  close();
  files_ = std::make_unique<FileCache>(world_.disk(), 10);
  auto log = Log::open(*files_, world_.loop(), "/data/orders-0", {"orders", 0}, topic_.id, config(),
                       RecoveryHints{});
  ASSERT_TRUE(log);
  partition_ = std::make_unique<Partition>(world_.loop(), TopicPartition{"orders", 0}, topic_.id, 1,
                                           std::move(*log), room);
  show();
  ASSERT_TRUE(append());
  settle();
  sim::Volume& disk = world_.host.disk();
  ASSERT_GT(disk.used(), 10'000u) << "or the reserve is less";
  disk.capacity = disk.used() + 999;
  room->look();
  EXPECT_EQ(code(append()), ErrorCode::kafka_storage_error);
  EXPECT_TRUE(write(CoordinatorWriter{}, batch()));
  settle();
  EXPECT_FALSE(read({}).records.empty());
  EXPECT_EQ(delete_before(-1).value_or(-1), 2);
  disk.capacity = disk.used() + 2000;
  room->look();
  EXPECT_TRUE(append());
}

TEST_F(PartitionTest, AfterAFailedWriteWhatIsSafeIsReadAndDeleted) {
  ASSERT_TRUE(append());
  ASSERT_TRUE(append());
  settle();
  world_.host.disk().fail_next_append(".log", EIO);
  EXPECT_FALSE(append());
  EXPECT_EQ(code(append()), ErrorCode::kafka_storage_error);
  EXPECT_FALSE(read({}).records.empty());
  EXPECT_EQ(read({}).high_watermark, 2);
  EXPECT_EQ(delete_before(1).value_or(-1), 1);
}

}  // namespace
}  // namespace isthmus::broker
