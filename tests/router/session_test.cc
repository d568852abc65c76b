// What passes through a node's port: order, refusals, ends.
#include "io/frames.h"
#include "kafka/gen/fetch.h"
#include "tests/router/raw_client.h"
#include "tests/router/router_world.h"

namespace isthmus::router {
namespace {

using kafka::ErrorCode;

void accept_produce(SiteBroker& broker, int& count) {
  broker.on<kafka::ProduceRequest>([&count](const kafka::ProduceRequest& request) {
    return std::optional(produced(request, count++));
  });
}

io::Task<void> pipelined(RouterWorld* w) {
  constexpr int count = 200;
  int written = 0;
  accept_produce(w->seoul.broker, written);
  w->seoul.broker.always<kafka::HeartbeatRequest>();
  auto connection = co_await w->at(101);
  std::vector<io::Task<Result<Slice>>> answers;
  const auto send = [&](const auto& message, int16_t version) {
    kafka::Writer body;
    message.encode(body, version);
    const auto key = static_cast<int16_t>(std::remove_cvref_t<decltype(message)>::api_key);
    client::RawRequest request{key, version, "pipe", std::move(body).finish()};
    answers.push_back(connection->call_raw(std::move(request), io::soon(8000)));
  };
  kafka::MetadataRequest metadata;
  for (int i = 0; i < count; ++i) {
    send(produce_to("orders"), 9);
    send(metadata, 12);  // answered by the router, after asking both sites
    send(heartbeat_of("g"), 4);
  }
  for (int i = 0; i < count; ++i) {
    auto answer = co_await answers[static_cast<size_t>(3 * i)];
    EXPECT_TRUE(answer.has_value()) << answer.error().text;
    if (!answer) co_return;
    auto response = client::decode_response<kafka::ProduceResponse>(*answer, 9);
    EXPECT_TRUE(response.has_value());
    if (!response) co_return;
    EXPECT_EQ(response->responses[0].partition_responses[0].base_offset, i);
    auto described = co_await answers[static_cast<size_t>(3 * i + 1)];
    EXPECT_TRUE(described.has_value());
    auto beaten = co_await answers[static_cast<size_t>(3 * i + 2)];
    EXPECT_TRUE(beaten.has_value());
  }
}
TEST(RouterSession, PipelinedAnswersKeepTheOrderOfTheirRequestsWhoeverAnswers) {
  RouterWorld w;
  w.run(pipelined(&w));
}

io::Task<void> with_hints(RouterWorld* w) {
  w->seoul.broker.on<kafka::ProduceRequest>([](const kafka::ProduceRequest& request) {
    auto response = produced(request, -1, ErrorCode::not_leader_or_follower);
    response.responses[0].partition_responses[0].current_leader = {201, 9};
    response.node_endpoints.push_back({201, "hidden.tokyo", 1234, std::nullopt});
    response.node_endpoints.push_back({999, "unknown", 1234, std::nullopt});
    return std::optional(response);
  });
  auto connection = co_await w->at(101);
  auto response = co_await w->call(*connection, produce_to("orders"));
  EXPECT_TRUE(response.has_value());
  if (!response) co_return;
  EXPECT_EQ(response->responses[0].partition_responses[0].current_leader.leader_id, 201);
  EXPECT_EQ(response->node_endpoints.size(), 1u);
  EXPECT_EQ(response->node_endpoints[0].node_id, 201);
  EXPECT_EQ(response->node_endpoints[0].host, "127.0.0.1");
  EXPECT_EQ(response->node_endpoints[0].port, w->port_of(201));
}
TEST(RouterSession, LeaderHintsOfProduceLeadToTheRouter) {
  RouterWorld w;
  w.run(with_hints(&w));
}

// Of what has moved to a node that takes nothing now: said by the router itself, and with the
// refusal of the old home.
io::Task<void> with_hints_after_a_move(RouterWorld* w) {
  w->seoul.add_topic("orders");
  w->tokyo.add_topic("orders");
  const LeaderEpoch promoted = (1 << 20) + 5;
  w->seoul.broker.on<kafka::ProduceRequest>([w](const kafka::ProduceRequest& request) {
    w->tokyo.metadata.topics.back().partitions[0].leader_epoch = (1 << 20) + 5;
    for (FakeSite* site : {&w->seoul, &w->tokyo}) site->learn_of_takeover();
    return std::optional(produced(request, -1, ErrorCode::not_leader_or_follower));
  });
  auto connection = co_await w->at(101);
  kafka::MetadataRequest metadata;
  metadata.topics->emplace_back().name = "orders";
  auto before = co_await w->call(*connection, metadata);
  EXPECT_TRUE(before.has_value());
  w->seoul.broker.delay = io::milliseconds(500);
  const int16_t version = 11;
  for (const char* who : {"the node", "the router"}) {
    kafka::Writer body;
    produce_to("orders").encode(body, version);
    auto waiting =
        connection->call_raw({0, version, "c", std::move(body).finish()}, io::soon(8000));
    co_await w->until_version(1);
    co_await w->tokyo.broker.stop();
    auto answer = co_await waiting;
    EXPECT_TRUE(answer.has_value()) << who;
    if (!answer) co_return;
    auto response = client::decode_response<kafka::ProduceResponse>(std::move(*answer), version);
    EXPECT_EQ(error_of(response), ErrorCode::not_leader_or_follower);
    if (!response) co_return;
    const auto& leader = response->responses[0].partition_responses[0].current_leader;
    EXPECT_EQ(leader.leader_id, 201) << who;
    EXPECT_EQ(leader.leader_epoch, promoted) << who;
    EXPECT_EQ(response->node_endpoints.size(), 1u) << who;
    if (response->node_endpoints.empty()) co_return;
    EXPECT_EQ(response->node_endpoints[0].port, w->port_of(201));
  }
  EXPECT_EQ(w->seoul.broker.asked[kafka::ApiKey::produce], 1);
}
TEST(RouterSession, RefusalsAfterAMoveNameTheNewLeader) {
  RouterWorld w;
  w.run(with_hints_after_a_move(&w));
}

kafka::FetchRequest fetch_of(const std::string& topic) {
  kafka::FetchRequest request;
  request.session_epoch = -1;
  request.topics.push_back({topic, {}, {{.partition = 0}}});
  return request;
}

// As clients ask from version 13 on.
kafka::FetchRequest fetch_by_id(char first_letter_of_its_name) {
  kafka::FetchRequest request = fetch_of("");
  request.topics[0].topic_id.bytes[0] = static_cast<uint8_t>(first_letter_of_its_name);
  return request;
}

kafka::FetchResponse refused_fetch(const kafka::FetchRequest& request) {
  kafka::FetchResponse response;
  auto& topic = response.responses.emplace_back();
  topic.topic_id = request.topics.at(0).topic_id;
  auto& partition = topic.partitions.emplace_back();
  partition.error_code = ErrorCode::not_leader_or_follower;
  return response;
}

io::Task<void> fetch_after_a_move(RouterWorld* w) {
  w->seoul.add_topic("orders");
  w->tokyo.add_topic("orders");
  const LeaderEpoch promoted = (1 << 20) + 5;
  w->seoul.broker.on<kafka::FetchRequest>([w](const kafka::FetchRequest& request) {
    w->tokyo.metadata.topics.back().partitions[0].leader_epoch = (1 << 20) + 5;
    for (FakeSite* site : {&w->seoul, &w->tokyo}) site->learn_of_takeover();
    return std::optional(refused_fetch(request));
  });
  auto connection = co_await w->at(101);
  kafka::MetadataRequest metadata;
  metadata.topics->emplace_back().name = "orders";
  auto before = co_await w->call(*connection, metadata);
  EXPECT_TRUE(before.has_value());
  w->seoul.broker.delay = io::milliseconds(500);
  for (const char* who : {"the node", "the router"}) {
    auto response = co_await w->call(*connection, fetch_by_id('o'));
    EXPECT_TRUE(response.has_value() && response->responses.size() == 1u) << who;
    if (!response || response->responses.empty()) co_return;
    const auto& partition = response->responses[0].partitions.at(0);
    EXPECT_EQ(partition.error_code, ErrorCode::not_leader_or_follower) << who;
    EXPECT_EQ(partition.current_leader.leader_id, 201) << who;
    EXPECT_EQ(partition.current_leader.leader_epoch, promoted) << who;
    EXPECT_EQ(response->node_endpoints.size(), 1u) << who;
    if (response->node_endpoints.empty()) co_return;
    EXPECT_EQ(response->node_endpoints[0].host, "127.0.0.1");
    EXPECT_EQ(response->node_endpoints[0].port, w->port_of(201));
  }
  EXPECT_EQ(w->seoul.broker.asked[kafka::ApiKey::fetch], 1);
}
TEST(RouterSession, RefusedFetchesAfterAMoveNameTheNewLeader) {
  RouterWorld w;
  w.run(fetch_after_a_move(&w));
}

// An answer with records and without refusals passes as it is, whatever is at home elsewhere.
io::Task<void> fetch_with_addresses(RouterWorld* w, int16_t announced) {
  w->seoul.add_topic("orders");
  w->seoul.broker.on<kafka::FetchRequest>([](const kafka::FetchRequest& request) {
    auto response = refused_fetch(request);
    auto& partition = response.responses[0].partitions[0];
    partition.error_code = ErrorCode::none;
    partition.records = Rope(Slice::copy_of("records"));
    response.node_endpoints.push_back({101, "hidden.seoul", 1234, std::nullopt});
    return std::optional(response);
  });
  auto connection = co_await w->at(101);
  EXPECT_EQ(connection->range_of(static_cast<int16_t>(kafka::ApiKey::fetch))->second, announced);
  kafka::Writer body;
  fetch_by_id('o').encode(body, 16);
  auto answer = co_await connection->call_raw(
      {static_cast<int16_t>(kafka::ApiKey::fetch), 16, "c", std::move(body).finish()},
      io::soon(3000));
  EXPECT_TRUE(answer.has_value());
  if (!answer) co_return;
  auto response = client::decode_response<kafka::FetchResponse>(*answer, 16);
  EXPECT_TRUE(response.has_value());
  if (!response) co_return;
  EXPECT_EQ(response->responses[0].partitions[0].records.size(), 7u);
  EXPECT_EQ(response->node_endpoints.at(0).port, w->port_of(101));
}
TEST(RouterSession, AddressesBehindFetchedRecordsLeadToTheRouter) {
  RouterWorld w;
  w.run(fetch_with_addresses(&w, 16));
}
TEST(RouterSession, BeforeAClusterThatNamesAddressesFetchEndsBelowThem) {
  RouterWorld w;
  w.config.clusters["seoul"].inside.clear();
  w.run(fetch_with_addresses(&w, 15));
}

io::Task<void> elsewhere(RouterWorld* w) {
  int written = 0;
  accept_produce(w->seoul.broker, written);
  auto connection = co_await w->at(101);
  auto response = co_await w->call(*connection, produce_to("tea"));
  EXPECT_EQ(error_of(response), ErrorCode::not_leader_or_follower);
  auto beat = co_await w->call(*connection, heartbeat_of("samurai"));
  EXPECT_TRUE(beat.has_value() && beat->error_code == ErrorCode::not_coordinator)
      << "its coordinator does not answer that";
  EXPECT_EQ(written, 0);
  EXPECT_EQ(w->seoul.broker.asked[kafka::ApiKey::heartbeat], 0);
  response = co_await w->call(*connection, produce_to("orders"));
  EXPECT_EQ(error_of(response), ErrorCode::none) << "what was refused here does not count";
}
TEST(RouterSession, WhatIsAtHomeElsewhereNeverReachesTheNode) {
  RouterWorld w;
  w.run(elsewhere(&w));
}

io::Task<void> at_bootstrap(RouterWorld* w) {
  auto connection = co_await w->bootstrap();
  auto response = co_await w->call(*connection, produce_to("orders"));
  EXPECT_EQ(error_of(response), ErrorCode::not_leader_or_follower);
  auto beat = co_await w->call(*connection, heartbeat_of("g"));
  EXPECT_TRUE(beat.has_value() && beat->error_code == ErrorCode::not_coordinator);
}
TEST(RouterSession, TheBootstrapLeadsAndCoordinatesNothing) {
  RouterWorld w;
  w.run(at_bootstrap(&w));
}

io::Task<void> node_dies(RouterWorld* w) {
  w->seoul.broker.never<kafka::ProduceRequest>();
  int written = 0;
  accept_produce(w->tokyo.broker, written);
  auto to_seoul = co_await w->at(101);
  auto to_tokyo = co_await w->at(201);
  kafka::Writer body;
  produce_to("orders").encode(body, 9);
  auto waiting = to_seoul->call_raw({0, 9, "c", std::move(body).finish()}, io::soon(8000));
  auto response = co_await w->call(*to_tokyo, produce_to("tea"));
  EXPECT_EQ(error_of(response), ErrorCode::none);
  co_await w->seoul.broker.stop();
  auto answer = co_await waiting;
  EXPECT_FALSE(answer.has_value()) << "the outcome is unknown: no answer may say anything";
  EXPECT_EQ(answer.error().kind, Error::Kind::closed) << answer.error().text;
  response = co_await w->call(*to_tokyo, produce_to("tea"));
  EXPECT_EQ(error_of(response), ErrorCode::none);
  auto again = co_await w->at(101);
  const io::Instant before = w->world.loop().now();
  response = co_await w->call(*again, produce_to("orders"));
  EXPECT_EQ(error_of(response), ErrorCode::not_leader_or_follower) << "nothing was under way";
  EXPECT_LT(w->world.loop().now() - before, std::chrono::seconds(2));
}
TEST(RouterSession, ANodeThatDiesEndsItsClientsConnectionsAndNoOthers) {
  RouterWorld w;
  w.run(node_dies(&w));
}

// Before the router has noticed, and after.
io::Task<void> absent_node(RouterWorld* w) {
  co_await w->tokyo.broker.stop();
  auto connection = co_await w->at(201);  // it is told the versions
  for (bool noticed : {false, true}) {
    if (noticed) co_await w->until_away("tokyo");
    auto response = co_await w->call(*connection, produce_to("tea"));
    EXPECT_EQ(error_of(response), ErrorCode::not_leader_or_follower) << noticed;
    kafka::FetchRequest fetch;
    fetch.topics.push_back({"tea", {}, {{.partition = 0}}});
    auto fetched = co_await w->call(*connection, fetch, 12);
    EXPECT_TRUE(fetched.has_value()) << fetched.error().text;
    if (!fetched) co_return;
    EXPECT_EQ(fetched->responses[0].partitions[0].error_code, ErrorCode::not_leader_or_follower);
    auto beat = co_await w->call(*connection, heartbeat_of("samurai"));
    EXPECT_TRUE(beat.has_value() && beat->error_code == ErrorCode::not_coordinator);
    auto told = co_await w->call(*connection, kafka::MetadataRequest{});
    EXPECT_TRUE(told.has_value()) << "the router itself answers at every port";
  }
  EXPECT_FALSE(connection->closed()) << "some clients take its end for a refused login";
}
TEST(RouterSession, TheNodeOfASiteThatIsAwayRefusesAndKeepsTheConnection) {
  RouterWorld w;
  w.tokyo.add_topic("tea");
  w.run(absent_node(&w));
}

io::Task<void> lost_answer(RouterWorld* w) {
  w->seoul.broker.always<kafka::HeartbeatRequest>();
  w->seoul.broker.never<kafka::ProduceRequest>();
  const io::Address port{"127.0.0.1", w->port_of(101)};
  auto stream = co_await w->world.env().network.dial(port, io::soon(3000));
  EXPECT_TRUE(stream.has_value());
  Rope requests = frame_of(heartbeat_of("g"), 4, 6);
  requests.append(frame_of(produce_to("orders"), 9, 7));
  requests.append(frame_of(kafka::MetadataRequest{}, 12, 8));  // answered by the router
  auto sent = co_await (*stream)->write(std::move(requests));
  EXPECT_TRUE(sent.has_value());
  io::FrameReader frames(w->world.loop(), **stream, size_t{1} << 20);
  std::vector<int32_t> answered;
  for (bool dead = false;; dead = true) {
    auto more = co_await frames.fill();
    if (!more || !*more) break;
    for (auto frame = frames.next(); frame && *frame; frame = frames.next()) {
      answered.push_back(load_be<int32_t>((*frame)->data()));
    }
    co_await io::sleep(w->world.loop(), io::milliseconds(100));  // 8 is ready, and waits for 7
    if (!dead) co_await w->seoul.broker.stop();
  }
  EXPECT_EQ(answered, std::vector<int32_t>{6}) << "8 would be taken for the answer to 7";
}
TEST(RouterSession, AfterAnAnswerThatIsLostWithItsNodeNoLaterOneIsSent) {
  RouterWorld w;
  w.run(lost_answer(&w));
}

// What comes back before the end of the stream.
io::Task<size_t> answer_to(RouterWorld* w, std::string_view bytes) {
  auto stream =
      co_await w->world.env().network.dial({"127.0.0.1", w->port_of(101)}, io::soon(3000));
  EXPECT_TRUE(stream.has_value());
  auto sent = co_await (*stream)->write(Rope(Slice::copy_of(bytes)));
  EXPECT_TRUE(sent.has_value());
  std::vector<uint8_t> buffer(1000);
  auto got = co_await (*stream)->read_some(buffer);
  co_return got.value_or(0);
}

io::Task<void> no_protocol(RouterWorld* w) {
  using std::string_view_literals::operator""sv;
  const size_t to_http = co_await answer_to(w, "GET / HTTP/1.1\r\n\r\n"sv);
  EXPECT_EQ(to_http, 0u);
  const size_t to_unknown = co_await answer_to(w, "\0\0\0\x0a\x03\xe7\0\0\0\0\0\1\xff\xff"sv);
  EXPECT_EQ(to_unknown, 0u) << "an API that nobody has";
}
TEST(RouterSession, WhoSpeaksAnotherProtocolGetsNoAnswer) {
  RouterWorld w;
  w.run(no_protocol(&w));
}

io::Task<void> garbage(RouterWorld* w) {
  w->seoul.broker.always<kafka::HeartbeatRequest>();
  auto good = co_await w->at(101);
  const auto ends = [](const Result<Slice>& answer) { return !answer.has_value(); };
  // An API of ours that clients may not use, a version too new, bytes that are no request.
  const std::vector<client::RawRequest> wrong = {
      {static_cast<int16_t>(kafka::ApiKey::mirror_append), 0, "c", Rope(Slice::copy_of("abc"))},
      {static_cast<int16_t>(kafka::ApiKey::fetch), 17, "c", Rope(Slice::copy_of("abc"))},
      {static_cast<int16_t>(kafka::ApiKey::produce), 9, "c", Rope(Slice::copy_of("\xff"))},
      {static_cast<int16_t>(kafka::ApiKey::metadata), 12, "c", Rope(Slice::copy_of("\xff\xff"))},
      {static_cast<int16_t>(kafka::ApiKey::fetch), 12, "c", Rope(Slice::copy_of("abc"))},
      {static_cast<int16_t>(kafka::ApiKey::heartbeat), 4, "c", Rope(Slice::copy_of("\x7f"))},
  };
  for (const auto& request : wrong) {
    auto bad = co_await w->at(101);
    auto answer = co_await bad->call_raw(request, io::soon(3000));
    EXPECT_TRUE(ends(answer)) << "api " << request.api_key;
    EXPECT_EQ(answer.error().kind, Error::Kind::closed) << "api " << request.api_key;
    auto beat = co_await w->call(*good, heartbeat_of("g"));
    EXPECT_TRUE(beat.has_value()) << "after api " << request.api_key;
  }
}
TEST(RouterSession, GarbageEndsItsOwnConnectionOnly) {
  RouterWorld w;
  w.run(garbage(&w));
}

// Until what waits for slow readers has grown and not changed for a while; returns the most that it
// was. Answers that are asked for at once come at once: what they take shows when they are here.
io::Task<size_t> until_steady(RouterWorld* w, size_t above) {
  const io::Instant deadline = io::soon(120'000);
  const server::Budget& waiting = w->router->picture().waiting;
  size_t before = 0, most = 0;
  while ((before <= above || before != waiting.used()) && w->world.loop().now() < deadline) {
    before = waiting.used();
    most = std::max(most, before);
    co_await io::sleep(w->world.loop(), io::milliseconds(300));
  }
  co_return most;
}

// Ask for more than the router may keep waiting, and read nothing.
io::Task<void> greedy(RouterWorld* w) {
  constexpr size_t size = size_t{60} << 20;
  constexpr size_t clients = 4, fetches = 4;
  const Slice records = Slice::take(std::vector<uint8_t>(size, 'x'));
  // By value: the broker may still be asked when this coroutine has ended.
  w->seoul.broker.on<kafka::FetchRequest>([records](const kafka::FetchRequest& request) {
    kafka::FetchResponse response;
    auto& partition = response.responses.emplace_back().partitions.emplace_back();
    response.responses[0].topic = request.topics[0].topic;
    partition.records = Rope(records);
    return std::optional(response);
  });
  w->seoul.broker.always<kafka::HeartbeatRequest>();
  const Rope request = frame_of(fetch_of("orders"), 11, 1);
  std::vector<std::unique_ptr<io::Stream>> streams;
  const io::Address port{"127.0.0.1", w->port_of(101)};
  size_t most = 0;
  for (size_t i = 0; i < clients && most < Picture::max_waiting_bytes; ++i) {
    auto stream = co_await w->world.env().network.dial(port, io::soon(3000));
    EXPECT_TRUE(stream.has_value());
    Rope all;
    for (size_t n = 0; n < fetches; ++n) all.append(request);
    auto sent = co_await (*stream)->write(std::move(all));
    EXPECT_TRUE(sent.has_value());
    streams.push_back(std::move(*stream));
    const size_t waiting = co_await until_steady(w, most);
    most = std::max(most, waiting);
  }
  const size_t limit = Picture::max_waiting_bytes + 2 * size;
  EXPECT_GE(most, Picture::max_waiting_bytes);
  EXPECT_LT(most, limit);
  auto connection = co_await w->at(101);
  auto beat = co_await w->call(*connection, heartbeat_of("g"));
  EXPECT_TRUE(beat.has_value()) << "who does not fetch is not held up";
  auto fetched = co_await w->call(*connection, fetch_of("orders"), 12);
  EXPECT_TRUE(fetched.has_value()) << "who takes nothing has made room";
}
TEST(RouterSession, WhatSlowReadersHaveFetchedIsBoundedAndEndsWithThem) {
  RouterWorld w;
  w.run(greedy(&w));
}

}  // namespace
}  // namespace isthmus::router
