// What a follower names in its fetches, and what it makes of the leader's word on the session.
#include "broker/replication/follower_session.h"

#include <gtest/gtest.h>

#include <string>

namespace isthmus::broker {
namespace {

using kafka::ErrorCode;
using Outcome = FollowerSession::Outcome;

Uuid topic_number(uint8_t number) {
  Uuid id;
  id.bytes[0] = number;
  return id;
}

FollowerSession::Asked asks(uint8_t topic, PartitionIndex index, Offset offset = 0) {
  FollowerSession::Asked asked{.topic = topic_number(topic), .partition = {}};
  asked.partition.partition = index;
  asked.partition.fetch_offset = offset;
  return asked;
}

kafka::FetchResponse says(int32_t session, ErrorCode error = ErrorCode::none) {
  kafka::FetchResponse response;
  response.session_id = session;
  response.error_code = error;
  return response;
}

// "topic-partition@offset", as they are named; behind a bar those that are forgotten.
std::string named(const kafka::FetchRequest& request) {
  std::string text;
  for (const auto& topic : request.topics) {
    for (const auto& p : topic.partitions) {
      text += std::to_string(topic.topic_id.bytes[0]) + "-" + std::to_string(p.partition) + "@" +
              std::to_string(p.fetch_offset) + " ";
    }
  }
  text += "|";
  for (const auto& topic : request.forgotten_topics_data) {
    for (const PartitionIndex index : topic.partitions) {
      text += " " + std::to_string(topic.topic_id.bytes[0]) + "-" + std::to_string(index);
    }
  }
  return text;
}

class FollowerSessionTest : public testing::Test {
 protected:
  kafka::FetchRequest name(FollowerSession::All all, size_t turn = 0) {
    kafka::FetchRequest request;
    session_.name(std::move(all), turn, request);
    return request;
  }
  // A session of which the leader knows `all`.
  void begin(FollowerSession::All all) {
    name(std::move(all));
    ASSERT_EQ(session_.on_answer(says(7)), Outcome::goes_on);
  }
  FollowerSession session_;
};

TEST_F(FollowerSessionTest, TheFirstNamesAllAndBegins) {
  const auto request = name({asks(1, 0), asks(1, 1), asks(2, 0)});
  EXPECT_EQ(request.session_id, 0);
  EXPECT_EQ(request.session_epoch, 0);
  EXPECT_EQ(named(request), "1-0@0 1-1@0 2-0@0 |");
  EXPECT_EQ(request.topics.size(), 2u);
}

TEST_F(FollowerSessionTest, ThenOnlyWhatHasChangedIsNamed) {
  begin({asks(1, 0), asks(1, 1), asks(2, 0)});
  const auto idle = name({asks(1, 0), asks(1, 1), asks(2, 0)});
  EXPECT_EQ(idle.session_id, 7);
  EXPECT_EQ(idle.session_epoch, 1);
  EXPECT_EQ(named(idle), "|");
  session_.on_answer(says(7));
  const auto request = name({asks(1, 1, 5), asks(2, 0), asks(2, 3)});
  EXPECT_EQ(request.session_epoch, 2);
  EXPECT_EQ(named(request), "1-1@5 2-3@0 | 1-0");
  session_.on_answer(says(7));
  EXPECT_EQ(named(name({asks(1, 0)})), "1-0@0 | 1-1 2-0 2-3");
  session_.on_answer(says(7));
  EXPECT_EQ(named(name({})), "| 1-0");
}

// The leader takes it for told.
TEST_F(FollowerSessionTest, WhatWasAnsweredInVainIsNamedAgain) {
  begin({asks(1, 0, 5), asks(1, 1, 6)});
  name({asks(1, 0, 5), asks(1, 1, 6)});
  session_.on_answer(says(7));
  session_.on_unused(topic_number(1), 1);
  EXPECT_EQ(named(name({asks(1, 0, 5), asks(1, 1, 6)})), "1-1@6 |");
  session_.on_answer(says(7));
  session_.on_unused(topic_number(1), 1);
  EXPECT_EQ(named(name({asks(1, 0, 5)})), "| 1-1") << "the leader still counts on it";
}

// Each of them changes what the leader may count on, or gives.
TEST_F(FollowerSessionTest, WhateverChangesOfAPartitionIsNamed) {
  using Partition = kafka::FetchRequest::FetchPartition;
  const auto change = [&](auto of) {
    FollowerSession::Asked other = asks(1, 0);
    of(other.partition);
    begin({asks(1, 0)});
    EXPECT_EQ(name({other}).topics.size(), 1u);
    session_ = {};
  };
  change([](Partition& p) { p.current_leader_epoch = 3; });
  change([](Partition& p) { p.fetch_offset = 3; });
  change([](Partition& p) { p.last_fetched_epoch = 3; });
  change([](Partition& p) { p.log_start_offset = 3; });
  change([](Partition& p) { p.partition_max_bytes = 3; });
}

TEST_F(FollowerSessionTest, ALeaderThatHasForgottenIsToldOfAllAgain) {
  for (const auto error :
       {ErrorCode::fetch_session_id_not_found, ErrorCode::invalid_fetch_session_epoch,
        ErrorCode::fetch_session_topic_id_error}) {
    session_ = {};
    begin({asks(1, 0), asks(1, 1)});
    name({asks(1, 0), asks(1, 1, 9)});
    EXPECT_EQ(session_.on_answer(says(0, error)), Outcome::forgotten);
    const auto request = name({asks(1, 0), asks(1, 1, 9)});
    EXPECT_EQ(request.session_id, 0);
    EXPECT_EQ(request.session_epoch, 0);
    EXPECT_EQ(named(request), "1-0@0 1-1@9 |");
    EXPECT_EQ(session_.on_answer(says(0, error)), Outcome::is_refused) << "it was asked for none";
  }
}

TEST_F(FollowerSessionTest, AnotherErrorRefusesTheFetchAndEndsTheSession) {
  begin({asks(1, 0)});
  name({asks(1, 0)});
  EXPECT_EQ(session_.on_answer(says(7, ErrorCode::unknown_server_error)), Outcome::is_refused);
  EXPECT_EQ(named(name({asks(1, 0)})), "1-0@0 |");
}

TEST_F(FollowerSessionTest, AnAnswerOfAnotherSessionEndsIt) {
  begin({asks(1, 0)});
  name({asks(1, 0)});
  EXPECT_EQ(session_.on_answer(says(0)), Outcome::goes_on);
  EXPECT_EQ(named(name({asks(1, 0)})), "1-0@0 |");
}

// It fills an answer from the first on.
TEST_F(FollowerSessionTest, WithoutASessionEachTurnBeginsElsewhere) {
  const FollowerSession::All all{asks(1, 0), asks(1, 1), asks(2, 0)};
  EXPECT_EQ(named(name(all, 0)), "1-0@0 1-1@0 2-0@0 |");
  session_.on_answer(says(0));
  EXPECT_EQ(named(name(all, 1)), "1-1@0 2-0@0 1-0@0 |");
  session_.on_answer(says(0));
  EXPECT_EQ(named(name(all, 5)), "2-0@0 1-0@0 1-1@0 |");
}

TEST_F(FollowerSessionTest, EachRequestOfItHasTheNextEpoch) {
  begin({asks(1, 0)});
  for (int i = 1; i <= 3; ++i) {
    EXPECT_EQ(name({asks(1, 0)}).session_epoch, i);
    session_.on_answer(says(7));
  }
}

TEST_F(FollowerSessionTest, AnAnswerIsFoundByTopicAndPartition) {
  name({asks(1, 0), asks(1, 4), asks(2, 1)}, 2);
  EXPECT_EQ(session_.place_of(topic_number(1), 4), 1u);
  EXPECT_EQ(session_.place_of(topic_number(2), 1), 2u);
  EXPECT_EQ(session_.place_of(topic_number(1), 1), std::nullopt);
  EXPECT_EQ(session_.place_of(topic_number(3), 0), std::nullopt);
  EXPECT_EQ(session_.place_of(topic_number(0), 0), std::nullopt);
}

}  // namespace
}  // namespace isthmus::broker
