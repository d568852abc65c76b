#include "broker/controller/acl_plans.h"

#include "tests/broker/plans.h"
#include "tests/broker/security/acl_of.h"

namespace isthmus::broker {
namespace {

using kafka::ErrorCode;

std::shared_ptr<const Image> with(const std::vector<Acl>& acls) {
  auto image = cluster(1);
  auto made = plan_create_acls(*image, acls);
  for (const auto& result : made.results) EXPECT_TRUE(result) << result.error().text;
  return after(*image, made.plan, 3);
}

const Acl one = allow(Op::read, Type::topic, "t");
const Acl two = prefixed(deny(Op::write, Type::topic, "app.", "User:bob"));

TEST(PlanCreateAcls, WhatIsRefusedKeepsNothingElseAway) {
  auto image = cluster(1);
  auto made = plan_create_acls(*image, {one, allow(Op::any, Type::topic, "t"), two});
  ASSERT_EQ(made.results.size(), 3u);
  EXPECT_EQ(code_of(made.results[0]), ErrorCode::none);
  EXPECT_EQ(code_of(made.results[1]), ErrorCode::invalid_request);
  EXPECT_EQ(code_of(made.results[2]), ErrorCode::none);
  image = after(*image, made.plan);
  EXPECT_EQ(image->acls->set.size(), 2u);
  EXPECT_TRUE(image->acls->set.contains(one));
  EXPECT_TRUE(image->acls->set.contains(two));
}

TEST(PlanCreateAcls, WhatIsThereOrNamedTwiceIsWrittenOnce) {
  auto image = with({one});
  auto made = plan_create_acls(*image, {one, two, two});
  for (const auto& result : made.results) EXPECT_TRUE(result);
  EXPECT_EQ(made.plan.puts.size(), 1u);
  EXPECT_TRUE(plan_create_acls(*image, {one}).plan.empty());
}

// Two requests that decide on the same picture: the second commit finds the key of the first.
TEST(PlanCreateAcls, TwoThatSayTheSameHaveOneKey) {
  auto image = cluster(1);
  auto first = plan_create_acls(*image, {one});
  auto second = plan_create_acls(*image, {one});
  ASSERT_EQ(first.plan.checks.size(), 1u);
  EXPECT_EQ(first.plan.checks[0].key, second.plan.checks[0].key);
  EXPECT_EQ(second.plan.checks[0].version, MetadataStore::absent);
  EXPECT_NE(acl_key(one), acl_key(two));
}

TEST(PlanCreateAcls, ARequestAndAClusterHaveLimits) {
  auto image = cluster(1);
  const auto many = [](size_t count, const std::string& user) {
    std::vector<Acl> acls;
    for (size_t i = 0; i < count; ++i) {
      acls.push_back(allow(Op::read, Type::topic, "t" + std::to_string(i), "User:" + user));
    }
    return acls;
  };
  auto too_many = plan_create_acls(*image, many(max_acls_per_request + 1, "a"));
  EXPECT_TRUE(too_many.plan.empty());
  ASSERT_EQ(too_many.results.size(), max_acls_per_request + 1);
  EXPECT_EQ(code_of(too_many.results.front()), ErrorCode::invalid_request);
  EXPECT_EQ(code_of(too_many.results.back()), ErrorCode::invalid_request);

  image = after(*image, plan_create_acls(*image, many(max_acls_per_request, "a")).plan);
  image = after(*image, plan_create_acls(*image, many(max_acls_per_request - 1, "b")).plan);
  ASSERT_EQ(image->acls->set.size(), max_acls - 1);
  auto last = plan_create_acls(*image, {one, two, one});
  EXPECT_EQ(code_of(last.results[0]), ErrorCode::none);
  EXPECT_EQ(code_of(last.results[1]), ErrorCode::policy_violation);
  EXPECT_EQ(code_of(last.results[2]), ErrorCode::none) << "it is counted once";
  EXPECT_EQ(last.plan.puts.size(), 1u);
}

TEST(PlanDeleteAcls, EachFilterIsAnsweredWithWhatItMeets) {
  auto image = with({one, two});
  auto made = plan_delete_acls(
      *image, {{.type = Type::topic}, {.type = Type::unknown}, {.operation = Op::read}});
  ASSERT_EQ(made.matches.size(), 3u);
  ASSERT_TRUE(made.matches[0]);
  EXPECT_EQ(*made.matches[0], (std::vector<Acl>{one, two}));
  EXPECT_EQ(code_of(made.matches[1]), ErrorCode::invalid_request);
  EXPECT_EQ(*made.matches[2], std::vector<Acl>{one});
  EXPECT_EQ(made.plan.puts.size(), 2u) << "each is removed once";
  image = after(*image, made.plan);
  EXPECT_EQ(image->acls->set.size(), 0u);
  EXPECT_TRUE(image->acls->entries.empty());
}

TEST(PlanDeleteAcls, NamesTheVersionThatItSaw) {
  auto image = with({one});
  auto made = plan_delete_acls(*image, {{}});
  ASSERT_EQ(made.plan.checks.size(), 1u);
  EXPECT_EQ(made.plan.checks[0].version, 3);
  EXPECT_TRUE(plan_delete_acls(*image, {{.type = Type::group}}).plan.empty());
}

TEST(PlanDeleteAcls, ARequestHasLimits) {
  auto image = with({one, two});
  const std::vector<AclFilter> filters(max_acl_filters + 1);
  auto made = plan_delete_acls(*image, filters);
  EXPECT_TRUE(made.plan.empty());
  ASSERT_EQ(made.matches.size(), filters.size());
  EXPECT_EQ(code_of(made.matches.back()), ErrorCode::invalid_request);

  std::vector<Acl> acls;
  for (size_t i = 0; i < max_acls_per_request; ++i) {
    acls.push_back(allow(Op::read, Type::group, "g" + std::to_string(i)));
  }
  image = after(*image, plan_create_acls(*image, acls).plan);
  made = plan_delete_acls(*image, {{.type = Type::group}, {.type = Type::topic}, {}});
  EXPECT_TRUE(made.plan.empty());
  ASSERT_EQ(made.matches.size(), 3u);
  for (const auto& match : made.matches) {
    EXPECT_EQ(code_of(match), ErrorCode::invalid_request);
  }
  made = plan_delete_acls(*image, {{.type = Type::group}});
  EXPECT_EQ(made.plan.puts.size(), max_acls_per_request);
}

}  // namespace
}  // namespace isthmus::broker
