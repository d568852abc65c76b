#include "tests/server/echo_world.h"

namespace isthmus::server {
namespace {

Rope frames_of(std::initializer_list<std::string_view> bodies) {
  Rope all;
  int32_t id = 0;
  for (auto body : bodies) all.append(request_frame(++id, as_bytes(body)));
  return all;
}

io::Task<void> replies_keep_order(EchoWorld& w) {
  auto client = co_await w.connect();
  co_await client->send(frames_of({"hold", "b", "silent", "c"}));
  co_await w.until_dispatched(4);  // a held reply does not hold the dispatch of the next
  w.service.release();
  std::string first = co_await client->reply();
  std::string second = co_await client->reply();
  std::string third = co_await client->reply();
  EXPECT_EQ(first, "1 hold");
  EXPECT_EQ(second, "2 b");
  EXPECT_EQ(third, "4 c");
  EXPECT_EQ(w.service.latest->client_id, "test");
}
TEST(connection, replies_come_in_the_order_of_requests) {
  EchoWorld w;
  w.run(replies_keep_order(w));
  EXPECT_EQ(w.service.ended, 1u);
}

io::Task<void> byte_by_byte(EchoWorld& w) {
  auto client = co_await w.connect();
  auto bytes = frames_of({"first", "", "third"}).flatten();
  for (size_t i = 0; i < bytes->size(); ++i) {
    co_await client->send(Rope(bytes->sub(i, 1)));
    if (i % 7 == 0) co_await io::sleep(w.world.loop(), io::milliseconds(1));
  }
  for (std::string expected : {"1 first", "2 ", "3 third"}) {
    std::string reply = co_await client->reply();
    EXPECT_EQ(reply, expected);
  }
}
TEST(connection, frames_may_arrive_in_any_pieces) {
  EchoWorld w;
  w.run(byte_by_byte(w));
}

// Sizes around the reader's buffers, so that frames straddle, fill and exceed them.
const std::vector<size_t> mixed_sizes = {10,      4'000,   5'000, 70'000, 300'000, 1, 1'500'000,
                                         262'140, 262'144, 12,    99'999, 16'000,  3};

io::Task<void> mixed_requests(Client& client) {
  Rope all;
  for (size_t i = 0; i < 3 * mixed_sizes.size(); ++i) {
    std::vector<uint8_t> body(mixed_sizes[i % mixed_sizes.size()]);
    for (size_t k = 0; k < body.size(); ++k) body[k] = static_cast<uint8_t>(i + k * 13 + k / 256);
    all.append(request_frame(static_cast<int32_t>(i), body));
  }
  co_await client.send(std::move(all));
}
io::Task<void> mixed_replies(EchoWorld& w) {
  auto client = co_await w.connect();
  w.beside.spawn("requests", mixed_requests(*client));
  for (size_t i = 0; i < 3 * mixed_sizes.size(); ++i) {
    std::string reply = co_await client->reply();
    std::string expected = std::to_string(i) + " ";
    for (size_t k = 0; k < mixed_sizes[i % mixed_sizes.size()]; ++k) {
      expected.push_back(static_cast<char>(i + k * 13 + k / 256));
    }
    EXPECT_TRUE(reply == expected) << "frame " << i << " of " << expected.size() << " bytes";
  }
}
TEST(connection, frames_of_all_sizes_pass_unchanged) {
  EchoWorld w;
  w.run(mixed_replies(w));
}

io::Task<void> expect_refused(EchoWorld& w, std::string bytes) {
  auto client = co_await w.connect();
  co_await client->send(Rope(Slice::copy_of(bytes)));
  std::string reply = co_await client->reply();
  EXPECT_EQ(reply, "closed");
  EXPECT_EQ(w.service.dispatched, 0u);
}
TEST(connection, garbage_is_closed) {
  using namespace std::string_literals;
  for (const std::string& bytes : {"GET / HTTP/1.1\r\n\r\n"s, "\xff\xff\xff\xff"s, "\0\0\0\2\0\1"s,
                                   "\0\0\0\xa\0\xc\0\0\0\0\0\1\x7f\xff"s, "\0\0\0\0"s}) {
    EchoWorld w;
    w.run(expect_refused(w, bytes));
  }
}
TEST(connection, a_request_larger_than_allowed_is_refused_by_its_length_alone) {
  ServerLimits limits;
  limits.connection.max_request_bytes = 1000;
  EchoWorld w(limits);
  w.run(expect_refused(w, std::string("\0\0\3\xe9", 4)));
}

io::Task<void> slow_reader(EchoWorld& w) {
  auto slow = co_await w.connect();
  Rope many;
  const int32_t count = 40;
  for (int32_t i = 0; i < count; ++i) many.append(request_frame(i, as_bytes("big")));
  co_await slow->send(std::move(many));
  co_await w.until_dispatched(2);
  co_await w.a_while();
  EXPECT_LT(w.service.dispatched, 30u) << "unread replies must hold back what follows";
  auto other = co_await w.connect();
  co_await other->send(request_frame(7, as_bytes("quick")));
  std::string quick = co_await other->reply();
  EXPECT_EQ(quick, "7 quick") << "a slow client slows itself only";
  for (int32_t i = 0; i < count; ++i) {
    std::string reply = co_await slow->reply();
    EXPECT_EQ(reply.size(), std::to_string(i).size() + 1 + big_reply);
  }
}
TEST(connection, a_client_that_does_not_read_slows_itself_only) {
  ServerLimits limits;
  limits.connection.max_outgoing_bytes = 2 * big_reply;
  EchoWorld w(limits);
  w.run(slow_reader(w));
}

// A MiB in 240 ms, until there is no more.
io::Task<void> read_slowly(EchoWorld& w, Client& client, size_t& taken) {
  std::vector<uint8_t> buffer(big_reply / 4);
  while (taken < huge_reply) {
    auto got = co_await client.stream().read_some(buffer);
    if (!got || *got == 0) co_return;
    taken += *got;
    co_await io::sleep(w.world.loop(), io::milliseconds(60));
  }
}
io::Task<void> stalled_reader(EchoWorld& w) {
  auto stalled = co_await w.connect();
  co_await stalled->send(frames_of({"huge", "big"}));
  auto slow = co_await w.connect();
  co_await slow->send(frames_of({"huge"}));
  size_t taken = 0;
  w.beside.spawn("slow", read_slowly(w, *slow, taken));
  const io::Instant deadline = io::soon(120'000);
  while (taken < huge_reply && w.service.ended < 2 && w.world.loop().now() < deadline) {
    w.acceptor.close_stalled(std::chrono::seconds(6));
    co_await io::sleep(w.world.loop(), io::milliseconds(10));
  }
  EXPECT_GE(taken, huge_reply) << "who takes something is not stalled";
  EXPECT_EQ(w.service.ended, 1u);
  std::string reply = co_await stalled->reply();
  EXPECT_EQ(reply, "closed");
  slow->stream().close();
  co_await w.beside.close();
}
TEST(connection, who_takes_nothing_is_told_from_who_takes_little) {
  EchoWorld w;
  w.run(stalled_reader(w));
}

io::Task<void> too_many_requests(EchoWorld& w, size_t expected) {
  auto client = co_await w.connect();
  co_await client->send(frames_of({"hold", "hold", "hold", "hold", "hold"}));
  co_await w.until_dispatched(expected);
  co_await w.a_while();
  EXPECT_EQ(w.service.dispatched, expected);
  w.service.release();
  for (int i = 1; i <= 5; ++i) {
    std::string reply = co_await client->reply();
    EXPECT_EQ(reply, std::to_string(i) + " hold");
  }
}
TEST(connection, requests_under_way_are_limited) {
  ServerLimits limits;
  limits.connection.max_requests = 3;
  EchoWorld w(limits);
  w.run(too_many_requests(w, 3));
}
TEST(connection, bytes_under_way_are_limited_for_the_process) {
  ServerLimits limits;
  limits.max_request_bytes = 30;  // a "hold" takes 18
  EchoWorld w(limits);
  w.run(too_many_requests(w, 2));
}

// Each is 40 bytes: alone too much to be under way, but three may be parked.
const std::string parks = "park" + std::string(36, '.');

io::Task<void> parked_requests(EchoWorld& w) {
  auto client = co_await w.connect();
  co_await client->send(frames_of({parks, parks, parks, parks, parks}));
  co_await w.until_dispatched(4);
  co_await w.a_while();
  EXPECT_EQ(w.service.dispatched, 4u);
  w.service.release();
  for (std::string expected : {"1 parked", "2 parked", "3 parked", "4 crowded", "5 parked"}) {
    std::string reply = co_await client->reply();
    EXPECT_EQ(reply, expected);
  }
}
TEST(connection, requests_that_only_wait_leave_room_for_others_and_are_limited_apart) {
  ServerLimits limits;
  limits.max_request_bytes = 30;
  EchoWorld w(limits);
  w.run(parked_requests(w));
}

io::Task<void> leaves_while_it_waits(EchoWorld& w) {
  auto client = co_await w.connect();
  co_await client->send(frames_of({parks}));
  co_await w.until_dispatched(1);
  EXPECT_FALSE(w.service.latest->ending);
  client->stream().close();
  const io::Instant deadline = io::soon(60'000);
  while (!w.service.latest->closed && w.world.loop().now() < deadline) co_await w.a_while();
  EXPECT_TRUE(w.service.latest->ending && w.service.latest->closed);
}
TEST(connection, a_peer_that_leaves_while_its_request_waits_is_noticed) {
  ServerLimits limits;
  limits.connection.max_linger = io::milliseconds(100);
  limits.max_request_bytes = 30;
  EchoWorld w(limits);
  w.run(leaves_while_it_waits(w));
}

io::Task<void> leaves_with_replies(EchoWorld& w) {
  auto client = co_await w.connect();
  co_await client->send(frames_of({"hold", "big"}));
  co_await w.until_dispatched(2);
  EXPECT_FALSE(w.service.latest_large.expired());
  client->stream().close();
  const io::Instant deadline = io::soon(60'000);
  while (!w.service.latest->closed && w.world.loop().now() < deadline) co_await w.a_while();
  EXPECT_TRUE(w.service.latest_large.expired()) << "kept until the reply before it is ready";
}
TEST(connection, replies_that_nobody_will_hear_take_no_memory) {
  ServerLimits limits;
  limits.connection.max_linger = io::milliseconds(100);
  EchoWorld w(limits);
  w.run(leaves_with_replies(w));
}

io::Task<void> ended_by_service(EchoWorld& w) {
  auto client = co_await w.connect();
  co_await client->send(frames_of({"a", "end", "never"}));
  for (std::string expected : {"1 a", "2 end", "closed"}) {
    std::string reply = co_await client->reply();
    EXPECT_EQ(reply, expected);
  }
  EXPECT_EQ(w.service.dispatched, 2u);
}
TEST(connection, a_service_ends_a_connection_after_its_last_reply) {
  EchoWorld w;
  w.run(ended_by_service(w));
}

io::Task<void> lost_reply(EchoWorld& w) {
  auto client = co_await w.connect();
  co_await client->send(frames_of({"hold", "silent", "lost", "ready before the lost one", "hold"}));
  co_await w.until_dispatched(5);
  w.service.release();
  for (std::string expected : {"1 hold", "closed"}) {
    std::string reply = co_await client->reply();
    EXPECT_EQ(reply, expected);
  }
}
TEST(connection, a_lost_reply_ends_the_connection_at_its_place) {
  EchoWorld w;
  w.run(lost_reply(w));
}

io::Task<void> idle(EchoWorld& w) {
  auto waiting = co_await w.connect();
  co_await waiting->send(frames_of({"hold"}));
  auto silent = co_await w.connect();
  std::string reply = co_await silent->reply();
  EXPECT_EQ(reply, "closed");
  EXPECT_EQ(w.service.ended, 1u) << "who waits for a reply is not idle";
  w.service.release();
  std::string held = co_await waiting->reply();
  EXPECT_EQ(held, "1 hold");
}
TEST(connection, idle_connections_are_closed) {
  ServerLimits limits;
  limits.connection.max_idle = io::milliseconds(100);
  EchoWorld w(limits);
  w.run(idle(w));
}

TEST(connection, before_a_log_in_no_more_is_taken_than_a_log_in_is_long) {
  EchoWorld w({}, 1, true);
  w.run(expect_refused(w, std::string("\0\1\0\1", 4)));  // 64 KiB and a byte
}

io::Task<void> never_logs_in(EchoWorld& w) {
  auto client = co_await w.connect();
  // The service here answers whoever asks: busy as it is, the time is over.
  std::string reply = "1 busy";
  for (int i = 0; reply == "1 busy" && i < 1000; ++i) {
    co_await client->send(request_frame(1, as_bytes("busy")));
    reply = co_await client->reply();
    co_await io::sleep(w.world.loop(), io::milliseconds(5));
  }
  EXPECT_EQ(reply, "closed");
}
TEST(connection, who_does_not_log_in_in_time_is_closed) {
  ServerLimits limits;
  limits.connection.max_log_in = io::milliseconds(100);
  EchoWorld w(limits, 1, true);
  w.run(never_logs_in(w));
}

}  // namespace
}  // namespace isthmus::server
