// What consumers without fetch sessions see of a move, at the port of the node that they know.
#include "router/moved_fetches.h"

#include "kafka/gen/fetch.h"
#include "server/reply.h"
#include "tests/router/router_world.h"

namespace isthmus::router {
namespace {

using kafka::ErrorCode;

// Versions from 13 on name the topic by id.
kafka::FetchRequest fetch_without_session(int16_t version, int32_t epoch = -1) {
  kafka::FetchRequest request;
  request.session_epoch = epoch;
  auto& topic = request.topics.emplace_back();
  if (version < 13) topic.topic = "orders";
  if (version >= 13) topic.topic_id.bytes[0] = static_cast<uint8_t>('o');
  topic.partitions.push_back({.partition = 0, .current_leader_epoch = 5, .fetch_offset = 7});
  return request;
}

kafka::FetchResponse fetched(const kafka::FetchRequest& request, ErrorCode error,
                             const char* records) {
  kafka::FetchResponse response;
  auto& topic = response.responses.emplace_back();
  topic.topic = request.topics.at(0).topic;
  topic.topic_id = request.topics[0].topic_id;
  auto& partition = topic.partitions.emplace_back();
  partition.error_code = error;
  partition.records = Rope(Slice::copy_of(records));
  return response;
}

void add_topics(RouterWorld& w) {
  for (FakeSite* site : {&w.seoul, &w.tokyo}) site->add_topic("orders");
}

std::string read_by(const Result<kafka::FetchResponse>& response) {
  if (!response || response->responses.empty()) return "nothing";
  auto& partition = response->responses[0].partitions.at(0);
  if (partition.error_code != ErrorCode::none) return "an error";
  return std::string(as_text(partition.records.flatten()->view()));
}

io::Task<void> fetch_held_by_the_move(RouterWorld* w, int16_t version) {
  LeaderEpoch epoch = 0;
  Offset offset = 0;
  w->seoul.broker.on<kafka::FetchRequest>([w](const kafka::FetchRequest& request) {
    w->tokyo.metadata.topics[0].partitions[0].leader_epoch = (1 << 20) + 5;
    for (FakeSite* site : {&w->seoul, &w->tokyo}) site->learn_of_takeover();
    return std::optional(fetched(request, ErrorCode::not_leader_or_follower, ""));
  });
  w->tokyo.broker.on<kafka::FetchRequest>([&](const kafka::FetchRequest& request) {
    epoch = request.topics.at(0).partitions.at(0).current_leader_epoch;
    offset = request.topics[0].partitions[0].fetch_offset;
    EXPECT_EQ(request.session_epoch, -1) << "a session would be another broker's";
    if (epoch == 5) return std::optional(fetched(request, ErrorCode::fenced_leader_epoch, ""));
    return std::optional(fetched(request, ErrorCode::none, "tokyo's"));
  });
  auto connection = co_await w->at(101);
  for (const int32_t session_epoch : {0, -1}) {
    const auto request = fetch_without_session(version, session_epoch);
    auto response = co_await w->call(*connection, request, version);
    EXPECT_EQ(read_by(response), "tokyo's") << (session_epoch == 0 ? "held by the move" : "later");
    EXPECT_EQ(offset, 7);
    EXPECT_EQ(epoch, -1) << "the one from before the move is fenced there";
  }
  EXPECT_EQ(w->seoul.broker.asked[kafka::ApiKey::fetch], 1);
}
TEST(RouterMovedFetches, AreAskedOfTheNewLeader) {
  for (const int16_t version : {11, 12, 16}) {
    RouterWorld w;
    add_topics(w);
    w.run(fetch_held_by_the_move(&w, version));
  }
}

// The client has not asked for metadata between two moves.
io::Task<void> fetch_moves_back(RouterWorld* w) {
  w->seoul.broker.on<kafka::FetchRequest>([](const kafka::FetchRequest& request) {
    return std::optional(fetched(request, ErrorCode::none, "seoul's"));
  });
  w->tokyo.broker.on<kafka::FetchRequest>([w](const kafka::FetchRequest& request) {
    for (FakeSite* site : {&w->seoul, &w->tokyo}) {
      site->told.route_version = 2;
      site->told.routes.clear();
    }
    return std::optional(fetched(request, ErrorCode::not_leader_or_follower, ""));
  });
  co_await w->flip();
  auto connection = co_await w->at(101);
  auto response = co_await w->call(*connection, fetch_without_session(11), 11);
  EXPECT_EQ(read_by(response), "seoul's");
  EXPECT_EQ(w->tokyo.broker.asked[kafka::ApiKey::fetch], 1);
}
TEST(RouterMovedFetches, GoBackWhereTheyCameFrom) {
  RouterWorld w;
  add_topics(w);
  w.run(fetch_moves_back(&w));
}

// It has seen neither move, and names the epoch from before them at the home of both times.
io::Task<void> with_an_old_epoch(RouterWorld* w, LeaderEpoch present, const char* read, int asked) {
  w->seoul.metadata.topics[0].partitions[0].leader_epoch = present;
  w->seoul.broker.on<kafka::FetchRequest>([](const kafka::FetchRequest& request) {
    const bool is_old = request.topics.at(0).partitions.at(0).current_leader_epoch == 5;
    return std::optional(is_old ? fetched(request, ErrorCode::fenced_leader_epoch, "")
                                : fetched(request, ErrorCode::none, "seoul's"));
  });
  auto connection = co_await w->at(101);
  for (const int more : {0, 1}) {
    auto response = co_await w->call(*connection, fetch_without_session(11), 11);
    EXPECT_EQ(read_by(response), read);
    EXPECT_EQ(w->seoul.broker.asked[kafka::ApiKey::fetch], asked + more);
  }
}
TEST(RouterMovedFetches, AnEpochFromBeforeAMoveThereAndBackIsNoError) {
  RouterWorld w;
  add_topics(w);
  // The router does not know of the promotion at first.
  w.run(with_an_old_epoch(&w, (2 << 20) + 1, "seoul's", 2));
}
// The log may have lost its end: the client has to look (KIP-320).
TEST(RouterMovedFetches, AnEpochFromBeforeARestartIsFenced) {
  RouterWorld w;
  add_topics(w);
  w.run(with_an_old_epoch(&w, 6, "an error", 1));
}

// An election at a site is not our business.
io::Task<void> stale_reader(RouterWorld* w) {
  w->seoul.broker.on<kafka::FetchRequest>([](const kafka::FetchRequest& request) {
    return std::optional(fetched(request, ErrorCode::not_leader_or_follower, ""));
  });
  auto connection = co_await w->at(101);
  auto response = co_await w->call(*connection, fetch_without_session(12), 12);
  EXPECT_EQ(read_by(response), "an error");
  EXPECT_EQ(w->tokyo.broker.asked[kafka::ApiKey::fetch], 0);
}
TEST(RouterMovedFetches, ARefusalThatNoMoveFollowsIsTheClients) {
  RouterWorld w;
  add_topics(w);
  w.seoul.metadata.topics[0].partitions[0].leader_id = 102;
  w.run(stale_reader(&w));
}

TEST(RouterMovedFetches, OnlyAnAnswerOfRefusalsIsARefusal) {
  const auto refusal_in = [](const kafka::FetchResponse& response) {
    kafka::RequestHeader header{1, 12, 3, std::nullopt};
    const Slice all = *server::encode_response(header, response).flatten();
    const size_t id = sizeof header.correlation_id;
    return refusal_of_fetch(header, all.sub(id, all.size() - id));
  };
  kafka::FetchRequest request = fetch_without_session(12);
  for (const auto error : {ErrorCode::not_leader_or_follower, ErrorCode::fenced_leader_epoch}) {
    auto response = fetched(request, error, "");
    EXPECT_EQ(refusal_in(response), error);
    response.responses[0].partitions.emplace_back().partition_index = 1;
    EXPECT_EQ(refusal_in(response), ErrorCode::none) << "the other partition has an answer";
  }
  EXPECT_EQ(refusal_in(fetched(request, ErrorCode::offset_out_of_range, "")), ErrorCode::none);
  EXPECT_EQ(refusal_in(kafka::FetchResponse{}), ErrorCode::none);
}

// The home of the port's node is dead, and clients may stay at that port.
io::Task<void> old_home_dead(RouterWorld* w) {
  w->tokyo.broker.on<kafka::ProduceRequest>(
      [](const auto& request) { return std::optional(produced(request, 3)); });
  w->tokyo.broker.on<kafka::FetchRequest>([](const auto& request) {
    return std::optional(fetched(request, ErrorCode::none, "tokyo's"));
  });
  w->tokyo.broker.always<kafka::HeartbeatRequest>();
  auto connection = co_await w->at(101);
  co_await w->seoul.broker.stop();
  w->tokyo.learn_of_takeover();
  co_await w->until_version(1);
  co_await w->until_away("seoul");
  w->tokyo.broker.delay = io::milliseconds(1500);  // sessions are looked at meanwhile
  auto written = co_await w->call(*connection, produce_to("orders"));
  EXPECT_EQ(error_of(written), ErrorCode::none);
  auto response = co_await w->call(*connection, fetch_without_session(12), 12);
  EXPECT_EQ(read_by(response), "tokyo's");
  auto beat = co_await w->call(*connection, heartbeat_of("billing"));
  EXPECT_TRUE(beat && beat->error_code == ErrorCode::none);
}
TEST(RouterMovedFetches, WhoIsServedElsewhereIsNotCutOffWithTheOldHome) {
  RouterWorld w;
  add_topics(w);
  w.run(old_home_dead(&w));
}

// The new home freezes, and is given up: its answers are not waited for at the old one's port.
io::Task<void> new_home_frozen(RouterWorld* w) {
  co_await w->flip();
  w->tokyo.broker.never<kafka::FetchRequest>();
  w->tokyo.broker.never<kafka::ProduceRequest>();
  auto reader = co_await w->at(101);
  auto writer = co_await w->at(101);
  kafka::Writer fetch, produce;
  fetch_without_session(12).encode(fetch, 12);
  produce_to("orders").encode(produce, 9);
  auto read = reader->call_raw({1, 12, "c", std::move(fetch).finish()}, io::soon(60'000));
  auto written = writer->call_raw({0, 9, "c", std::move(produce).finish()}, io::soon(60'000));
  const io::Instant deadline = io::soon(60'000);
  auto& asked = w->tokyo.broker.asked;
  while (asked[kafka::ApiKey::fetch] + asked[kafka::ApiKey::produce] < 2 &&
         w->world.loop().now() < deadline) {
    co_await io::sleep(w->world.loop(), io::milliseconds(5));
  }
  w->tokyo.broker.never<kafka::SiteRecordRequest>();
  co_await w->until_away("tokyo");
  w->seoul.told.route_version = 2;
  w->seoul.told.routes.clear();
  co_await w->until_version(2);
  auto refused = co_await read;
  EXPECT_TRUE(refused.has_value()) << "nothing is lost with a fetch: it is sent away";
  auto lost = co_await written;
  EXPECT_FALSE(lost.has_value());
  EXPECT_EQ(lost.error().kind, Error::Kind::closed) << "not the test's patience";
}
TEST(RouterMovedFetches, WhatAFrozenNewHomeOwesIsNotWaitedForOnceItIsGivenUp) {
  RouterWorld w;
  add_topics(w);
  w.config.routes = {{.topic = {}, .group = {}, .fallback = "seoul", .cluster = {}}};
  w.run(new_home_frozen(&w));
}

}  // namespace
}  // namespace isthmus::router
