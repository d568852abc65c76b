// What routers and drivers wait for.
#include "kafka/gen/site_record.h"
#include "kafka/gen/durable_ends.h"
#include "kafka/gen/switchover_wish.h"
#include "tests/broker/handlers/broker_world.h"

namespace isthmus::broker {
namespace {

using kafka::SiteRecordResponse;

class SiteRecord : public BrokerWorld {
 protected:
  static io::Task<void> note(client::Connection& over, kafka::SiteRecordRequest request,
                             std::optional<SiteRecordResponse>& answer) {
    auto got = co_await over.call(std::move(request), io::Instant::max());
    if (got) answer = std::move(*got);
  }
  SiteRecordResponse ask_record(int64_t known, int32_t max_wait_ms) {
    kafka::SiteRecordRequest request;
    request.known_version = known;
    request.max_wait_ms = max_wait_ms;
    return ask_peers(std::move(request));
  }
  void begin(int64_t known, std::optional<SiteRecordResponse>& answer) {
    kafka::SiteRecordRequest request;
    request.known_version = known;
    request.max_wait_ms = 20'000;
    client()->spawn("record", note(*waiting_, std::move(request), answer));
  }
  void wish(uint8_t number) {
    kafka::SwitchoverWishRequest request;
    request.link = "busan-seoul";
    request.switchover_id.bytes.fill(number);
    EXPECT_EQ(ask_peers(request).error_code, ErrorCode::none);
  }
  void start() {
    BrokerWorld::start();
    waiting_ = dial({"site", 9093});
  }

  std::shared_ptr<client::Connection> waiting_;
};
ON_ONE_LOOP_AND_ON_TWO(SiteRecord);

TEST_P(SiteRecord, IsToldAtOnceWhenItIsAnotherThanTheAskerKnows) {
  start();
  const auto before = world.now();
  const auto first = ask_record(-1, 20'000);
  EXPECT_LT(world.now() - before, std::chrono::seconds(1)) << "who knows nothing waits for nothing";
  EXPECT_EQ(first.name, "seoul");
  EXPECT_EQ(first.number, 7);
  std::optional<SiteRecordResponse> answer;
  begin(first.version, answer);
  create("t");
  world.run_for(std::chrono::seconds(2));
  EXPECT_FALSE(answer) << "a new topic is no news for a router";
  wish(1);
  world.run_for(std::chrono::milliseconds(100));
  ASSERT_TRUE(answer);
  EXPECT_NE(answer->version, first.version);
  ASSERT_EQ(answer->switchovers.size(), 1u);
  EXPECT_EQ(answer->switchovers[0].phase, kafka::SwitchoverPhase::wished);
  EXPECT_EQ(ask_record(first.version, 20'000), *answer);
}

TEST_P(SiteRecord, IsToldAfterTheTimeThatTheAskerWaits) {
  start();
  const auto first = ask_record(-1, 0);
  const auto before = world.now();
  EXPECT_EQ(ask_record(first.version, 3'000), first);
  EXPECT_GE(world.now() - before, std::chrono::seconds(3));
  EXPECT_LT(world.now() - before, std::chrono::seconds(4));
}

TEST_P(SiteRecord, HoldsUpNoStop) {
  start();
  std::optional<SiteRecordResponse> answer;
  begin(ask_record(-1, 0).version, answer);
  world.run_for(std::chrono::seconds(1));
  const auto before = world.now();
  stop();
  EXPECT_LT(world.now() - before, std::chrono::seconds(1));
}

TEST_P(SiteRecord, VersionsGoOnOverARestart) {
  start();
  wish(1);
  const auto before = ask_record(-1, 0);
  lose_power();
  EXPECT_EQ(ask_record(-1, 0), before);
}

TEST_P(SiteRecord, DurableEndsAreWhatNoCrashTakes) {
  start();
  const Uuid t = create("t", 2);
  produce("t", make_batch({{}, {}}));
  kafka::DurableEndsRequest request;
  request.topic_ids = {t, Uuid{}};
  auto told = ask_peers(request);
  ASSERT_EQ(told.topics.size(), 1u) << "what is not there is left out";
  EXPECT_EQ(told.topics[0].topic_id, t);
  ASSERT_EQ(told.topics[0].partitions.size(), 2u);
  EXPECT_EQ(told.topics[0].partitions[0].durable_end, 2);
  EXPECT_EQ(told.topics[0].partitions[1].durable_end, 0);
  site.disk().sync_latency_min = site.disk().sync_latency_max = std::chrono::seconds(10);
  produce("t", make_batch({{}}), 1);
  told = ask_peers(request);
  EXPECT_EQ(told.topics[0].partitions[0].end_offset, 3);
  EXPECT_EQ(told.topics[0].partitions[0].durable_end, 2);
}

}  // namespace
}  // namespace isthmus::broker
