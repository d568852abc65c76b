// An orderly stop: what waits is answered, nothing is waited for.
#include "kafka/gen/join_group.h"
#include "kafka/gen/offset_commit.h"
#include "tests/broker/handlers/broker_world.h"

namespace isthmus::broker {
namespace {

class Stop : public BrokerWorld {
 protected:
  template <typename Request>
  static io::Task<void> note(client::Connection& over, Request request,
                             std::optional<typename Request::Response>& answer) {
    auto got = co_await over.call(std::move(request), io::Instant::max(), INT16_MAX);
    if (got) answer = std::move(*got);
  }

  // Asks without waiting for the answer.
  template <typename Request>
  void begin(client::Connection& over, Request request,
             std::optional<typename Request::Response>& answer) {
    client()->spawn("request", note(over, std::move(request), answer));
  }
};
ON_ONE_LOOP_AND_ON_TWO(Stop);

kafka::JoinGroupRequest join(std::string member) {
  kafka::JoinGroupRequest request;
  request.group_id = "g";
  request.session_timeout_ms = 30'000;
  request.rebalance_timeout_ms = 300'000;
  request.member_id = std::move(member);
  request.protocol_type = "consumer";
  request.protocols.push_back({"range", Slice()});
  return request;
}

TEST_P(Stop, AMemberThatWaitsForARebalanceHoldsItUpNot) {
  config.broker.group_initial_rebalance_delay_ms = 60'000;
  start();
  create("__consumer_offsets", 2);
  const std::string member = ask(join("")).member_id;
  auto second = dial({"site", 9092});
  std::optional<kafka::JoinGroupResponse> joined;
  begin(*second, join(member), joined);
  world.run_for(std::chrono::seconds(1));
  ASSERT_FALSE(joined);
  const auto before = world.now();
  stop();
  EXPECT_LT(world.now() - before, std::chrono::seconds(1));
  world.run_until([&] { return joined.has_value(); }, std::chrono::seconds(1));
  ASSERT_TRUE(joined);
  EXPECT_EQ(joined->error_code, ErrorCode::not_coordinator);
}

TEST_P(Stop, ACommitUnderWayIsStoredAndAnswered) {
  constexpr auto latency = std::chrono::microseconds(200);
  world.network().set_latency("client", "site", latency, latency);
  start();
  create("__consumer_offsets", 2);
  create("t");
  ask(join(""));  // the groups are loaded
  kafka::OffsetCommitRequest commit;
  commit.group_id = "h";
  commit.topics.push_back({"t", {{0, 7, -1, std::nullopt}}});
  auto second = dial({"site", 9092});
  std::optional<kafka::OffsetCommitResponse> committed;
  begin(*second, commit, committed);
  world.run_for(latency + std::chrono::microseconds(50));  // it has come, no fsync is as quick
  ASSERT_FALSE(committed);
  stop();
  world.run_until([&] { return committed.has_value(); }, std::chrono::seconds(1));
  ASSERT_TRUE(committed);
  EXPECT_EQ(committed->topics.at(0).partitions.at(0).error_code, ErrorCode::none);
}

}  // namespace
}  // namespace isthmus::broker
