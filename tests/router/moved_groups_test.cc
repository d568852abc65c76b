// What members of a group see of its move, at the port of the node that they know.
#include "router/moved_groups.h"

#include "kafka/gen/offset_commit.h"
#include "kafka/gen/offset_fetch.h"
#include "server/reply.h"
#include "tests/router/router_world.h"

namespace isthmus::router {
namespace {

using kafka::ErrorCode;

kafka::OffsetCommitRequest commit_of(const std::string& group, Offset offset) {
  kafka::OffsetCommitRequest request;
  request.group_id = group;
  auto& partition = request.topics.emplace_back("orders").partitions.emplace_back();
  partition.committed_offset = offset;
  return request;
}

kafka::OffsetCommitResponse committed(const kafka::OffsetCommitRequest& request, ErrorCode error) {
  kafka::OffsetCommitResponse response;
  auto& topic = response.topics.emplace_back(request.topics.at(0).name);
  topic.partitions.push_back({request.topics[0].partitions.at(0).partition_index, error});
  return response;
}

// The fence of the move has held it, and then the old home coordinates no more.
io::Task<void> held_by_the_move(RouterWorld* w) {
  Offset there = -1;
  w->seoul.broker.on<kafka::OffsetCommitRequest>([w](const auto& request) {
    for (FakeSite* site : {&w->seoul, &w->tokyo}) site->learn_of_takeover();
    return std::optional(committed(request, ErrorCode::not_coordinator));
  });
  w->tokyo.broker.on<kafka::OffsetCommitRequest>([&there](const auto& request) {
    there = request.topics.at(0).partitions.at(0).committed_offset;
    return std::optional(committed(request, ErrorCode::none));
  });
  auto connection = co_await w->at(101);
  auto response = co_await w->call(*connection, commit_of("billing", 42));
  EXPECT_TRUE(response.has_value());
  if (!response) co_return;
  EXPECT_EQ(response->topics.at(0).partitions.at(0).error_code, ErrorCode::none);
  EXPECT_EQ(there, 42);
  response = co_await w->call(*connection, commit_of("billing", 43));
  EXPECT_TRUE(response && there == 43) << "the next one, over the same connection";
  EXPECT_EQ(w->seoul.broker.asked[kafka::ApiKey::offset_commit], 1);
}
TEST(RouterMovedGroups, WhatTheMoveHasHeldIsAskedAtTheNewHome) {
  RouterWorld w;
  w.run(held_by_the_move(&w));
}

// The first is still held at the old home when the router hears of the move.
io::Task<void> pipelined_commits(RouterWorld* w) {
  std::vector<Offset> there;
  w->seoul.broker.on<kafka::OffsetCommitRequest>([](const auto& request) {
    return std::optional(committed(request, ErrorCode::not_coordinator));
  });
  w->seoul.broker.delay = io::milliseconds(800);
  w->tokyo.broker.on<kafka::OffsetCommitRequest>([&there](const auto& request) {
    there.push_back(request.topics.at(0).partitions.at(0).committed_offset);
    return std::optional(committed(request, ErrorCode::none));
  });
  auto connection = co_await w->at(101);
  std::vector<io::Task<Result<Slice>>> waiting;
  for (const Offset offset : {42, 43}) {
    if (offset == 43) co_await w->flip();
    kafka::Writer body;
    commit_of("billing", offset).encode(body, 7);
    waiting.push_back(connection->call_raw({8, 7, "c", std::move(body).finish()}, io::soon(8000)));
  }
  for (auto& one : waiting) {
    auto answer = co_await one;
    EXPECT_TRUE(answer.has_value());
  }
  EXPECT_EQ(there, (std::vector<Offset>{42, 43})) << "the committed offset would go back";
}
TEST(RouterMovedGroups, CommitsKeepTheirOrder) {
  RouterWorld w;
  w.run(pipelined_commits(&w));
}

// And back: the first is held at the new home, which then sends it away.
io::Task<void> commits_come_back(RouterWorld* w) {
  std::vector<Offset> there;
  w->tokyo.broker.on<kafka::OffsetCommitRequest>([](const auto& request) {
    return std::optional(committed(request, ErrorCode::not_coordinator));
  });
  w->seoul.broker.on<kafka::OffsetCommitRequest>([&there](const auto& request) {
    there.push_back(request.topics.at(0).partitions.at(0).committed_offset);
    return std::optional(committed(request, ErrorCode::none));
  });
  co_await w->flip();
  w->tokyo.broker.delay = io::milliseconds(1500);
  auto connection = co_await w->at(101);
  std::vector<io::Task<Result<Slice>>> waiting;
  for (const Offset offset : {42, 43}) {
    kafka::Writer body;
    commit_of("billing", offset).encode(body, 7);
    waiting.push_back(connection->call_raw({8, 7, "c", std::move(body).finish()}, io::soon(8000)));
    if (offset == 43) break;
    co_await io::sleep(w->world.loop(), io::milliseconds(100));
    w->seoul.told.route_version = 2;
    w->seoul.told.routes.clear();
    co_await w->until_version(2);
  }
  for (auto& one : waiting) {
    auto answer = co_await one;
    EXPECT_TRUE(answer.has_value());
  }
  EXPECT_EQ(there, (std::vector<Offset>{42, 43}));
}
TEST(RouterMovedGroups, CommitsKeepTheirOrderOnTheWayBack) {
  RouterWorld w;
  w.run(commits_come_back(&w));
}

io::Task<void> no_move_follows(RouterWorld* w) {
  w->seoul.broker.on<kafka::HeartbeatRequest>([](const auto&) {
    return std::optional(kafka::HeartbeatResponse{.error_code = ErrorCode::not_coordinator});
  });
  auto connection = co_await w->at(101);
  auto beat = co_await w->call(*connection, heartbeat_of("billing"));
  EXPECT_TRUE(beat && beat->error_code == ErrorCode::not_coordinator);
  EXPECT_EQ(w->tokyo.broker.asked[kafka::ApiKey::heartbeat], 0);
}
TEST(RouterMovedGroups, ARefusalThatNoMoveFollowsIsTheClients) {
  RouterWorld w;
  w.run(no_move_follows(&w));
}

io::Task<void> back_home(RouterWorld* w) {
  w->seoul.broker.always<kafka::HeartbeatRequest>();
  w->tokyo.broker.always<kafka::HeartbeatRequest>();
  auto connection = co_await w->at(101);
  co_await w->flip();
  auto beat = co_await w->call(*connection, heartbeat_of("billing"));
  EXPECT_TRUE(beat && beat->error_code == ErrorCode::none);
  w->seoul.told.route_version = 2;
  w->seoul.told.routes.clear();
  co_await w->until_version(2);
  beat = co_await w->call(*connection, heartbeat_of("billing"));
  EXPECT_TRUE(beat && beat->error_code == ErrorCode::none);
  EXPECT_EQ(w->seoul.broker.asked[kafka::ApiKey::heartbeat], 1);
  EXPECT_EQ(w->tokyo.broker.asked[kafka::ApiKey::heartbeat], 1);
}
TEST(RouterMovedGroups, TheyAreAskedWhereTheyLiveNow) {
  RouterWorld w;
  w.run(back_home(&w));
}

// A commit's many partitions, and what else has a shape of its own.
TEST(RouterMovedGroups, ARefusalIsSeenInEveryShape) {
  const auto is_refusal = [](const auto& response, int16_t version) {
    using Response = std::remove_cvref_t<decltype(response)>;
    const kafka::RequestHeader header{static_cast<int16_t>(Response::api_key), version, 1, "test"};
    const Slice bytes = *server::encode_response(header, response).flatten();
    return is_not_coordinator(header, bytes.sub(4, bytes.size() - 4));
  };
  kafka::OffsetCommitResponse commit;
  commit.topics.emplace_back("a").partitions.push_back({0, ErrorCode::none});
  EXPECT_FALSE(is_refusal(commit, 8));
  commit.topics[0].partitions.push_back({1, ErrorCode::not_coordinator});
  EXPECT_TRUE(is_refusal(commit, 8));
  kafka::OffsetFetchResponse fetch;
  EXPECT_FALSE(is_refusal(fetch, 7));
  fetch.error_code = ErrorCode::not_coordinator;
  EXPECT_TRUE(is_refusal(fetch, 5));
  fetch.error_code = ErrorCode::none;
  fetch.groups.push_back({"g", {}, ErrorCode::not_coordinator});
  EXPECT_TRUE(is_refusal(fetch, 9));
}

}  // namespace
}  // namespace isthmus::router
