// What waits for long is no burden to the others.
#include "kafka/gen/join_group.h"
#include "tests/broker/handlers/broker_world.h"

namespace isthmus::broker {
namespace {

class Waiting : public BrokerWorld {
 protected:
  static io::Task<void> note(client::Connection& over, kafka::JoinGroupRequest request,
                             std::optional<ErrorCode>& answer) {
    auto got = co_await over.call(std::move(request), io::Instant::max(), 3);
    if (got) answer = got->error_code;
  }
  // A join of so many bytes, on a connection of its own.
  std::shared_ptr<client::Connection> join(const std::string& group, size_t bytes,
                                           std::optional<ErrorCode>& answer) {
    kafka::JoinGroupRequest request;
    request.group_id = group;
    request.session_timeout_ms = 30'000;
    request.rebalance_timeout_ms = 300'000;
    request.protocol_type = "consumer";
    request.protocols.push_back({"range", Slice::take(std::vector<uint8_t>(bytes))});
    auto over = dial({"site", 9092});
    client()->spawn("join", note(*over, std::move(request), answer));
    return over;
  }
};
ON_ONE_LOOP_AND_ON_TWO(Waiting);

TEST_P(Waiting, MembersThatWaitForTheirGroupStopNobody) {
  config.broker.queued_max_request_bytes = 4096 * static_cast<int64_t>(GetParam());
  config.broker.group_initial_rebalance_delay_ms = 60'000;
  start();
  create("t");
  create("__consumer_offsets", 2);
  world.run_for(std::chrono::seconds(1));
  std::optional<ErrorCode> first, second;
  auto one = join("g", 5000, first);
  auto two = join("h", 5000, second);
  world.run_for(std::chrono::seconds(1));
  EXPECT_FALSE(first || second) << "they wait";
  for (int i = 0; i < 2; ++i) {
    connect();
    EXPECT_EQ(list_offset("t", -1).offset, 0);
  }
  world.run_for(std::chrono::seconds(70));
  EXPECT_EQ(first, ErrorCode::none);
  EXPECT_EQ(second, ErrorCode::none);
}

TEST_P(Waiting, WhereTooManyWaitAMemberIsToldToComeAgain) {
  config.broker.queued_max_request_bytes = 4096;
  start();
  create("__consumer_offsets", 2);
  world.run_for(std::chrono::seconds(1));
  std::optional<ErrorCode> answer;
  auto one = join("g", 20'000, answer);
  world.run_until([&] { return answer.has_value(); }, std::chrono::seconds(5));
  EXPECT_EQ(answer, ErrorCode::coordinator_not_available);
}

TEST_P(Waiting, AMemberThatSaysTooMuchIsRefused) {
  config.broker.group_max_member_bytes = 10'000;
  config.broker.group_max_bytes = 10'000;
  start();
  create("__consumer_offsets", 2);
  world.run_for(std::chrono::seconds(1));
  std::optional<ErrorCode> answer;
  auto one = join("g", 20'000, answer);
  world.run_until([&] { return answer.has_value(); }, std::chrono::seconds(5));
  EXPECT_EQ(answer, ErrorCode::group_max_size_reached);
}

}  // namespace
}  // namespace isthmus::broker
