// A whole broker on a disk that is full, or that fails it while it starts.
#include <cerrno>

#include "kafka/gen/delete_records.h"
#include "kafka/gen/delete_topics.h"
#include "kafka/gen/offset_commit.h"
#include "kafka/gen/offset_fetch.h"
#include "tests/broker/handlers/broker_world.h"

namespace isthmus::broker {
namespace {

using std::chrono::seconds;

class FullDisk : public BrokerWorld {
 protected:
  static Slice large() {
    kafka::BatchBuilder builder({});
    builder.add(1000, std::nullopt, as_bytes(std::string(100'000, 'v')));
    return std::move(builder).finish();
  }
  ErrorCode commit(Offset offset) {
    kafka::OffsetCommitRequest request;
    request.group_id = "g";
    request.topics.push_back({"a", {{0, offset, -1, std::nullopt}}});
    ErrorCode error = ErrorCode::none;
    for (int i = 0; i < 50; ++i) {  // groups may load beside the serving
      error = ask(request).topics.at(0).partitions.at(0).error_code;
      if (error != ErrorCode::coordinator_load_in_progress) break;
      world.run_for(std::chrono::milliseconds(100));
    }
    return error;
  }
  // Until the disk takes no more; how many there are in all.
  Offset fill() {
    Offset end = 0;
    for (int i = 0; i < 200; ++i) {
      auto answer = produce("a", large());
      if (answer.error_code != ErrorCode::none) {
        EXPECT_EQ(answer.error_code, ErrorCode::kafka_storage_error);
        return end;
      }
      end = answer.base_offset + 1;
    }
    ADD_FAILURE() << "never full";
    return end;
  }
  void expect_readable(Offset end) {
    EXPECT_EQ(list_offset("a", -1).offset, end);
    auto data = fetch("a", {.offset = end - 1});
    EXPECT_EQ(data.error_code, ErrorCode::none);
    EXPECT_EQ(data.high_watermark, end);
    EXPECT_GT(data.records.size(), 100'000u);
  }
};
ON_ONE_LOOP_AND_ON_TWO(FullDisk);

// The reserve is what is left of it for everything else.
TEST_P(FullDisk, RefusesRecordsAndServesTheRest) {
  site.disk().capacity = 8 << 20;
  start();
  create("__consumer_offsets", 2);
  create("a");
  Offset end = 0;
  for (;; ++end) {
    auto answer = produce("a", large());  // faster than anybody looks at the disk by the clock
    if (answer.error_code != ErrorCode::none) {
      EXPECT_EQ(answer.error_code, ErrorCode::kafka_storage_error);
      break;
    }
    ASSERT_LT(end, 100);
  }
  EXPECT_GE(site.disk().capacity - site.disk().used(), 700'000u) << "the reserve";
  expect_readable(end);
  EXPECT_EQ(commit(3), ErrorCode::none);
  create("c");
  kafka::DeleteRecordsRequest request;
  request.topics.push_back({"a", {{0, end}}});
  EXPECT_EQ(ask(request).topics.at(0).partitions.at(0).error_code, ErrorCode::none);
  // A start finds all of it.
  kill();
  start();
  EXPECT_EQ(list_offset("a", -1).offset, end);
  EXPECT_EQ(commit(4), ErrorCode::none);
  EXPECT_EQ(produce("c", make_batch({{}})).error_code, ErrorCode::kafka_storage_error);
  kafka::DeleteTopicsRequest doomed;
  doomed.timeout_ms = 30'000;
  doomed.topics.push_back({"a", {}});
  EXPECT_EQ(ask(doomed).responses.at(0).error_code, ErrorCode::none);
  world.run_for(seconds(2));
  EXPECT_EQ(produce("c", make_batch({{}})).error_code, ErrorCode::none);
}

// Others may fill the disk to its last byte.
TEST_P(FullDisk, WithoutAReserveGoesOnWhenThereIsRoom) {
  config.broker.storage_reserve = 0;
  site.disk().capacity = 4 << 20;
  start();
  create("__consumer_offsets", 2);
  create("a");
  EXPECT_EQ(commit(0), ErrorCode::none);
  const Offset end = fill();
  expect_readable(end);
  site.disk().capacity = 5 << 20;
  EXPECT_EQ(produce("a", large()).base_offset, end) << "nothing of what was refused has an offset";
  const Offset full = fill();
  site.disk().capacity = site.disk().used();
  kill();
  start();
  expect_readable(full);
  EXPECT_EQ(list_offset("a", -2).offset, 0);
  site.disk().capacity = 8 << 20;
  EXPECT_EQ(produce("a", large()).base_offset, full);
  EXPECT_EQ(commit(1), ErrorCode::none);
}

class FailingStart : public FullDisk {};
ON_ONE_LOOP_AND_ON_TWO(FailingStart);

TEST_P(FailingStart, EveryStepMayFailAndTheNextStartHasEverything) {
  start();
  create("__consumer_offsets", 2);
  create("a", 2);
  ASSERT_EQ(produce("a", make_batch({{}})).error_code, ErrorCode::none);
  ASSERT_EQ(commit(1), ErrorCode::none);
  uint64_t failed_starts = 0;
  bool more = true;
  for (uint64_t number = 1; more; ++number) {
    if (number % 2 == 0) stop();
    kill();
    sim::Volume& disk = site.disk();
    const uint64_t before = disk.operations();
    disk.fail_operation(before + number, number % 3 == 0 ? ENOSPC : EIO);
    auto started = try_start();
    more = disk.operations() >= before + number;
    disk.forget_planned_failures();
    if (!started) {
      ++failed_starts;
      EXPECT_FALSE(started.error().text.empty());
    }
    site.kill();
    start();
    ASSERT_EQ(list_offset("a", -1).offset, 1) << number;
    kafka::OffsetFetchRequest request;
    request.group_id = "g";
    request.topics = std::vector<kafka::OffsetFetchRequest::OffsetFetchRequestTopic>{{"a", {0}}};
    for (int i = 0; i < 50; ++i) {  // the groups load beside it
      auto answer = ask(request, 7);
      if (answer.error_code == ErrorCode::none) {
        ASSERT_EQ(answer.topics.at(0).partitions.at(0).committed_offset, 1) << number;
        break;
      }
      world.run_for(std::chrono::milliseconds(100));
    }
    ASSERT_LT(number, 2000u);
  }
  EXPECT_GT(failed_starts, 20u);
}

}  // namespace
}  // namespace isthmus::broker
