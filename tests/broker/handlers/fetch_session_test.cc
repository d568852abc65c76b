// What a leader remembers of a follower's fetches, and what it leaves out of its answers.
#include "broker/handlers/fetch_session.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "tests/broker/handlers/requests.h"

namespace isthmus::broker {
namespace {

using kafka::ErrorCode;
using std::chrono::milliseconds;
using std::chrono::seconds;
using PartitionData = kafka::FetchResponse::PartitionData;

Uuid fetched_topic(uint8_t number) {
  Uuid id;
  id.bytes[0] = number;
  return id;
}

void ask_for(kafka::FetchRequest& request, uint8_t topic, PartitionIndex index, Offset offset = 0) {
  const Uuid id = fetched_topic(topic);
  if (request.topics.empty() || request.topics.back().topic_id != id) {
    request.topics.emplace_back().topic_id = id;
  }
  auto& asked = request.topics.back().partitions.emplace_back();
  asked.partition = index;
  asked.fetch_offset = offset;
}

kafka::FetchRequest next(int32_t epoch, int32_t id = 7) {
  kafka::FetchRequest request;
  request.session_id = id;
  request.session_epoch = epoch;
  return request;
}

PartitionData data(PartitionIndex index, Offset high_watermark = 10, Offset log_start = 0) {
  PartitionData data;
  data.partition_index = index;
  data.high_watermark = high_watermark;
  data.last_stable_offset = high_watermark;
  data.log_start_offset = log_start;
  return data;
}

PartitionData failed(PartitionIndex index, ErrorCode error) {
  PartitionData data;
  data.partition_index = index;
  data.error_code = error;
  data.high_watermark = -1;
  return data;
}

PartitionData with_records(PartitionIndex index) {
  PartitionData data_with = data(index);
  data_with.records = Rope(make_batch({{.text = "x"}}));
  return data_with;
}

// Three partitions of topic 1, of which nothing is told yet.
class FetchSessionTest : public testing::Test {
 protected:
  static kafka::FetchRequest first() {
    kafka::FetchRequest request;
    for (PartitionIndex i : {0, 1, 2}) ask_for(request, 1, i);
    return request;
  }
  bool tells(const PartitionData& data, bool has_more = false) {
    return session_.tell({fetched_topic(1), data.partition_index}, data, has_more);
  }
  // "topic-partition@offset", in the order in which they are read now.
  std::string read(bool all = false) {
    std::string text;
    for (const auto& [key, asked] : session_.to_read(now_, all)) {
      text += std::to_string(key.first.bytes[0]) + "-" + std::to_string(key.second) + "@" +
              std::to_string(asked.fetch_offset) + " ";
    }
    return text;
  }
  // All are read, and told of.
  void tell_all() {
    read(true);
    for (PartitionIndex i : {0, 1, 2}) EXPECT_TRUE(tells(data(i)));
  }
  void take(kafka::FetchRequest request) { ASSERT_EQ(session_.take(request), ErrorCode::none); }

  io::Instant now_{seconds(100)};
  FetchSession session_{7, first()};
};

TEST_F(FetchSessionTest, WhatIsNotNamedIsAskedForFromWhereItWas) {
  EXPECT_EQ(read(true), "1-0@0 1-1@0 1-2@0 ");
  auto request = next(1);
  ask_for(request, 1, 1, 5);
  ask_for(request, 2, 0, 3);
  take(request);
  EXPECT_EQ(read(true), "1-0@0 1-1@5 1-2@0 2-0@3 ");
  auto forgets = next(2);
  forgets.forgotten_topics_data = {
      {.topic = "", .topic_id = fetched_topic(1), .partitions = {0, 9}},
      {.topic = "", .topic_id = fetched_topic(2), .partitions = {0}}};
  take(forgets);
  EXPECT_EQ(read(true), "1-1@5 1-2@0 ");
}

TEST_F(FetchSessionTest, OnlyTheNextRequestOfItGoesOn) {
  auto changes = next(2);
  ask_for(changes, 1, 1, 5);
  EXPECT_EQ(session_.take(changes), ErrorCode::invalid_fetch_session_epoch);
  EXPECT_EQ(session_.take(next(1, 8)), ErrorCode::fetch_session_id_not_found);
  EXPECT_EQ(session_.take(next(1, 0)), ErrorCode::fetch_session_id_not_found);
  EXPECT_EQ(read(true), "1-0@0 1-1@0 1-2@0 ") << "who is refused has changed nothing";
  EXPECT_EQ(session_.take(next(1)), ErrorCode::none);
  EXPECT_EQ(session_.take(next(1)), ErrorCode::invalid_fetch_session_epoch) << "a repetition";
  EXPECT_EQ(session_.take(next(2)), ErrorCode::none);
}

TEST_F(FetchSessionTest, WhatIsToldIsNotToldAgain) {
  tell_all();
  for (PartitionIndex i : {0, 1, 2}) EXPECT_FALSE(tells(data(i)));
}

TEST_F(FetchSessionTest, NewsAreTold) {
  tell_all();
  EXPECT_TRUE(tells(data(0, 11)));
  EXPECT_FALSE(tells(data(0, 11)));
  EXPECT_TRUE(tells(data(0, 11, 4))) << "the log's start";
  auto stable = data(0, 11, 4);
  stable.last_stable_offset = 9;
  EXPECT_TRUE(tells(stable));
  EXPECT_TRUE(tells(with_records(1)));
  EXPECT_TRUE(tells(with_records(1))) << "the follower did not take them";
  auto diverging = data(2);
  diverging.diverging_epoch = {1, 5};
  EXPECT_TRUE(tells(diverging));
  EXPECT_TRUE(tells(diverging)) << "until it has cut its log";
}

// The follower may have lost what it was told: its log was cut, say.
TEST_F(FetchSessionTest, WhatIsNamedIsAnswered) {
  tell_all();
  auto request = next(1);
  ask_for(request, 1, 1, 5);
  take(request);
  EXPECT_FALSE(tells(data(0)));
  EXPECT_TRUE(tells(data(1)));
  EXPECT_FALSE(tells(data(1)));
}

TEST_F(FetchSessionTest, WhatWasForgottenAndComesAgainIsAnswered) {
  tell_all();
  auto forgets = next(1);
  forgets.forgotten_topics_data = {{.topic = "", .topic_id = fetched_topic(1), .partitions = {1}}};
  take(forgets);
  auto request = next(2);
  ask_for(request, 1, 1, 0);
  take(request);
  EXPECT_TRUE(tells(data(1)));
}

TEST_F(FetchSessionTest, AnErrorIsToldEachTimeAndThatItIsOver) {
  tell_all();
  const auto error = ErrorCode::not_leader_or_follower;
  EXPECT_TRUE(tells(failed(1, error)));
  EXPECT_TRUE(tells(failed(1, error)));
  EXPECT_TRUE(tells(data(1)));
  EXPECT_FALSE(tells(data(1)));
}

// An error brings no marks; the same as before it would be no news.
TEST_F(FetchSessionTest, ThatAnErrorIsOverIsToldWhateverTheMarksAre) {
  auto request = next(1);
  ask_for(request, 2, 0);
  take(request);
  const FetchSession::Key key{fetched_topic(2), 0};
  auto error = data(0);
  error.error_code = ErrorCode::kafka_storage_error;
  EXPECT_TRUE(session_.tell(key, error, false));
  EXPECT_TRUE(session_.tell(key, data(0), false));
  EXPECT_FALSE(session_.tell(key, data(0), false));
}

TEST_F(FetchSessionTest, OnlyWhatIsNamedOrHasNewsIsRead) {
  EXPECT_EQ(read(), "1-0@0 1-1@0 1-2@0 ");
  EXPECT_EQ(read(), "");
  auto request = next(1);
  ask_for(request, 1, 2, 5);
  take(request);
  session_.on_news({fetched_topic(1), 0});
  session_.on_news({fetched_topic(9), 0});
  EXPECT_EQ(read(), "1-0@0 1-2@5 ");
  EXPECT_EQ(read(), "");
}

// Nobody tells of a high watermark that has moved; and it has to be heard that the follower is
// there still.
TEST_F(FetchSessionTest, AllIsReadTwiceASecond) {
  tell_all();
  now_ += milliseconds(499);
  EXPECT_EQ(read(), "");
  now_ += milliseconds(1);
  EXPECT_EQ(read(), "1-0@0 1-1@0 1-2@0 ");
  EXPECT_EQ(read(), "");
  EXPECT_EQ(read(true), "1-0@0 1-1@0 1-2@0 ");
  now_ += milliseconds(499);
  EXPECT_EQ(read(), "");
}

// What the follower has not taken yet tells of itself no more.
TEST_F(FetchSessionTest, WhatIsNotDoneIsReadAgain) {
  tell_all();
  EXPECT_FALSE(tells(data(0), true)) << "there was no room";
  EXPECT_TRUE(tells(with_records(1)));
  EXPECT_TRUE(tells(failed(2, ErrorCode::kafka_storage_error)));
  EXPECT_EQ(read(), "1-2@0 1-0@0 1-1@0 ");
  tells(data(0));
  auto request = next(1);
  ask_for(request, 1, 1, 5);
  take(request);
  EXPECT_EQ(read(), "1-1@5 ");
  auto diverging = data(1);
  diverging.diverging_epoch = {1, 5};
  tells(diverging);
  EXPECT_EQ(read(), "1-1@5 ");
}

// An answer has an end; what is first in each of them would leave nothing to the rest.
TEST_F(FetchSessionTest, TheFirstIsBehindWhoWasGivenRecordsLast) {
  tells(with_records(1));
  EXPECT_EQ(read(true), "1-2@0 1-0@0 1-1@0 ");
  tells(data(2, 99));
  EXPECT_EQ(read(true), "1-2@0 1-0@0 1-1@0 ");
  tells(with_records(2));
  EXPECT_EQ(read(true), "1-0@0 1-1@0 1-2@0 ");
}

TEST_F(FetchSessionTest, APartitionIsWatchedOnceUntilItHasNewsOrIsAnother) {
  const FetchSession::Key key{fetched_topic(1), 0};
  const auto one = std::make_shared<int>(1), other = std::make_shared<int>(2);
  EXPECT_TRUE(session_.watch(key, one));
  EXPECT_FALSE(session_.watch(key, one));
  session_.on_news(key);
  EXPECT_TRUE(session_.watch(key, one));
  EXPECT_TRUE(session_.watch(key, other)) << "it was opened anew";
  EXPECT_FALSE(session_.watch({fetched_topic(9), 0}, one)) << "it was forgotten";
}

TEST_F(FetchSessionTest, IdsArePositiveAndOfTheirCluster) {
  std::set<int32_t> ids;
  for (ClusterNumber cluster : {1, 2, 32767}) {
    for (uint64_t number : {uint64_t{0}, uint64_t{1}, uint64_t{65533}, uint64_t{65534}}) {
      const int32_t id = fetch_session_id(cluster, number);
      EXPECT_GT(id, 0);
      EXPECT_EQ(id >> 16, cluster);
      EXPECT_TRUE(ids.insert(id).second);
    }
  }
  EXPECT_EQ(fetch_session_id(1, 65535), fetch_session_id(1, 0)) << "65,535 are told apart";
}

}  // namespace
}  // namespace isthmus::broker
