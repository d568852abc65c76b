#include "client/connection.h"

#include "io/frames.h"
#include "kafka/gen/api_versions.h"
#include "kafka/gen/metadata.h"
#include "tests/client/fake_broker.h"

namespace isthmus::client {
namespace {

// A peer that reads frames and writes what the test says, byte for byte.
class RawPeer {
 public:
  explicit RawPeer(io::RealWorld& w)
      : world(w), listener(*w.env().network.listen(w.loop(), {"127.0.0.1", 0})), gate(w.loop()) {}

  io::Task<void> accept() {
    auto accepted = co_await listener->accept(world.loop());
    stream = std::move(*accepted);
    frames.emplace(world.loop(), *stream, size_t{1} << 20);
  }
  // The next request: its header, and its body in `body`.
  io::Task<kafka::RequestHeader> request() {
    for (;;) {
      auto frame = frames->next();
      if (frame && *frame) {
        kafka::Reader reader(**frame);
        auto header = kafka::RequestHeader::decode(reader);
        body = reader.rest();
        co_return *header;
      }
      auto more = co_await frames->fill();
      if (!more || !*more) co_return kafka::RequestHeader{-1, -1, -1, {}};
    }
  }
  io::Task<void> send(int32_t correlation_id, Rope payload) {
    kafka::Writer w;
    w.int32(static_cast<int32_t>(4 + payload.size()));
    w.int32(correlation_id);
    Rope rope = std::move(w).finish();
    rope.append(std::move(payload));
    auto sent = co_await stream->write(std::move(rope));
    EXPECT_TRUE(sent.has_value());
  }
  io::Task<void> send_raw(std::string bytes) {
    auto sent = co_await stream->write(Rope(Slice::copy_of(bytes)));
    EXPECT_TRUE(sent.has_value());
  }
  io::Task<void> answer_api_versions(kafka::ApiVersionsResponse response, int16_t version) {
    auto header = co_await request();
    EXPECT_EQ(header.api_key, 18);
    versions_asked.push_back(header.api_version);
    kafka::Writer w;
    response.encode(w, version);
    co_await send(header.correlation_id, std::move(w).finish());
  }

  io::RealWorld& world;
  std::unique_ptr<io::Listener> listener;
  io::Gate gate;
  std::unique_ptr<io::Stream> stream;
  std::optional<io::FrameReader> frames;
  Slice body;
  std::vector<int16_t> versions_asked;
};

kafka::ApiVersionsResponse table_of(std::vector<kafka::ApiVersionsResponse::ApiVersion> apis,
                                    kafka::ErrorCode error = kafka::ErrorCode::none) {
  kafka::ApiVersionsResponse response;
  response.error_code = error;
  response.api_keys = std::move(apis);
  return response;
}

using OpenResult = Result<std::unique_ptr<Connection>>;

// Opens a connection to `peer` while `script` runs there.
io::Task<OpenResult> open_with(RawPeer& peer, io::Task<void> script) {
  peer.gate.spawn("script", std::move(script));
  auto opened = co_await Connection::open(peer.world.env(), peer.gate, peer.listener->local(), {},
                                          io::soon(5000));
  co_return opened;
}

io::Task<void> plain_negotiation(RawPeer& peer) {
  co_await peer.accept();
  co_await peer.answer_api_versions(table_of({{3, 0, 7}, {18, 0, 4}}), 4);
}

// The Metadata request has no body worth a look: what counts is the place in line.
RawRequest metadata_request() { return {3, 1, "someone", Rope(Slice::copy_of("?")), true}; }

io::Task<void> finish(RawPeer& peer, std::unique_ptr<Connection>& connection) {
  if (connection) connection->close();
  co_await peer.gate.close();
}

io::Task<void> old_peer_script(RawPeer& peer, bool says_its_range) {
  co_await peer.accept();
  auto refusal = table_of({}, kafka::ErrorCode::unsupported_version);
  if (says_its_range) refusal.api_keys.push_back({18, 0, 2});
  co_await peer.answer_api_versions(refusal, 0);
  const int16_t version = says_its_range ? 2 : 0;
  co_await peer.answer_api_versions(table_of({{0, 0, 3}, {3, 0, 5}, {18, 0, 2}}), version);
}
io::Task<void> old_peer(RawPeer& peer, bool says_its_range) {
  auto opened = co_await open_with(peer, old_peer_script(peer, says_its_range));
  EXPECT_TRUE(opened.has_value()) << opened.error().text;
  if (!opened) co_return;
  const int16_t second = says_its_range ? 2 : 0;
  EXPECT_EQ(peer.versions_asked, (std::vector<int16_t>{4, second}));
  EXPECT_EQ((*opened)->version_for(kafka::ApiKey::metadata), 5);
  EXPECT_EQ((*opened)->version_for(kafka::ApiKey::metadata, 2), 2);
  EXPECT_EQ((*opened)->version_for(kafka::ApiKey::fetch), std::nullopt);
  co_await finish(peer, *opened);
}
TEST(client_connection, a_peer_that_refuses_api_versions_is_asked_in_its_own_version) {
  io::RealWorld world;
  RawPeer peer(world);
  world.run(old_peer(peer, true));
}
TEST(client_connection, a_peer_that_refuses_without_a_range_is_asked_in_version_0) {
  io::RealWorld world;
  RawPeer peer(world);
  world.run(old_peer(peer, false));
}

io::Task<void> answer_many(RawPeer& peer, int count) {
  co_await plain_negotiation(peer);
  std::vector<kafka::RequestHeader> headers;
  for (int i = 0; i < count; ++i) headers.push_back(co_await peer.request());
  for (int i = 0; i < count; ++i) {
    EXPECT_EQ(headers[i].client_id, "someone");
    co_await peer.send(headers[i].correlation_id,
                       Rope(Slice::copy_of("answer " + std::to_string(i))));
  }
}
io::Task<void> pipelining(RawPeer& peer) {
  constexpr int count = 200;
  auto opened = co_await open_with(peer, answer_many(peer, count));
  std::vector<io::Task<Result<Slice>>> calls;
  for (int i = 0; i < count; ++i) {
    calls.push_back((*opened)->call_raw(metadata_request(), io::soon(5000)));
  }
  for (int i = count - 1; i >= 0; --i) {  // the place in line is that of the call, not of the wait
    auto answer = co_await calls[i];
    EXPECT_TRUE(answer.has_value());
    if (answer) EXPECT_EQ(as_text(*answer), "answer " + std::to_string(i));
  }
  co_await finish(peer, *opened);
}
TEST(client_connection, requests_are_pipelined_and_each_gets_its_answer) {
  io::RealWorld world;
  RawPeer peer(world);
  world.run(pipelining(peer));
}

// Each script ruins the stream after negotiation; both calls under way must fail with `kind`.
io::Task<void> expect_failure(RawPeer& peer, io::Task<void> script, Error::Kind kind) {
  auto opened = co_await open_with(peer, std::move(script));
  const int patience_ms = kind == Error::Kind::timeout ? 200 : 60'000;
  auto first = (*opened)->call_raw(metadata_request(), io::soon(patience_ms));
  auto second = (*opened)->call_raw(metadata_request(), io::soon(60'000));
  auto one = co_await first;
  auto other = co_await second;
  EXPECT_FALSE(one.has_value());
  EXPECT_FALSE(other.has_value());
  if (!one) EXPECT_EQ(one.error().kind, kind) << one.error().text;
  EXPECT_TRUE((*opened)->closed());
  auto late = co_await (*opened)->call_raw(metadata_request(), io::soon(5000));
  EXPECT_FALSE(late.has_value());
  co_await finish(peer, *opened);
}

io::Task<void> other_correlation(RawPeer& peer) {
  co_await plain_negotiation(peer);
  auto header = co_await peer.request();
  co_await peer.send(header.correlation_id + 1, Rope(Slice::copy_of("for whom?")));
}
io::Task<void> unasked(RawPeer& peer) {
  co_await plain_negotiation(peer);
  auto header = co_await peer.request();
  for (int i = 0; i < 3; ++i) co_await peer.send(header.correlation_id + i, Rope());
}
io::Task<void> too_large(RawPeer& peer) {
  co_await plain_negotiation(peer);
  co_await peer.send_raw("\x7f\xff\xff\xff");
}
io::Task<void> too_short(RawPeer& peer) {
  co_await plain_negotiation(peer);
  co_await peer.send_raw(std::string("\0\0\0\2ab", 6));
}
io::Task<void> cut(RawPeer& peer) {
  co_await plain_negotiation(peer);
  auto header = co_await peer.request();
  co_await peer.send_raw(
      std::string("\0\0\0\x10"
                  "abc",
                  7));
  peer.stream->close();
}
io::Task<void> silence(RawPeer& peer) {
  co_await plain_negotiation(peer);
  auto header = co_await peer.request();
}

struct Ruin {
  const char* name;
  io::Task<void> (*script)(RawPeer&);
  Error::Kind kind;
};
class ruined_connection : public testing::TestWithParam<Ruin> {};
TEST_P(ruined_connection, fails_all_calls_under_way) {
  io::RealWorld world;
  RawPeer peer(world);
  world.run(expect_failure(peer, GetParam().script(peer), GetParam().kind));
}
INSTANTIATE_TEST_SUITE_P(all, ruined_connection,
                         testing::Values(Ruin{"other_correlation", other_correlation,
                                              Error::Kind::corrupt},
                                         Ruin{"too_large", too_large, Error::Kind::corrupt},
                                         Ruin{"too_short", too_short, Error::Kind::corrupt},
                                         Ruin{"cut", cut, Error::Kind::closed},
                                         Ruin{"silence", silence, Error::Kind::timeout}),
                         [](const auto& info) { return std::string(info.param.name); });

io::Task<void> answers_nobody_asked_for(RawPeer& peer) {
  auto opened = co_await open_with(peer, unasked(peer));
  auto answer = co_await (*opened)->call_raw(metadata_request(), io::soon(5000));
  EXPECT_TRUE(answer.has_value());
  while (!(*opened)->closed()) co_await io::sleep(peer.world.loop(), io::milliseconds(1));
  co_await finish(peer, *opened);
}
TEST(client_connection, an_answer_that_nobody_asked_for_ends_the_connection) {
  io::RealWorld world;
  RawPeer peer(world);
  world.run(answers_nobody_asked_for(peer));
}

io::Task<void> late(RawPeer& peer) {
  auto opened = co_await open_with(peer, answer_many(peer, 1));
  auto answer = co_await (*opened)->call_raw(metadata_request(), io::soon(-1));
  EXPECT_FALSE(answer.has_value());
  EXPECT_FALSE((*opened)->closed()) << "others share it";
  answer = co_await (*opened)->call_raw(metadata_request(), io::soon(5000));
  EXPECT_TRUE(answer.has_value());
  co_await finish(peer, *opened);
}
TEST(client_connection, a_request_whose_time_is_over_is_not_sent_and_harms_nobody) {
  io::RealWorld world;
  RawPeer peer(world);
  world.run(late(peer));
}

Slice pattern(size_t size) {
  std::vector<uint8_t> bytes(size);
  for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<uint8_t>(i * 7 + i / 251);
  return Slice::take(std::move(bytes));
}
io::Task<void> answer_big(RawPeer& peer) {
  co_await plain_negotiation(peer);
  for (size_t size : {10, 5'000'000, 300'000, 1, 262'144}) {
    auto header = co_await peer.request();
    co_await peer.send(header.correlation_id, Rope(pattern(size)));
  }
}
io::Task<void> big_answers(RawPeer& peer) {
  auto opened = co_await open_with(peer, answer_big(peer));
  std::vector<Slice> held;  // a held answer must not be overwritten by the next
  for (int i = 0; i < 5; ++i) {
    auto answer = co_await (*opened)->call_raw(metadata_request(), io::soon(5000));
    held.push_back(*answer);
  }
  for (const Slice& answer : held) {
    EXPECT_TRUE(as_text(answer) == as_text(pattern(answer.size()))) << answer.size();
  }
  EXPECT_EQ(held[1].size(), 5'000'000u);
  co_await finish(peer, *opened);
}
TEST(client_connection, large_answers_arrive_unchanged_and_stay_so) {
  io::RealWorld world;
  RawPeer peer(world);
  world.run(big_answers(peer));
}

io::Task<void> unread_requests(RawPeer& peer) {
  auto opened = co_await open_with(peer, plain_negotiation(peer));
  Connection& connection = **opened;
  const bool at_first = co_await connection.room(io::soon(1000));
  EXPECT_TRUE(at_first);
  RawRequest large = metadata_request();
  large.body = Rope(pattern(20 << 20));
  auto call = connection.call_raw(std::move(large), io::soon(5000));
  const bool when_full = co_await connection.room(io::soon(50));
  EXPECT_FALSE(when_full) << "20 MiB wait for a peer that does not read";
  connection.close();
  auto answer = co_await call;
  EXPECT_FALSE(answer.has_value());
  co_await finish(peer, *opened);
}
TEST(client_connection, room_says_when_a_peer_does_not_read) {
  io::RealWorld world;
  RawPeer peer(world);
  world.run(unread_requests(peer));
}

io::Task<void> dial_nowhere(io::RealWorld& world) {
  auto listener = *world.env().network.listen(world.loop(), {"127.0.0.1", 0});
  const auto address = listener->local();
  listener->close();
  io::Gate gate(world.loop());
  auto opened = co_await Connection::open(world.env(), gate, address, {}, io::soon(2000));
  EXPECT_FALSE(opened.has_value());
  co_await gate.close();
}
TEST(client_connection, a_refused_dial_is_an_error) {
  io::RealWorld world;
  world.run(dial_nowhere(world));
}

}  // namespace
}  // namespace isthmus::client
