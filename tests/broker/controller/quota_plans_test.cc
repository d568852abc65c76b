// What may be set for whom, what a filter finds: by the rules of KIP-546 and KIP-612.
#include "broker/controller/quota_plans.h"

#include <cmath>

#include "kafka/errors.h"
#include "tests/broker/apply_plan.h"

namespace isthmus::broker {
namespace {

using kafka::ErrorCode;
using kafka::QuotaMatch;
using Entry = kafka::AlterClientQuotasRequest::EntryData;
using Part = kafka::AlterClientQuotasRequest::EntityData;
using Op = kafka::AlterClientQuotasRequest::OpData;
using Filter = kafka::DescribeClientQuotasRequest;

constexpr auto by_default = std::nullopt;
const Op produce_1000{"producer_byte_rate", 1000, false};

ErrorCode refusal(const Entry& entry) {
  const auto change = quota_change(entry);
  return change ? ErrorCode::none : kafka::error_code(change.error());
}

std::shared_ptr<const Image> with(const Image& before, const std::vector<Entry>& entries,
                                  std::vector<Result<void>>* told = nullptr) {
  std::vector<Result<QuotaChange>> changes;
  for (const auto& entry : entries) changes.push_back(quota_change(entry));
  std::vector<Result<void>> outcomes(changes.size());
  const Plan plan = plan_quotas(before, changes, outcomes);
  if (told != nullptr) *told = outcomes;
  return after(before, plan, 7);
}

TEST(quota_change, entities_are_a_user_a_client_id_both_or_an_ip) {
  const Op rate{"connection_creation_rate", 5, false};
  EXPECT_EQ(refusal({{{"user", "a"}}, {produce_1000}}), ErrorCode::none);
  EXPECT_EQ(refusal({{{"client-id", by_default}}, {produce_1000}}), ErrorCode::none);
  EXPECT_EQ(refusal({{{"client-id", "c"}, {"user", by_default}}, {produce_1000}}), ErrorCode::none);
  EXPECT_EQ(refusal({{{"ip", "10.0.0.1"}}, {rate}}), ErrorCode::none);
  EXPECT_EQ(refusal({{{"ip", by_default}}, {rate}}), ErrorCode::none);
  const std::vector<std::vector<Part>> wrong = {
      {},
      {{"group", "g"}},
      {{"user", ""}},
      {{"user", "a"}, {"user", "b"}},
      {{"user", by_default}, {"user", by_default}},
      {{"user", std::string(max_quota_name_bytes + 1, 'x')}}};
  for (const auto& entity : wrong) {
    EXPECT_EQ(refusal({entity, {produce_1000}}), ErrorCode::invalid_request);
  }
  EXPECT_EQ(refusal({{{"ip", "10.0.0.1"}, {"user", "a"}}, {rate}}), ErrorCode::invalid_request);
  EXPECT_EQ(refusal({{{"ip", "no.such.address"}}, {rate}}), ErrorCode::invalid_request);
}

TEST(quota_change, values_are_above_0_and_each_key_has_its_entities_and_its_type) {
  const auto of_user = [](Op op) { return refusal({{{"user", "a"}}, {std::move(op)}}); };
  EXPECT_EQ(of_user({"request_percentage", 12.5, false}), ErrorCode::none);
  EXPECT_EQ(of_user({"consumer_byte_rate", 1, false}), ErrorCode::none);
  EXPECT_EQ(of_user({"consumer_byte_rate", 0, true}), ErrorCode::none) << "a removal has no value";
  const std::vector<Op> wrong = {{"no_such_rate", 1, false},
                                 {"no_such_rate", 1, true},
                                 {"connection_creation_rate", 1, false},
                                 {"producer_byte_rate", 0, false},
                                 {"producer_byte_rate", -1, false},
                                 {"producer_byte_rate", 1.5, false},
                                 {"producer_byte_rate", 1e30, false},
                                 {"request_percentage", NAN, false},
                                 {"request_percentage", INFINITY, false}};
  for (const Op& op : wrong) EXPECT_EQ(of_user(op), ErrorCode::invalid_request) << op.key;
  const auto of_ip = [](Op op) { return refusal({{{"ip", "::1"}}, {std::move(op)}}); };
  EXPECT_EQ(of_ip(produce_1000), ErrorCode::invalid_request);
  EXPECT_EQ(of_ip({"connection_creation_rate", 2147483647.0, false}), ErrorCode::none);
  EXPECT_EQ(of_ip({"connection_creation_rate", 2147483648.0, false}), ErrorCode::invalid_request);
  EXPECT_EQ(refusal({{{"user", "a"}}, {produce_1000, produce_1000}}), ErrorCode::invalid_request);
}

TEST(plan_quotas, what_can_be_done_of_a_request_is_done) {
  std::vector<Result<void>> told;
  const auto image = with({},
                          {{{{"user", "a"}}, {produce_1000}},
                           {{{"user", ""}}, {produce_1000}},
                           {{{"user", "a"}}, {{"request_percentage", 5, false}}},
                           {{{"client-id", "c"}}, {produce_1000}}},
                          &told);
  EXPECT_TRUE(told[0]);
  ASSERT_FALSE(told[1]);
  ASSERT_FALSE(told[2]) << "an entity twice";
  EXPECT_TRUE(told[3]);
  EXPECT_EQ(image->quotas.size(), 2u);
  EXPECT_EQ(image->quotas.at("user=a").values, (kafka::QuotaValues{{"producer_byte_rate", 1000}}));
}

TEST(plan_quotas, what_changes_nothing_writes_nothing_and_the_last_value_takes_the_entity_along) {
  const Entry set{{{"user", "a"}}, {produce_1000, {"request_percentage", 5, false}}};
  auto image = with({}, {set});
  std::vector<Result<void>> outcomes(1);
  EXPECT_TRUE(plan_quotas(*image, {quota_change(set)}, outcomes).empty());
  const Entry nothing{{{"user", "b"}}, {{"request_percentage", 0, true}}};
  EXPECT_TRUE(plan_quotas(*image, {quota_change(nothing)}, outcomes).empty());
  image = with(*image, {{{{"user", "a"}}, {{"request_percentage", 0, true}}}});
  EXPECT_EQ(image->quotas.at("user=a").values, (kafka::QuotaValues{{"producer_byte_rate", 1000}}));
  image = with(*image, {{{{"user", "a"}}, {{"producer_byte_rate", 0, true}}}});
  EXPECT_TRUE(image->quotas.empty());
}

TEST(plan_quotas, entities_are_limited_and_those_that_are_there_can_still_change) {
  Image full;
  for (size_t i = 0; i + 1 < max_quota_entities; ++i) {
    QuotaImage quota;
    quota.entity.user = std::to_string(i);
    quota.values["producer_byte_rate"] = 1;
    quota.version = 1;
    full.quotas[quota.entity.key()] = quota;
  }
  std::vector<Result<void>> told;
  const auto image = with(full,
                          {{{{"user", "last"}}, {produce_1000}},
                           {{{"user", "beyond"}}, {produce_1000}},
                           {{{"user", "0"}}, {produce_1000}}},
                          &told);
  EXPECT_TRUE(told[0]);
  ASSERT_FALSE(told[1]);
  EXPECT_EQ(kafka::error_code(told[1].error()), ErrorCode::policy_violation);
  EXPECT_TRUE(told[2]);
  EXPECT_EQ(image->quotas.size(), max_quota_entities);
}

class find_quotas_test : public testing::Test {
 protected:
  void SetUp() override {
    const std::vector<std::vector<Part>> entities = {{{"user", "a"}},
                                                     {{"user", by_default}},
                                                     {{"user", "a"}, {"client-id", "c"}},
                                                     {{"user", "a"}, {"client-id", by_default}},
                                                     {{"client-id", "c"}}};
    for (const auto& entity : entities) image = with(*image, {{entity, {produce_1000}}});
    image = with(*image, {{{{"ip", "1.2.3.4"}}, {{"connection_creation_rate", 1, false}}}});
  }
  using Component = Filter::ComponentData;
  std::string find(std::vector<Component> components, bool strict = false) {
    const auto found = find_quotas(*image, {std::move(components), strict});
    if (!found) return std::string(kafka::error_name(kafka::error_code(found.error())));
    std::string keys;
    for (const auto* quota : *found) keys += quota->entity.key() + " ";
    return keys;
  }
  static Component exact(std::string type, std::string name) {
    return {std::move(type), QuotaMatch::exact, std::move(name)};
  }
  static Component of(std::string type, QuotaMatch match) {
    return {std::move(type), match, std::nullopt};
  }
  static constexpr auto any = QuotaMatch::any, of_default = QuotaMatch::default_entity;

  std::shared_ptr<const Image> image = std::make_shared<const Image>();
};

TEST_F(find_quotas_test, exact_default_and_any_and_what_has_further_types) {
  EXPECT_EQ(find({exact("user", "a")}), "user=a user=a,client-id= user=a,client-id=c ");
  EXPECT_EQ(find({exact("user", "a")}, true), "user=a ");
  EXPECT_EQ(find({of("user", of_default)}), "user= ");
  EXPECT_EQ(find({of("user", any)}, true), "user= user=a ");
  EXPECT_EQ(find({of("user", any), of("client-id", any)}, true),
            "user=a,client-id= user=a,client-id=c ");
  EXPECT_EQ(find({exact("user", "a"), of("client-id", of_default)}), "user=a,client-id= ");
  EXPECT_EQ(find({exact("client-id", "c")}), "client-id=c user=a,client-id=c ");
  EXPECT_EQ(find({of("ip", any)}, true), "ip=1.2.3.4 ");
  EXPECT_EQ(find({exact("user", "nobody")}), "");
  EXPECT_EQ(find({exact("user", "")}), "") << "the empty name is not the default on the wire";
  EXPECT_EQ(find({}), "client-id=c ip=1.2.3.4 user= user=a user=a,client-id= user=a,client-id=c ");
  EXPECT_EQ(find({}, true), "");
}

TEST_F(find_quotas_test, a_filter_that_says_nothing_is_refused_with_kafkas_code) {
  const auto invalid = "INVALID_REQUEST";
  EXPECT_EQ(find({exact("user", "a"), of("user", any)}), invalid);
  EXPECT_EQ(find({exact("", "a")}), invalid);
  EXPECT_EQ(find({of("user", QuotaMatch::exact)}), invalid);
  EXPECT_EQ(find({{"user", any, "a"}}), invalid);
  EXPECT_EQ(find({{"user", of_default, "a"}}), invalid);
  EXPECT_EQ(find({of("user", static_cast<QuotaMatch>(3))}), invalid);
  EXPECT_EQ(find({of("ip", any), of("user", any)}), invalid);
  EXPECT_EQ(find({exact("group", "g")}), "UNSUPPORTED_VERSION");
}

}  // namespace
}  // namespace isthmus::broker
