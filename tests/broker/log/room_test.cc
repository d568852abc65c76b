// A disk without room: what is refused, and that it goes on.
#include <cerrno>

#include "tests/broker/log/log_world.h"

namespace isthmus::broker {
namespace {

std::vector<Offset> up_to(Offset end) {
  std::vector<Offset> offsets;
  for (Offset i = 0; i < end; ++i) offsets.push_back(i);
  return offsets;
}

TEST(Room, AFullDiskRefusesAppendsAndTakesThemAgain) {
  LogWorld w;
  w.open();
  const BatchSpec large{.value_size = 3 * sim::Volume::block};
  w.append_one();
  w.sync();
  w.host.disk().capacity = w.host.disk().used() + sim::Volume::block;
  for (int i = 0; i < 20; ++i) {
    auto refused = w.log->append_as_leader(make_batch(large), 1, 0);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ENOSPC);
    EXPECT_EQ(w.log->end_offset(), 1);
  }
  EXPECT_EQ(w.log->offline(), nullptr);
  EXPECT_EQ(w.offsets(), up_to(1));
  w.host.disk().capacity = UINT64_MAX;
  EXPECT_EQ(w.append_one(large).first_offset, 1);
  EXPECT_EQ(w.append_one().first_offset, 2);
  w.sync();
  w.kill();
  w.open();
  EXPECT_EQ(w.offsets(), up_to(3));
  EXPECT_EQ(w.log->recovery().bytes_cut, 0u);
}

// What a refused append has left behind is no part of the log, whenever the process dies.
TEST(Room, AProcessThatDiesOnAFullDiskHasWhatWasTaken) {
  uint64_t cut = 0;
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    LogWorld w(seed);
    w.open();
    w.append_one();
    w.host.disk().capacity = w.host.disk().used();
    ASSERT_FALSE(w.log->append_as_leader(make_batch({.value_size = 9000}), 1, 0));
    w.kill();
    w.open();
    cut += w.log->recovery().bytes_cut;
    EXPECT_EQ(w.offsets(), up_to(1));
  }
  EXPECT_GT(cut, 0u);
}

// A sealed segment is taken as it is: a few bytes of a batch behind its last one are damage.
TEST(Room, WhatARefusedAppendLeavesIsNotSealedIn) {
  for (uint64_t seed = 1; seed <= 100; ++seed) {
    LogWorld w(seed);
    w.config.segment_bytes = 20'000;
    w.open();
    w.append_one({.value_size = 8000});
    w.sync();
    w.host.disk().capacity = w.host.disk().used();
    ASSERT_FALSE(w.log->append_as_leader(make_batch({.value_size = 9000}), 1, 0));
    w.host.disk().capacity = UINT64_MAX;
    w.append_one({.value_size = 15'000});
    ASSERT_EQ(w.log->segment_count(), 2u);
    w.sync();
    const Offset end = w.log->end_offset();
    seed % 2 == 0 ? w.crash() : w.kill();
    w.open();
    EXPECT_EQ(w.offsets(), up_to(end)) << seed;
  }
}

// Appends until a segment is full, with one operation of the roll refused. Returns false when there
// are no more operations.
bool roll_with_a_refusal(uint64_t number, int error, size_t* refused) {
  LogWorld w(number);
  w.config.segment_bytes = 300;
  w.open();
  sim::Volume& disk = w.host.disk();
  for (int i = 0; i < 3; ++i) w.append_one();
  const uint64_t before = disk.operations();
  disk.fail_operation(before + number, error);
  auto first = w.log->append_as_leader(make_batch({.value_size = 100}), 1, 0);
  const bool hit = disk.operations() >= before + number;
  disk.forget_planned_failures();
  Offset end = first ? 4 : 3;
  EXPECT_EQ(w.log->end_offset(), end);
  if (!first) {
    ++*refused;
    EXPECT_EQ(first.error().code, error);
  }
  EXPECT_EQ(w.log->offline(), nullptr) << number;
  EXPECT_EQ(w.offsets(), up_to(end)) << number;
  // One that still fits into the old segment, and those that do not.
  for (int i = 0; i < 8; ++i, ++end) {
    EXPECT_EQ(w.append_one({.value_size = i == 0 ? 1u : 100u}).first_offset, end) << number;
  }
  w.sync();
  EXPECT_EQ(w.offsets(), up_to(end)) << number;
  w.crash();
  w.open();
  EXPECT_EQ(w.offsets(), up_to(end)) << number;
  return hit;
}

TEST(Room, EveryStepOfARollMayFindNone) {
  for (int error : {ENOSPC, EMFILE}) {
    size_t refused = 0;
    uint64_t number = 1;
    while (roll_with_a_refusal(number, error, &refused)) ++number;
    EXPECT_GT(number, 8u);
    EXPECT_GT(refused, 4u);
  }
}

// Three records, and a roll that finds no room for its second file.
void begin_in_vain(LogWorld& w) {
  w.config.segment_bytes = 350;
  w.open();
  for (int i = 0; i < 3; ++i) w.append_one();
  w.sync();
  w.host.disk().fail_next_open("00003.index", ENOSPC);
  ASSERT_FALSE(w.log->append_as_leader(make_batch({.value_size = 100}), 1, 0));
  ASSERT_EQ(w.append_one({.value_size = 1}).first_offset, 3);
}

TEST(Room, ASegmentBegunInVainIsNotBackAfterAPowerLoss) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    LogWorld w(seed);
    begin_in_vain(w);
    w.sync();
    w.crash();
    EXPECT_FALSE(w.disk().exists(w.path(3, ".log"))) << seed;
    w.open();
    EXPECT_EQ(w.offsets(), up_to(4)) << seed;
  }
}

// The power may go between the record and the sync.
TEST(Room, ASegmentBegunInVainThatIsBackHidesNothing) {
  size_t back = 0;
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    LogWorld w(seed);
    begin_in_vain(w);
    auto file = w.disk().open(w.path(0, ".log"), io::Disk::Open::existing).value();
    ASSERT_TRUE(file->sync_now());  // as the system does after a while
    w.crash();
    back += w.disk().exists(w.path(3, ".log"));
    for (int start = 0; start < 2; ++start) {
      w.open();
      EXPECT_EQ(w.offsets(), up_to(4)) << seed;
      EXPECT_EQ(w.log->segment_count(), 1u) << seed;
      w.kill();
    }
    w.open();
    for (Offset at = 4; at < 8; ++at) EXPECT_EQ(w.append_one().first_offset, at);
    EXPECT_EQ(w.offsets(), up_to(8)) << seed;
  }
  EXPECT_GT(back, 10u);
}

// No descriptor for the folder, after all files of a round were synced.
TEST(Room, ARoundWaitsForADescriptorAndTellsNobodyMeanwhile) {
  LogWorld w;
  w.open();
  w.append_one();
  ASSERT_TRUE(w.log->roll());
  w.append_one();
  w.host.disk().fail_operation(w.host.disk().operations() + 6, EMFILE);
  const io::Instant began = w.process->env().main_loop().now();
  EXPECT_EQ(w.sync(), 2);
  EXPECT_EQ(w.world.faults().at("disk: sync failed"), 1u);
  EXPECT_GE(w.process->env().main_loop().now() - began, std::chrono::milliseconds(100));
  EXPECT_EQ(w.log->offline(), nullptr);
  w.crash();
  w.open();
  EXPECT_EQ(w.offsets(), up_to(2));
}

TEST(Room, ARollThatHasToSyncFindsNoDescriptorAndIsTriedAgain) {
  for (uint64_t number = 1; number < 50; ++number) {
    LogWorld w;
    w.config.segment_bytes = 300;
    w.open();
    for (int i = 0; i < 6; ++i) w.append_one();
    ASSERT_EQ(w.log->segment_count(), 2u);
    ASSERT_EQ(w.log->durable_offset(), 0);
    w.host.disk().fail_operation(w.host.disk().operations() + number, EMFILE);
    auto refused = w.log->append_as_leader(make_batch({}), 1, 0);
    w.host.disk().forget_planned_failures();
    if (refused || !refused.error().text.starts_with("cannot sync folder")) continue;
    EXPECT_EQ(w.log->offline(), nullptr);
    EXPECT_EQ(w.append_one().first_offset, 6);
    w.sync();
    w.crash();
    w.open();
    EXPECT_EQ(w.offsets(), up_to(7));
    return;
  }
  ADD_FAILURE() << "no roll that syncs the folder";
}

TEST(Room, IndexesWaitForItInMemory) {
  LogWorld w;
  w.config.segment_bytes = 20'000;
  w.config.index_interval_bytes = 100;
  w.open();
  const ProducerId id = 7;
  w.append(make_batch({.producer_id = id, .sequence = 0, .transactional = true}));
  w.host.disk().fail_next_append("txnindex", ENOSPC);
  LeaderAppend coordinator;
  coordinator.origin = AppendOrigin::coordinator;
  w.append(make_marker(id, 0, kafka::ControlType::abort), 1, coordinator);
  EXPECT_EQ(w.log->aborted_in(0, 2)->size(), 1u);
  for (int i = 0; i < 10; ++i) w.append_one({.value_size = 1000});
  for (const char* index : {".index", ".timeindex", ".txnindex"}) {
    w.host.disk().fail_next_append(index, ENOSPC);
  }
  while (w.log->segment_count() == 1) w.append_one({.value_size = 1000});
  w.sync();
  EXPECT_EQ(w.log->recovery_point(), 0) << "a crash must find the first segment's records, not it";
  EXPECT_EQ(w.log->aborted_in(0, 2)->size(), 1u);
  ASSERT_TRUE(w.log->apply_retention(w.now_ms, 0));
  EXPECT_EQ(w.log->recovery_point(), w.log->end_offset());
  w.hints.recovery_point = w.log->recovery_point();
  const std::vector<Offset> before = w.offsets();
  w.crash();
  w.open();
  EXPECT_EQ(w.offsets(), before);
  EXPECT_EQ(w.log->aborted_in(0, 2)->size(), 1u);
}

TEST(Room, RecoveryNeedsNone) {
  LogWorld w;
  w.config.index_interval_bytes = 100;
  w.open();
  for (int i = 0; i < 100; ++i) w.append_one({.value_size = 300});
  w.sync();
  w.crash();
  ASSERT_TRUE(w.disk().remove(w.path(0, ".index")));
  ASSERT_TRUE(w.disk().remove(w.path(0, ".timeindex")));
  w.host.disk().capacity = w.host.disk().used();
  w.open();
  EXPECT_EQ(w.offsets(), up_to(100));
  EXPECT_EQ(w.read(50, 1).front().base_offset, 50);
}

TEST(Room, RetentionFreesADiskThatIsFull) {
  LogWorld w;
  w.config.segment_bytes = 5000;
  w.config.retention_ms = 1;
  w.open();
  for (int i = 0; i < 20; ++i) w.append_one({.value_size = 1000});
  w.sync();
  w.host.disk().capacity = w.host.disk().used();
  ASSERT_FALSE(w.log->append_as_leader(make_batch({.value_size = 5000}), 1, 0));
  auto removed = w.log->apply_retention(1'000'000, 20);
  ASSERT_TRUE(removed) << removed.error().text;
  EXPECT_EQ(w.log->start_offset(), 20);
  EXPECT_EQ(w.append_one({.value_size = 5000}).first_offset, 20);
}

TEST(Room, AnEpochWhoseBatchesWereRefusedIsNotKnown) {
  LogWorld w;
  w.open();
  w.append_one();
  w.host.disk().fail_next_append(".log", ENOSPC);
  VerbatimAppend from;
  from.owner = 9;
  const auto batches = joined(
      {make_batch({.base_offset = 1, .epoch = 2}), make_batch({.base_offset = 2, .epoch = 3})});
  ASSERT_FALSE(w.log->append_verbatim(batches, 0, from));
  EXPECT_EQ(w.log->epochs().latest(), 1);
  EXPECT_EQ(w.log->epochs().end_offset_for(1, 1).end_offset, 1);
  ASSERT_TRUE(w.log->append_verbatim(batches, 0, from));
  EXPECT_EQ(w.log->epochs().latest(), 3);
  EXPECT_EQ(w.log->epochs().owner_of(2), 9);
}

// ---- what is written together ----

Slice of_producer(int32_t sequence) { return make_batch({.producer_id = 7, .sequence = sequence}); }

struct Together {
  std::vector<Slice> batches;
  std::vector<GroupedAppend> items;
  explicit Together(std::vector<Slice> all) : batches(std::move(all)) {
    for (const Slice& batch : batches) items.push_back({batch, {}, AppendInfo{}});
  }
  std::vector<Offset> append_to(LogWorld& w) {
    w.log->append_together(items, 1, w.now_ms);
    std::vector<Offset> offsets;
    for (const auto& item : items) offsets.push_back(item.result ? item.result->first_offset : -1);
    return offsets;
  }
};

TEST(Together, EachIsJudgedAsThoughThoseBeforeItWereThere) {
  LogWorld w;
  w.open();
  const uint64_t before = w.host.disk().operations();
  Together group({of_producer(0), make_batch({.records = 3}), of_producer(1), of_producer(1),
                  of_producer(5), make_batch({})});
  EXPECT_EQ(group.append_to(w), (std::vector<Offset>{0, 1, 4, 4, -1, 5}));
  EXPECT_EQ(w.host.disk().operations(), before + 1) << "one write";
  EXPECT_TRUE(group.items[3].result->duplicate);
  EXPECT_EQ(group.items[4].result.error().code,
            static_cast<int>(kafka::ErrorCode::out_of_order_sequence_number));
  EXPECT_EQ(w.offsets(), (std::vector<Offset>{0, 1, 4, 5}));
  EXPECT_EQ(w.append(of_producer(2)).first_offset, 6);
}

TEST(Together, AWriteThatFailsLeavesNothingOfThem) {
  LogWorld w;
  w.open();
  w.append(of_producer(0));
  w.host.disk().fail_next_append(".log", ENOSPC);
  Together group({of_producer(1), make_batch({}), of_producer(1), of_producer(0)});
  EXPECT_EQ(group.append_to(w), (std::vector<Offset>{-1, -1, -1, 0}));
  EXPECT_EQ(w.log->end_offset(), 1);
  EXPECT_EQ(w.append(of_producer(1)).first_offset, 1) << "its sequence is still to come";
}

TEST(Together, WhatWentIntoAFullSegmentStaysWhenTheNextFindsNoRoom) {
  LogWorld w;
  w.config.segment_bytes = static_cast<int32_t>(2 * make_batch({}).size());
  w.open();
  w.host.disk().fail_next_open("00002.log", ENOSPC);
  Together group({make_batch({}), make_batch({}), make_batch({}), make_batch({})});
  EXPECT_EQ(group.append_to(w), (std::vector<Offset>{0, 1, -1, -1}));
  EXPECT_EQ(w.offsets(), up_to(2));
  Together again({make_batch({}), make_batch({})});
  EXPECT_EQ(again.append_to(w), (std::vector<Offset>{2, 3}));
  w.sync();
  w.crash();
  w.open();
  EXPECT_EQ(w.offsets(), up_to(4));
}

}  // namespace
}  // namespace isthmus::broker
