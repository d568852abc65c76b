#include "tests/broker/log/log_world.h"

namespace isthmus::broker {
namespace {

using kafka::ErrorCode;

TEST(LeaderAppend, GivesOffsetsAndEpochAndLeavesTheInputAlone) {
  LogWorld w;
  w.open();
  const Slice batch = make_batch({.base_offset = 77, .records = 3, .epoch = 99});
  const std::vector<uint8_t> before(batch.view().begin(), batch.view().end());
  const AppendInfo first = w.append(batch, 4);
  EXPECT_EQ(first.first_offset, 0);
  EXPECT_EQ(first.last_offset, 2);
  EXPECT_EQ(first.log_append_time, -1);
  const AppendInfo second = w.append(batch, 4);
  EXPECT_EQ(second.first_offset, 3);
  EXPECT_EQ(w.log->end_offset(), 6);
  EXPECT_TRUE(std::ranges::equal(before, batch.view()));
  const auto headers = w.read(0);
  ASSERT_EQ(headers.size(), 2u);
  EXPECT_EQ(headers[1].base_offset, 3);
  EXPECT_EQ(headers[1].partition_leader_epoch, 4);
}

TEST(LeaderAppend, SeveralBatchesAreOneAppend) {
  LogWorld w;
  w.open();
  const AppendInfo info =
      w.append(joined({make_batch({.records = 2}), make_batch({.records = 5}), make_batch({})}));
  EXPECT_EQ(info.first_offset, 0);
  EXPECT_EQ(info.last_offset, 7);
  EXPECT_EQ(w.offsets(), (std::vector<Offset>{0, 2, 7}));
}

TEST(LeaderAppend, LogAppendTimeSetsTypeAndTimestampAndKeepsTheChecksumTrue) {
  LogWorld w;
  w.config.timestamp_type = kafka::TimestampType::log_append_time;
  w.open();
  const AppendInfo info = w.append(make_batch({.records = 3, .timestamp = 17}));
  EXPECT_EQ(info.log_append_time, w.now_ms);
  const auto headers = w.read(0);  // compares checksums
  ASSERT_EQ(headers.size(), 1u);
  EXPECT_EQ(headers[0].timestamp_type(), kafka::TimestampType::log_append_time);
  EXPECT_EQ(headers[0].max_timestamp, w.now_ms);
}

TEST(LeaderAppend, RefusesWhatAClientMayNotWrite) {
  LogWorld w;
  w.config.max_message_bytes = 200;
  w.open();
  EXPECT_EQ(w.append_error(make_batch({.value_size = 500})), ErrorCode::message_too_large);
  EXPECT_EQ(w.append_error(make_marker(7, 0, kafka::ControlType::abort)),
            ErrorCode::invalid_record);
  EXPECT_EQ(w.append_error(joined({make_batch({.producer_id = 7, .sequence = 0}),
                                   make_batch({.producer_id = 7, .sequence = 1})})),
            ErrorCode::invalid_record);
  EXPECT_EQ(w.log->end_offset(), 0);
  EXPECT_EQ(w.log->size_bytes(), 0u);
}

TEST(LeaderAppend, RefusesAnEpochBelowTheLogs) {
  LogWorld w;
  w.open();
  w.append(make_batch({}), 5);
  EXPECT_EQ(w.append_error(make_batch({}), 4), ErrorCode::fenced_leader_epoch);
}

TEST(LeaderAppend, RefusesBytesThatEndInsideABatch) {
  LogWorld w;
  w.open();
  const Slice batch = make_batch({});
  auto cut = w.log->append_as_leader(batch.view().first(batch.size() - 1), 1, 0);
  ASSERT_FALSE(cut);
  EXPECT_EQ(cut.error().kind, Error::Kind::corrupt);
  EXPECT_FALSE(w.log->append_as_leader({}, 1, 0));
  EXPECT_EQ(w.log->end_offset(), 0);
}

TEST(LeaderAppend, ARetryOfAnIdempotentProducerIsAnsweredWithTheFirstOffsets) {
  LogWorld w;
  w.open();
  const Slice batch = make_batch({.records = 2, .producer_id = 9, .sequence = 0});
  w.append(batch);
  w.append(make_batch({}));
  const AppendInfo again = w.append(batch);
  EXPECT_TRUE(again.duplicate);
  EXPECT_EQ(again.first_offset, 0);
  EXPECT_EQ(again.last_offset, 1);
  EXPECT_EQ(w.log->end_offset(), 3);
  EXPECT_EQ(w.append_error(make_batch({.producer_id = 9, .sequence = 5})),
            ErrorCode::out_of_order_sequence_number);
}

TEST(VerbatimAppend, KeepsEveryByteAndAllowsGaps) {
  LogWorld w;
  w.open();
  const Slice first = make_batch({.base_offset = 10, .records = 2, .epoch = 3});
  const Slice second = make_batch({.base_offset = 50, .epoch = 4});
  auto info = w.log->append_verbatim(joined({first, second}), 0, {});
  ASSERT_TRUE(info) << info.error().text;
  EXPECT_EQ(info->first_offset, 10);
  EXPECT_EQ(w.log->end_offset(), 51);
  auto rope = w.log->read(0, UINT64_MAX, INT64_MAX, true);
  ASSERT_TRUE(rope);
  EXPECT_TRUE(std::ranges::equal(rope->flatten()->view(), joined({first, second})));
  const std::vector<EpochEntry> expected{{3, 10, 0}, {4, 50, 0}};
  EXPECT_EQ(w.log->epochs().entries(), expected);
}

TEST(VerbatimAppend, RefusesWhatWouldGoBack) {
  LogWorld w;
  w.open();
  ASSERT_TRUE(w.log->append_verbatim(make_batch({.base_offset = 10, .epoch = 3}), 0, {}));
  const auto refused = [&](std::vector<uint8_t> batches, VerbatimAppend from = {}) {
    auto info = w.log->append_verbatim(batches, 0, from);
    return !info && info.error().kind == Error::Kind::corrupt && w.log->end_offset() == 11;
  };
  EXPECT_TRUE(refused(joined({make_batch({.base_offset = 10, .epoch = 3})})));
  EXPECT_TRUE(refused(joined({make_batch({.base_offset = 11, .epoch = 2})})));
  EXPECT_TRUE(refused(joined(
      {make_batch({.base_offset = 12, .epoch = 3}), make_batch({.base_offset = 12, .epoch = 3})})));
  // KAFKA-18723: an epoch later than the one under which the leader was asked.
  EXPECT_TRUE(refused(joined({make_batch({.base_offset = 11, .epoch = 8})}), {0, {}, 7}));
}

TEST(VerbatimAppend, RemembersWhoGaveAnEpochOut) {
  LogWorld w;
  w.config.cluster = 1;
  w.open();
  const std::vector<EpochOwner> owners{{5, 1}};
  ASSERT_TRUE(w.log->append_verbatim(joined({make_batch({.base_offset = 0, .epoch = 4}),
                                             make_batch({.base_offset = 1, .epoch = 5}),
                                             make_batch({.base_offset = 2, .epoch = 6})}),
                                     0, {.owner = 2, .owners = owners}));
  const std::vector<EpochEntry> expected{{4, 0, 2}, {5, 1, 1}, {6, 2, 2}};
  EXPECT_EQ(w.log->epochs().entries(), expected);
  w.sync();
  w.crash();
  w.open();
  EXPECT_EQ(w.log->epochs().entries(), expected);
}

TEST(Segments, RollBySizeAndKeepKafkasLayout) {
  LogWorld w;
  w.config.segment_bytes = 250;
  w.open();
  const size_t batch_size = make_batch({}).size();
  ASSERT_GT(batch_size * 3, 200u);
  for (int i = 0; i < 9; ++i) w.append_one();
  EXPECT_GT(w.log->segment_count(), 1u);
  w.stop();
  for (const char* name :
       {"00000000000000000000.log", "00000000000000000000.index", "00000000000000000000.timeindex",
        "leader-epoch-checkpoint", "partition.metadata", "00000000000000000009.snapshot"}) {
    EXPECT_TRUE(w.disk().exists(w.folder + "/" + name)) << name;
  }
  w.open();
  EXPECT_EQ(w.offsets(), (std::vector<Offset>{0, 1, 2, 3, 4, 5, 6, 7, 8}));
}

TEST(Segments, RollByAgeOfTheFirstBatch) {
  LogWorld w;
  w.config.segment_ms = 100;
  w.open();
  w.append_one({.timestamp = 1000});
  w.append_one({.timestamp = 1100});
  EXPECT_EQ(w.log->segment_count(), 1u);
  w.append_one({.timestamp = 1101});
  EXPECT_EQ(w.log->segment_count(), 2u);
}

TEST(Segments, OneAppendMayFillSeveral) {
  LogWorld w;
  w.config.segment_bytes = 250;
  w.open();
  std::vector<uint8_t> batches;
  for (int i = 0; i < 10; ++i) {
    const Slice batch = make_batch({.base_offset = i, .epoch = 1});
    batches.insert(batches.end(), batch.view().begin(), batch.view().end());
  }
  ASSERT_TRUE(w.log->append_verbatim(batches, 0, {}));
  EXPECT_GT(w.log->segment_count(), 2u);
  EXPECT_EQ(w.offsets().size(), 10u);
}

TEST(Segments, AGapWiderThanAnIndexCanSayBeginsASegmentOfItsOwn) {
  LogWorld w;
  w.open();
  const Offset far = Offset{3} << 31;
  ASSERT_TRUE(w.log->append_verbatim(make_batch({.base_offset = 5, .epoch = 1}), 0, {}));
  ASSERT_TRUE(w.log->append_verbatim(make_batch({.base_offset = far, .epoch = 1}), 0, {}));
  EXPECT_EQ(w.log->segment_count(), 2u);
  EXPECT_EQ(w.offsets(), (std::vector<Offset>{5, far}));
  w.sync();
  w.crash();
  w.open();
  EXPECT_EQ(w.offsets(), (std::vector<Offset>{5, far}));
}

TEST(Folder, OfAnotherTopicIdIsRefused) {
  LogWorld w;
  w.open();
  w.append_one();
  w.stop();
  w.topic_id.bytes[0] = 99;
  auto opened = w.try_open();
  ASSERT_FALSE(opened);
  EXPECT_NE(opened.error().text.find(w.topic_id.to_string()), std::string::npos);
}

TEST(Folder, OfARecreatedTopicIsNotReadThroughTheCache) {
  LogWorld w;
  w.config.segment_bytes = 100;
  w.open();
  for (int i = 0; i < 4; ++i) w.append_one();
  w.offsets();
  ASSERT_TRUE(w.run(w.log->erase()));
  EXPECT_FALSE(w.disk().exists(w.folder));
  auto again = Log::open(*w.files, w.process->env().main_loop(), w.folder, {"orders", 3},
                         w.topic_id, w.config, {});
  ASSERT_TRUE(again) << again.error().text;
  EXPECT_EQ((*again)->end_offset(), 0);
  EXPECT_EQ((*again)->size_bytes(), 0u);
}

TEST(Folder, StartsWhereItIsTold) {
  LogWorld w;
  w.hints.log_start = 500;
  w.open();
  EXPECT_EQ(w.log->start_offset(), 500);
  EXPECT_EQ(w.log->end_offset(), 500);
  EXPECT_EQ(w.append_one().first_offset, 500);
  w.sync();
  w.crash();
  w.open();
  EXPECT_EQ(w.log->start_offset(), 500);
  EXPECT_EQ(w.log->end_offset(), 501);
}

}  // namespace
}  // namespace isthmus::broker
