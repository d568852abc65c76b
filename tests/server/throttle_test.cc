// What a quota does to a connection, and what it leaves alone.
#include "server/throttle.h"

#include "kafka/gen/heartbeat.h"
#include "tests/server/echo_world.h"

namespace isthmus::server {
namespace {

// Time passes where a test says so, also in the middle of a turn.
class ManualLoop final : public io::Loop {
 public:
  void post(Callback callback) override { posted.push_back(std::move(callback)); }
  TimerId run_at(io::Instant, Callback) override { return 0; }
  void cancel(TimerId) override {}
  io::Instant now() const override { return time; }
  int64_t wall_ms() const override { return 0; }

  void pass(io::Duration d) { time += d; }
  void run_posted() {
    for (auto& callback : std::exchange(posted, {})) callback();
  }

  io::Instant time{std::chrono::hours(1)};
  std::vector<Callback> posted;
};

kafka::QuotaTable quota_of(const std::string& client_id, const std::string& name, double value) {
  kafka::QuotaTable table;
  table[{std::nullopt, client_id, std::nullopt}][name] = value;
  return table;
}

class ThrottleTest : public testing::Test {
 protected:
  void limit(const std::string& name, double value) {
    quotas.set(quota_of("c", name, value));
    throttle.follow("u", "c");
  }
  double counted(const Metric& metric, const std::string& quota) {
    Samples samples;
    stats.add_to(samples);
    const auto series = samples.all().find(&metric);
    if (series == samples.all().end() || !series->second.contains({quota})) return 0;
    return series->second.at({quota}).number;
  }

  ManualLoop loop;
  Quotas quotas;
  ServerStats stats;
  Throttle throttle{quotas, loop, stats};
};

TEST_F(ThrottleTest, WithoutAQuotaNothingIsLookedUpRememberedOrMeasured) {
  throttle.follow("u", "c");
  throttle.use(QuotaKind::produce, 1e12);
  quotas.set(quota_of("another", "producer_byte_rate", 1));
  throttle.follow("u", "c");
  throttle.use(QuotaKind::produce, 1e12);
  EXPECT_FALSE(throttle.refuses(QuotaKind::fetch));
  EXPECT_FALSE(throttle.limits_work());
  EXPECT_FALSE(throttle.is_muted());
  EXPECT_EQ(throttle.throttle_time_ms(), 0);
  EXPECT_GE(throttle.most_at_once(QuotaKind::fetch), uint64_t{1} << 60);
  EXPECT_EQ(quotas.remembered(), 0u);
}

TEST_F(ThrottleTest, WhatIsOwedIsToldAndMutesForSoLong) {
  limit("producer_byte_rate", 1000);
  throttle.use(QuotaKind::produce, 10'000);
  EXPECT_FALSE(throttle.is_muted());
  throttle.use(QuotaKind::produce, 250.5);
  EXPECT_TRUE(throttle.is_muted());
  EXPECT_EQ(throttle.throttle_time_ms(), 251);
  loop.pass(io::milliseconds(200));
  EXPECT_EQ(throttle.throttle_time_ms(), 51) << "what is left";
  throttle.use(QuotaKind::produce, 100);
  EXPECT_EQ(counted(metric::throttles, "produce"), 1) << "longer, not once more";
  EXPECT_NEAR(counted(metric::throttle_seconds, "produce"), 0.3505, 1e-6);
  loop.pass(io::milliseconds(151));
  EXPECT_FALSE(throttle.is_muted());
  EXPECT_EQ(throttle.throttle_time_ms(), 0);
  throttle.use(QuotaKind::produce, 100);
  EXPECT_EQ(counted(metric::throttles, "produce"), 2);
}

TEST_F(ThrottleTest, WhoOwesIsRefusedAndWhatIsGivenAtOnceIsASecondsWorth) {
  limit("consumer_byte_rate", 1000);
  EXPECT_EQ(throttle.most_at_once(QuotaKind::fetch), 1000u);
  EXPECT_FALSE(throttle.refuses(QuotaKind::fetch));
  throttle.use(QuotaKind::fetch, 12'000);
  EXPECT_TRUE(throttle.refuses(QuotaKind::fetch));
  EXPECT_EQ(throttle.throttle_time_ms(), 2000);
  loop.pass(std::chrono::seconds(2));
  EXPECT_FALSE(throttle.refuses(QuotaKind::fetch));
}

TEST_F(ThrottleTest, AnotherConnectionOfTheClientPaysToo) {
  limit("consumer_byte_rate", 1000);
  Throttle other{quotas, loop, stats};
  other.follow("someone", "c");
  throttle.use(QuotaKind::fetch, 12'000);
  EXPECT_FALSE(other.is_muted()) << "not before it asks for something";
  EXPECT_TRUE(other.refuses(QuotaKind::fetch));
  EXPECT_TRUE(other.is_muted());
}

TEST_F(ThrottleTest, AnotherUserClientIdOrQuotaIsSeenAtTheNextRequest) {
  limit("producer_byte_rate", 1000);
  throttle.follow("u", "d");
  throttle.use(QuotaKind::produce, 1e6);
  EXPECT_FALSE(throttle.is_muted());
  kafka::QuotaTable of_user;
  of_user[{"v", std::nullopt, std::nullopt}]["producer_byte_rate"] = 1;
  quotas.set(of_user);
  throttle.follow("u", "d");
  throttle.use(QuotaKind::produce, 1e6);
  EXPECT_FALSE(throttle.is_muted());
  throttle.follow("v", "d");
  throttle.use(QuotaKind::produce, 1e6);
  EXPECT_TRUE(throttle.is_muted());
}

TEST_F(ThrottleTest, WorkIsATimeAndTheAnswerTellsOfItsOwn) {
  limit("request_percentage", 10);  // a second of work is saved
  throttle.begin_work();
  loop.pass(io::milliseconds(1050));
  EXPECT_EQ(throttle.throttle_time_ms(), 500);
  loop.pass(io::milliseconds(200));
  throttle.end_work();
  EXPECT_EQ(throttle.throttle_time_ms(), 1000) << "2.3 s are owed, and no more than one at once";
  loop.pass(std::chrono::seconds(1));
  throttle.end_work();
  EXPECT_FALSE(throttle.is_muted()) << "nothing was begun";
}

io::Task<int> work_then_wait(ManualLoop& loop, io::Event& event) {
  loop.pass(io::milliseconds(30));
  co_await event.wait();
  loop.pass(io::milliseconds(30));
  co_return 7;
}
io::Task<int> work_only(ManualLoop& loop) {
  loop.pass(io::milliseconds(30));
  co_return 8;
}
io::Task<void> count(io::Task<int> task, Throttle& throttle, int& value) {
  throttle.begin_work();
  value = co_await CountingFirstPart(task, throttle);
}
TEST_F(ThrottleTest, TheWorkOfATaskIsCountedUntilItFirstWaits) {
  limit("request_percentage", 1);
  QuotaBucket& bucket = *quotas.find("u", "c", loop.now())[size_t(QuotaKind::request)];
  io::Event event(loop);
  int waited = 0, worked = 0;
  const auto counting = count(work_then_wait(loop, event), throttle, waited);
  const io::Instant begun = loop.now();
  counting.operator co_await().handle.resume();
  EXPECT_EQ(waited, 0);
  EXPECT_EQ(bucket.owed(begun), std::chrono::seconds(3) + io::milliseconds(30) - bucket.window);
  loop.pass(std::chrono::seconds(1));
  event.notify_all();
  loop.run_posted();
  EXPECT_EQ(waited, 7) << "it goes on as if it had been awaited";
  EXPECT_EQ(bucket.owed(begun), std::chrono::seconds(3) + io::milliseconds(30) - bucket.window);
  const auto at_once = count(work_only(loop), throttle, worked);
  at_once.operator co_await().handle.resume();
  EXPECT_EQ(worked, 8);
  EXPECT_EQ(bucket.owed(begun), std::chrono::seconds(6) + io::milliseconds(30) - bucket.window);
}

TEST(Throttle, AnAnswerSaysTheLongerOfTwoTimes) {
  class Fixed final : public kafka::ThrottleSource {
   public:
    int32_t throttle_time_ms() override { return 70; }
  } fixed;
  kafka::RequestHeader header;
  header.api_key = static_cast<int16_t>(kafka::ApiKey::heartbeat);
  header.api_version = 4;
  kafka::HeartbeatResponse response;
  const auto told = [&](int32_t own) {
    response.throttle_time_ms = own;
    const Slice all = *encode_response(header, response).flatten();
    kafka::Reader reader(all.sub(5, all.size() - 5));  // behind the response header
    return kafka::HeartbeatResponse::decode(reader, 4)->throttle_time_ms;
  };
  EXPECT_EQ(told(5), 5) << "a broker's word, passed on by a router";
  header.throttle = &fixed;
  EXPECT_EQ(told(5), 70);
  EXPECT_EQ(told(80), 80);
}

io::Task<void> muted_alone(EchoWorld& w) {
  io::Loop& loop = w.world.loop();
  auto muted = co_await w.connect();
  Rope both = request_frame(1, as_bytes("produce"));
  both.append(request_frame(2, as_bytes("after")));
  const io::Instant begun = loop.now();
  co_await muted->send(std::move(both));
  const std::string first = co_await muted->reply();
  EXPECT_EQ(first, "1 produce") << "the answer comes before the wait";
  auto other = co_await w.connect();
  auto same = co_await w.connect();
  co_await other->send(request_frame(3, as_bytes("another client"), "other"));
  co_await same->send(request_frame(4, as_bytes("another connection")));
  const std::string of_other = co_await other->reply();
  const std::string of_same = co_await same->reply();
  EXPECT_EQ(of_other, "3 another client");
  EXPECT_EQ(of_same, "4 another connection");
  const size_t dispatched = w.service.dispatched;
  const bool is_muted_still = loop.now() - begun < io::milliseconds(1700);
  if (is_muted_still) EXPECT_EQ(dispatched, 3u) << "what came with it is not looked at";
  const std::string second = co_await muted->reply();
  EXPECT_EQ(second, "2 after");
  EXPECT_GE(loop.now() - begun, io::milliseconds(1700));
}
TEST(connection, a_muted_one_is_answered_then_waits_and_holds_back_nobody) {
  Quotas quotas;
  quotas.set(quota_of("test", "producer_byte_rate", 85));  // 850 are saved
  EchoWorld w;
  w.acceptor.enforce(quotas);
  w.run(muted_alone(w));
}

io::Task<void> close_while_muted(EchoWorld& w) {
  auto client = co_await w.connect();
  co_await client->send(request_frame(1, as_bytes("produce")));
  const std::string first = co_await client->reply();
  EXPECT_EQ(first, "1 produce");
  const io::Instant begun = w.world.loop().now();
  co_await w.acceptor.close(std::chrono::seconds(30));
  EXPECT_LT(w.world.loop().now() - begun, std::chrono::seconds(9)) << "nothing is owed to it";
}
TEST(connection, a_muted_one_does_not_delay_a_stop) {
  Quotas quotas;
  quotas.set(quota_of("test", "producer_byte_rate", 1));
  EchoWorld w;
  w.acceptor.enforce(quotas);
  w.run(close_while_muted(w));
}

io::Task<void> busy(EchoWorld& w) {
  io::Loop& loop = w.world.loop();
  auto client = co_await w.connect();
  auto other = co_await w.connect();
  const io::Instant begun = loop.now();
  co_await client->send(request_frame(1, as_bytes("spin")));
  const std::string first = co_await client->reply();
  EXPECT_EQ(first, "1 spin");
  co_await client->send(request_frame(2, as_bytes("after")));
  co_await other->send(request_frame(3, as_bytes("spin"), "other"));
  const std::string of_other = co_await other->reply();
  EXPECT_EQ(of_other, "3 spin");
  const std::string second = co_await client->reply();
  EXPECT_EQ(second, "2 after");
  EXPECT_GE(loop.now() - begun, io::milliseconds(900));
}
TEST(connection, work_of_both_stages_counts) {
  Quotas quotas;
  // 20 ms are saved: either stage alone has them.
  quotas.set(quota_of("test", "request_percentage", 0.2));
  EchoWorld w;
  w.acceptor.enforce(quotas);
  w.run(busy(w));
}

io::Task<void> too_often(EchoWorld& w) {
  io::Loop& loop = w.world.loop();
  std::vector<std::unique_ptr<Client>> clients;
  const io::Instant begun = loop.now();
  io::Instant latest = begun;
  std::string reply;
  for (int i = 0; i < 100 && reply != "closed"; ++i) {
    latest = loop.now();
    clients.push_back(co_await w.connect());
    co_await clients.back()->send(request_frame(i, as_bytes("a")));
    reply = co_await clients.back()->reply();
    if (reply != "closed") EXPECT_EQ(reply, std::to_string(i) + " a");
  }
  EXPECT_EQ(reply, "closed");
  EXPECT_GE(clients.size(), 7u) << "six are let in, and more where they come slowly";
  const bool is_quick = latest - begun < io::milliseconds(500);
  if (is_quick) EXPECT_EQ(clients.size(), 7u);
  if (is_quick) EXPECT_GE(loop.now() - latest, io::milliseconds(900));
  Samples samples;
  co_await w.acceptor.measure(samples);
  EXPECT_EQ(samples.all().at(&metric::throttles).at({"connection"}).number, 1);
  co_await io::sleep(loop, io::milliseconds(1200));
  auto later = co_await w.connect();
  co_await later->send(request_frame(7, as_bytes("b")));
  const std::string again = co_await later->reply();
  EXPECT_EQ(again, "7 b");
}
TEST(acceptor, an_address_that_connects_too_often_is_kept_waiting_and_closed) {
  kafka::QuotaTable table;
  table[{std::nullopt, std::nullopt, "127.0.0.1"}]["connection_creation_rate"] =
      0.5;  // 5 are saved
  Quotas quotas;
  quotas.set(table);
  EchoWorld w;
  w.acceptor.enforce(quotas);
  w.run(too_often(w));
}

}  // namespace
}  // namespace isthmus::server
