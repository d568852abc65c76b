// Fetch, ListOffsets, OffsetForLeaderEpoch.
#include "kafka/gen/offset_for_leader_epoch.h"
#include "tests/broker/handlers/broker_world.h"

namespace isthmus::broker {
namespace {

class Read : public BrokerWorld {
 protected:
  LeaderEpoch epoch() {
    kafka::MetadataRequest request;
    request.topics->push_back({Uuid{}, "t"});
    return ask(std::move(request)).topics.at(0).partitions.at(0).leader_epoch;
  }
  ErrorCode epoch_error(LeaderEpoch believed) {
    kafka::OffsetForLeaderEpochRequest request;
    auto& topic = request.topics.emplace_back();
    topic.topic = "t";
    topic.partitions.push_back({0, believed, 0});
    return ask(std::move(request)).topics.at(0).partitions.at(0).error_code;
  }
};
ON_ONE_LOOP_AND_ON_TWO(Read);

// A consumer that asks for an offset inside a batch gets the batch and skips the records itself.
TEST_P(Read, AnOffsetInsideABatchAnswersTheWholeBatch) {
  start();
  create("t");
  produce("t", make_batch({{}, {}, {}, {}, {}}));
  produce("t", make_batch({{}}));
  EXPECT_EQ(bases(fetch("t", {.offset = 3})), (std::vector<Offset>{0, 5}));
  EXPECT_EQ(bases(fetch("t", {.offset = 5})), (std::vector<Offset>{5}));
}

TEST_P(Read, TheFirstBatchIsGivenHoweverLarge) {
  start();
  create("t");
  produce("t", make_batch({{1, std::string(10'000, 'x')}}));
  EXPECT_EQ(bases(fetch("t", {.max_bytes = 1})), (std::vector<Offset>{0}));
}

TEST_P(Read, TheEndIsNoErrorAndBeyondItIsOutOfRange) {
  start();
  create("t");
  produce("t", make_batch({{}}));
  auto end = fetch("t", {.offset = 1});
  EXPECT_EQ(end.error_code, ErrorCode::none);
  EXPECT_TRUE(end.records.empty());
  EXPECT_EQ(end.high_watermark, 1);
  EXPECT_EQ(fetch("t", {.offset = 2}).error_code, ErrorCode::offset_out_of_range);
  EXPECT_EQ(fetch("none", {}).error_code, ErrorCode::unknown_topic_or_partition);
}

TEST_P(Read, AnUnknownTopicIdIsToldAsSuch) {
  start();
  Uuid id = create("t");
  produce("t", make_batch({{}}));
  auto request = fetch_request("", {});
  request.topics[0].topic_id = id;
  EXPECT_EQ(bases(ask(request).responses[0].partitions[0]), (std::vector<Offset>{0}));
  request.topics[0].topic_id.bytes.fill(3);
  EXPECT_EQ(ask(request).responses[0].partitions[0].error_code, ErrorCode::unknown_topic_id);
}

TEST_P(Read, ALongPollEndsWhenARecordComes) {
  start();
  create("t");
  auto second = dial({"site", 9092});
  auto before = world.now();
  std::optional<size_t> size;
  client()->spawn("poll", poll(*second, fetch_request("t", {.max_wait_ms = 20'000}), size));
  world.run_for(std::chrono::seconds(1));
  EXPECT_FALSE(size);
  produce("t", make_batch({{}}));
  world.run_until([&] { return size.has_value(); }, std::chrono::seconds(25));
  ASSERT_TRUE(size);
  EXPECT_GT(*size, 0u);
  EXPECT_LT(world.now() - before, std::chrono::seconds(3));
}

TEST_P(Read, ALongPollHoldsUpNoStop) {
  start();
  create("t");
  auto second = dial({"site", 9092});
  std::optional<size_t> size;
  client()->spawn("poll", poll(*second, fetch_request("t", {.max_wait_ms = INT32_MAX}), size));
  world.run_for(std::chrono::seconds(5));
  EXPECT_FALSE(size);
  const auto before = world.now();
  stop();
  EXPECT_LT(world.now() - before, std::chrono::seconds(2)) << "answered, not cut off";
  world.run_until([&] { return size.has_value(); }, std::chrono::seconds(1));
  EXPECT_EQ(size, 0u);
}

TEST_P(Read, NoPollWaitsLongerThanAMinute) {
  start();
  create("t");
  auto second = dial({"site", 9092});
  std::optional<size_t> size;
  client()->spawn("poll", poll(*second, fetch_request("t", {.max_wait_ms = INT32_MAX}), size));
  world.run_for(std::chrono::seconds(59));
  EXPECT_FALSE(size);
  world.run_for(std::chrono::seconds(2));
  EXPECT_EQ(size, 0u);
}

// Of those that wait, only so many may have their bytes counted apart; the others answer soon, so
// that what they hold is not withheld from requests that do something.
TEST_P(Read, WhereTooManyWaitTheyWaitShortly) {
  config.broker.queued_max_request_bytes = 1024;
  start();
  create("t");
  auto many = fetch_request("t", {.max_wait_ms = 20'000});
  auto& partitions = many.topics[0].partitions;
  partitions.resize(200, partitions[0]);
  auto second = dial({"site", 9092});
  std::optional<size_t> size;
  client()->spawn("poll", poll(*second, many, size));
  world.run_for(std::chrono::seconds(1));
  EXPECT_EQ(size, 0u);
}

// Each is looked up, and looked at again whenever one of them has something new.
TEST_P(Read, APollOfManyPartitionsLeavesTheLoopToOthers) {
  start();
  create("t");
  auto many = fetch_request("t", {.max_wait_ms = 20'000});
  auto& partitions = many.topics[0].partitions;
  partitions.resize(20'000, partitions[0]);
  auto second = dial({"site", 9092});
  std::optional<size_t> size;
  client()->spawn("poll", poll(*second, many, size));
  EXPECT_EQ(list_offset("t", -1).offset, 0);
  EXPECT_FALSE(size);
  produce("t", make_batch({{}}));
  world.run_until([&] { return size.has_value(); }, std::chrono::seconds(2));
  ASSERT_TRUE(size);
  EXPECT_GT(*size, 0u);
}

TEST_P(Read, NobodyNamesMorePartitionsThanThereCanBe) {
  start();
  create("t");
  auto many = fetch_request("t", {});
  many.topics[0].partitions.resize(200'001);
  auto second = dial({"site", 9092});
  auto answer = run_on(*client(), second->call(many, deadline(), 12));
  EXPECT_FALSE(answer) << "the connection is closed";
}

TEST_P(Read, ARequestPaddedToMegabytesIsRefused) {
  start();
  auto second = dial({"site", 9092});
  kafka::Writer writer;
  fetch_request("t", {}).encode(writer, 12);
  writer.raw(std::vector<uint8_t>(1 << 20));
  auto answer = run_on(*client(), second->call_raw({static_cast<int16_t>(kafka::ApiKey::fetch), 12,
                                                    std::nullopt, std::move(writer).finish(), true},
                                                   deadline()));
  EXPECT_FALSE(answer) << "the connection is closed";
}

TEST_P(Read, EpochsAreFencedBothWays) {
  start();
  create("t");
  lose_power();
  produce("t", make_batch({{}}));
  LeaderEpoch now = epoch();
  ASSERT_GT(now, 0);
  for (auto [believed, error] : {std::pair{now - 1, ErrorCode::fenced_leader_epoch},
                                 {now, ErrorCode::none},
                                 {now + 1, ErrorCode::unknown_leader_epoch},
                                 {-1, ErrorCode::none}}) {
    EXPECT_EQ(fetch("t", {.current_epoch = believed}).error_code, error) << believed;
    EXPECT_EQ(list_offset("t", -1, believed).error_code, error) << believed;
    EXPECT_EQ(epoch_error(believed), error) << believed;
  }
}

TEST_P(Read, AFetchBeyondItsEpochIsToldWhereTheHistoriesPart) {
  start();
  create("t");
  produce("t", make_batch({{}, {}}));
  LeaderEpoch first = epoch();
  lose_power();
  produce("t", make_batch({{}}));
  auto diverged = fetch("t", {.offset = 3, .last_fetched_epoch = first});
  EXPECT_EQ(diverged.diverging_epoch.epoch, first);
  EXPECT_EQ(diverged.diverging_epoch.end_offset, 2);
}

// An old client that asks for -3 has computed a time and got it wrong.
TEST_P(Read, ListOffsetsKnowsASpecialTimeFromItsVersionOn) {
  start();
  create("t");
  produce("t", make_batch({{1000}}));
  for (auto [time, since] : {std::pair{-1, 1}, {-2, 1}, {-3, 7}, {-4, 8}, {-5, 9}}) {
    kafka::ListOffsetsRequest request;
    auto& topic = request.topics.emplace_back();
    topic.name = "t";
    topic.partitions.push_back({.partition_index = 0, .timestamp = time});
    const auto error_in = [&](int version) {
      auto answer = ask(request, static_cast<int16_t>(version));
      return answer.topics.at(0).partitions.at(0).error_code;
    };
    EXPECT_EQ(error_in(since), ErrorCode::none) << time;
    if (since > 1) {
      EXPECT_EQ(error_in(since - 1), ErrorCode::unsupported_version) << time;
    }
  }
}

// Neither where the first batch is more than it takes, nor where the second one does not fit.
TEST_P(Read, AFetchDoesNotWaitForMoreThanItTakes) {
  start();
  create("t");
  for (int i = 0; i < 2; ++i) produce("t", make_batch({{1, std::string(200, 'x')}}));
  for (int32_t max_bytes : {100, 400}) {
    auto request = fetch_request("t", {.max_wait_ms = 20'000});
    request.min_bytes = 1'000'000;
    request.max_bytes = max_bytes;
    const io::Instant begin = client()->env().main_loop().now();
    auto answer = ask(request, 12);
    EXPECT_GT(answer.responses.at(0).partitions.at(0).records.size(), 0u);
    EXPECT_LT(client()->env().main_loop().now() - begin, std::chrono::seconds(1)) << max_bytes;
  }
}

TEST_P(Read, ListOffsetsFindsTheFirstRecordOfATime) {
  start();
  create("t");
  produce("t", make_batch({{1000}, {1005}}));
  produce("t", make_batch({{3000}, {2000}}));
  EXPECT_EQ(list_offset("t", 0).offset, 0);
  EXPECT_EQ(list_offset("t", 1001).offset, 1);
  EXPECT_EQ(list_offset("t", 1001).timestamp, 1005);
  EXPECT_EQ(list_offset("t", 1006).offset, 2);
  EXPECT_EQ(list_offset("t", 3001).offset, -1);
  EXPECT_EQ(list_offset("t", 3001).error_code, ErrorCode::none) << "no such record is no error";
  EXPECT_EQ(list_offset("t", -3).offset, 2) << "the record with the largest timestamp";
  EXPECT_EQ(list_offset("t", -3).timestamp, 3000);
  EXPECT_EQ(list_offset("t", -2).offset, 0);
  EXPECT_EQ(list_offset("t", -1).offset, 4);
  EXPECT_EQ(list_offset("t", -77).error_code, ErrorCode::unsupported_version);
  EXPECT_EQ(list_offset("none", -1).error_code, ErrorCode::unknown_topic_or_partition);
}

TEST_P(Read, ListOffsetsOfAnEmptyPartition) {
  start();
  create("t");
  EXPECT_EQ(list_offset("t", -1).offset, 0);
  EXPECT_EQ(list_offset("t", -2).offset, 0);
  EXPECT_EQ(list_offset("t", -3).offset, -1);
  EXPECT_EQ(list_offset("t", 0).offset, -1);
}

io::Task<void> look_up(client::Connection& over, kafka::ListOffsetsRequest request,
                       std::optional<Offset>& offset) {
  auto answer = co_await over.call(std::move(request), io::Instant::max());
  offset = answer ? answer->topics.at(0).partitions.at(0).offset : -2;
}

// It reads files and may unpack for long.
TEST_P(Read, ALookupByTimeHoldsUpNobodyElse) {
  start();
  create("t");
  produce("t", make_batch({{1000}, {2000}}));
  workers().take(std::chrono::seconds(5));
  kafka::ListOffsetsRequest request;
  auto& topic = request.topics.emplace_back();
  topic.name = "t";
  topic.partitions.push_back({0, -1, 1500});
  auto other = dial({"site", 9092});
  std::optional<Offset> found;
  client()->spawn("look up", look_up(*other, std::move(request), found));
  world.run_for(std::chrono::seconds(1));
  EXPECT_EQ(produce("t", make_batch({{}})).base_offset, 2);
  EXPECT_EQ(list_offset("t", -1).offset, 3);
  EXPECT_FALSE(found);
  world.run_for(std::chrono::seconds(5));
  EXPECT_EQ(found, 1);
}

}  // namespace
}  // namespace isthmus::broker
