// Quotas: set, shown, kept, and held. Time is the simulator's: what is said of it is exact but for
// the line's delay.
#include <functional>

#include "kafka/gen/alter_client_quotas.h"
#include "kafka/gen/describe_client_quotas.h"
#include "kafka/gen/heartbeat.h"
#include "tests/broker/handlers/broker_world.h"

namespace isthmus::broker {
namespace {

class Quotas : public BrokerWorld {
 protected:
  using Alter = kafka::AlterClientQuotasRequest;
  using Part = Alter::EntityData;
  using Op = Alter::OpData;

  static Alter one(std::vector<Part> entity, std::vector<Op> ops) {
    Alter request;
    request.entries.push_back({std::move(entity), std::move(ops)});
    return request;
  }
  ErrorCode alter(std::vector<Part> entity, std::vector<Op> ops, bool only_check = false) {
    Alter request = one(std::move(entity), std::move(ops));
    request.validate_only = only_check;
    const auto answer = ask(std::move(request)).entries.at(0);
    EXPECT_EQ(answer.error_message.has_value(), answer.error_code != ErrorCode::none);
    return answer.error_code;
  }
  // "client-id=c producer_byte_rate=5; " of all that there is.
  std::string described() {
    auto answer = ask(kafka::DescribeClientQuotasRequest{});
    EXPECT_EQ(answer.error_code, ErrorCode::none);
    std::string text;
    for (const auto& entry : answer.entries.value()) {
      for (const auto& part : entry.entity) {
        text += part.entity_type + "=" + part.entity_name.value_or("<default>") + " ";
      }
      for (const auto& v : entry.values) text += v.key + "=" + std::to_string(int(v.value)) + "; ";
    }
    return text;
  }
};
ON_ONE_LOOP_AND_ON_TWO(Quotas);

TEST_P(Quotas, WhatIsSetIsShownAndOutlivesAKill) {
  start();
  EXPECT_EQ(described(), "");
  EXPECT_EQ(alter({{"client-id", std::nullopt}}, {{"producer_byte_rate", 5, false}}),
            ErrorCode::none);
  EXPECT_EQ(alter({{"user", "a"}, {"client-id", "c"}}, {{"consumer_byte_rate", 6, false}}),
            ErrorCode::none);
  const std::string all =
      "client-id=<default> producer_byte_rate=5; user=a client-id=c consumer_byte_rate=6; ";
  EXPECT_EQ(described(), all);
  kill();
  start();
  EXPECT_EQ(described(), all);
  EXPECT_EQ(alter({{"client-id", std::nullopt}}, {{"producer_byte_rate", 0, true}}),
            ErrorCode::none);
  EXPECT_EQ(described(), "user=a client-id=c consumer_byte_rate=6; ");
}

TEST_P(Quotas, ARefusalNamesItsEntityAndNothingIsSetByACheck) {
  start();
  EXPECT_EQ(alter({{"user", "a"}}, {{"producer_byte_rate", 0, false}}), ErrorCode::invalid_request);
  EXPECT_EQ(alter({{"user", "a"}}, {{"producer_byte_rate", 1, false}}, true), ErrorCode::none);
  EXPECT_EQ(alter({{"user", "a"}}, {{"controller_mutation_rate", 1, false}}, true),
            ErrorCode::invalid_request);
  EXPECT_EQ(described(), "");
  Alter request = one({{"user", "bad"}}, {{"no_such_rate", 1, false}});
  request.entries.push_back({{{"user", "good"}}, {{"producer_byte_rate", 1, false}}});
  const auto answer = ask(std::move(request));
  ASSERT_EQ(answer.entries.size(), 2u);
  EXPECT_EQ(answer.entries[0].error_code, ErrorCode::invalid_request);
  EXPECT_EQ(answer.entries[0].entity.at(0).entity_name, "bad");
  EXPECT_EQ(answer.entries[1].error_code, ErrorCode::none);
  EXPECT_EQ(described(), "user=good producer_byte_rate=1; ");
}

TEST_P(Quotas, AFilterThatSaysNothingIsRefused) {
  start();
  kafka::DescribeClientQuotasRequest request;
  request.components.push_back({"user", kafka::QuotaMatch::exact, std::nullopt});
  const auto answer = ask(std::move(request));
  EXPECT_EQ(answer.error_code, ErrorCode::invalid_request);
  EXPECT_FALSE(answer.error_message.value_or("").empty());
  EXPECT_FALSE(answer.entries.has_value());
}

class HeldQuotas : public Quotas {
 protected:
  using Connection = std::shared_ptr<client::Connection>;

  void start_with(const std::string& key, double value, const std::string& client_id = "c") {
    start();
    create("t");
    EXPECT_EQ(alter({{"client-id", client_id}}, {{key, value, false}}), ErrorCode::none);
    limited = dial({"site", 9092}, "c");
  }
  kafka::ProduceResponse produce_by(client::Connection& over, size_t bytes) {
    const std::string text(bytes, 'x');
    return ask_by(over, produce_request("t", make_batch({{1000, text}})), 11);
  }
  kafka::FetchResponse fetch_by(client::Connection& over, Offset offset) {
    return ask_by(over, fetch_request("t", {.offset = offset}), 12);
  }
  double seconds_of(const std::function<void()>& what) {
    const io::Instant begun = world.now();
    what();
    return std::chrono::duration<double>(world.now() - begun).count();
  }

  Connection limited;
};
ON_ONE_LOOP_AND_ON_TWO(HeldQuotas);

TEST_P(HeldQuotas, AProducerIsAnsweredFirstAndThenNotRead) {
  start_with("producer_byte_rate", 10'000);
  kafka::ProduceResponse answer;
  EXPECT_LT(seconds_of([&] { answer = produce_by(*limited, 50'000); }), 1);
  EXPECT_EQ(answer.throttle_time_ms, 0) << "ten seconds of it are saved";
  EXPECT_LT(seconds_of([&] { answer = produce_by(*limited, 80'000); }), 1);
  EXPECT_NEAR(answer.throttle_time_ms, 3000, 100);
  EXPECT_EQ(answer.responses.at(0).partition_responses.at(0).error_code, ErrorCode::none);
  EXPECT_LT(seconds_of([&] { EXPECT_EQ(list_offset("t", -1).offset, 2); }), 0.5)
      << "others are not held back";
  EXPECT_NEAR(seconds_of([&] { ask_by(*limited, kafka::HeartbeatRequest{}); }), 3, 0.5)
      << "whatever it asks";
  auto another = dial({"site", 9092}, "c");
  answer = produce_by(*another, 20'000);
  EXPECT_NEAR(answer.throttle_time_ms, 2000, 100) << "its other connection has no quota of its own";
}

TEST_P(HeldQuotas, AProducerHasItsRate) {
  start_with("producer_byte_rate", 10'000);
  produce_by(*limited, 110'000);
  const double took = seconds_of([&] {
    for (int i = 0; i < 20; ++i) produce_by(*limited, 30'000);
  });
  EXPECT_NEAR(took, 1 + 19 * 3, 2);
}

TEST_P(HeldQuotas, AConsumerHasItsRateAndLosesNothing) {
  start_with("consumer_byte_rate", 10'000);
  for (int i = 0; i < 30; ++i) produce("t", make_batch({{1000, std::string(10'000, 'x')}}));
  Offset next = 0;
  int32_t longest_ms = 0;
  const double took = seconds_of([&] {
    while (next < 30) {
      const auto answer = fetch_by(*limited, next);
      longest_ms = std::max(longest_ms, answer.throttle_time_ms);
      const auto got = bases(answer.responses.at(0).partitions.at(0));
      ASSERT_EQ(got.size(), 1u) << "no more than a second's worth, and a batch is whole";
      EXPECT_EQ(got[0], next);
      ++next;
    }
  });
  EXPECT_NEAR(took, 30 - 10, 2);
  EXPECT_GT(longest_ms, 900);
}

TEST_P(HeldQuotas, WhoOwesIsGivenNothingOnAnyConnection) {
  start_with("consumer_byte_rate", 1000);
  produce("t", make_batch({{1000, std::string(15'000, 'x')}}));
  EXPECT_NEAR(fetch_by(*limited, 0).throttle_time_ms, 5000, 200);
  auto another = dial({"site", 9092}, "c");
  const auto empty = fetch_by(*another, 0);
  EXPECT_TRUE(empty.responses.empty());
  EXPECT_EQ(empty.error_code, ErrorCode::none);
  EXPECT_NEAR(empty.throttle_time_ms, 5000, 200);
  EXPECT_NEAR(seconds_of([&] {
                EXPECT_EQ(fetch_by(*another, 0).responses.size(), 1u) << "it has waited as told";
              }),
              5, 0.5);
}

// How many bytes of records a poll brought; of an answer without partitions, none.
io::Task<void> poll_any(client::Connection& over, std::optional<size_t>& size) {
  auto answer =
      co_await over.call(fetch_request("t", {.max_wait_ms = 30'000}), io::Instant::max(), 12);
  size = 0;
  for (const auto& topic : answer->responses) *size += topic.partitions.at(0).records.size();
}
TEST_P(HeldQuotas, APollThatWaitedTakesNothingThatAnotherHasHad) {
  start_with("consumer_byte_rate", 1000);
  auto another = dial({"site", 9092}, "c");
  std::optional<size_t> first, second;
  client()->spawn("poll", poll_any(*limited, first));
  client()->spawn("poll", poll_any(*another, second));
  world.run_for(std::chrono::seconds(1));
  produce("t", make_batch({{1000, std::string(15'000, 'x')}}));
  world.run_until([&] { return first && second; }, std::chrono::seconds(10));
  ASSERT_TRUE(first && second);
  EXPECT_GT(*first + *second, 15'000u);
  EXPECT_TRUE(*first == 0 || *second == 0);
}

TEST_P(HeldQuotas, TheDefaultAndTheUserAndARestart) {
  start();
  create("t");
  alter({{"user", std::nullopt}}, {{"producer_byte_rate", 10'000, false}});
  kill();
  start();
  EXPECT_NEAR(produce_by(*connection, 130'000).throttle_time_ms, 3000, 200);
  alter({{"user", "ANONYMOUS"}}, {{"producer_byte_rate", 1e12, false}});
  EXPECT_EQ(produce_by(*connection, 130'000).throttle_time_ms, 0);
}

TEST_P(HeldQuotas, OurOwnProgramsHaveNone) {
  start();
  create("t");
  alter({{"client-id", std::nullopt}}, {{"producer_byte_rate", 10, false}});
  EXPECT_EQ(produce_by(*peers, 100'000).throttle_time_ms, 0);
  const auto told_ms = produce_by(*connection, 100'000).throttle_time_ms;
  EXPECT_NEAR(told_ms, 10'000, 100) << "no longer than the window at once";
}

}  // namespace
}  // namespace isthmus::broker
