// Quotas: set, shown, kept.
#include "kafka/gen/alter_client_quotas.h"
#include "kafka/gen/describe_client_quotas.h"
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

}  // namespace
}  // namespace isthmus::broker
