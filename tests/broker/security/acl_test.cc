#include "broker/security/acl.h"

#include <gtest/gtest.h>

#include "kafka/errors.h"
#include "kafka/permission.h"
#include "tests/broker/security/acl_of.h"

namespace isthmus::broker {
namespace {

bool refused(const Acl& acl) {
  auto ok = check_acl(acl);
  return !ok && kafka::is(ok.error(), kafka::ErrorCode::invalid_request);
}

TEST(Acl, WhatKafkaTakesIsTaken) {
  for (const Acl& acl :
       {allow(Op::read, Type::topic, "t"), allow(Op::all, Type::group, any_resource),
        deny(Op::two_phase_commit, Type::transactional_id, "x"),
        prefixed(allow(Op::write, Type::topic, "app.")),
        allow(Op::alter, Type::cluster, kafka::cluster_resource),
        // Kafka does not ask whether such topics have such an operation.
        allow(Op::idempotent_write, Type::topic, "t"),
        allow(Op::create_tokens, Type::user, "User:bob", any_principal),
        allow(Op::read, Type::topic, "t", "User:CN=a:b,O=c"),
        allow(Op::read, Type::topic, std::string(longest_acl_text, 'n'))}) {
    EXPECT_TRUE(check_acl(acl)) << check_acl(acl).error().text;
  }
}

TEST(Acl, WhatSaysNothingDefiniteIsRefused) {
  const Acl good = allow(Op::read, Type::topic, "t");
  for (Type type : {Type::unknown, Type::any, static_cast<Type>(77)}) {
    Acl acl = good;
    acl.type = type;
    EXPECT_TRUE(refused(acl)) << static_cast<int>(type);
  }
  for (auto pattern :
       {PatternType::unknown, PatternType::any, PatternType::match, static_cast<PatternType>(77)}) {
    Acl acl = good;
    acl.pattern = pattern;
    EXPECT_TRUE(refused(acl)) << static_cast<int>(pattern);
  }
  for (Op operation : {Op::unknown, Op::any, static_cast<Op>(77), static_cast<Op>(-1)}) {
    Acl acl = good;
    acl.operation = operation;
    EXPECT_TRUE(refused(acl)) << static_cast<int>(operation);
  }
  for (auto permission :
       {AclPermission::unknown, AclPermission::any, static_cast<AclPermission>(77)}) {
    Acl acl = good;
    acl.permission = permission;
    EXPECT_TRUE(refused(acl)) << static_cast<int>(permission);
  }
}

TEST(Acl, TextsAreRefusedThatAreEmptyTooLongOrNobody) {
  const std::string too_long(longest_acl_text + 1, 'n');
  EXPECT_TRUE(refused(allow(Op::read, Type::topic, "")));
  EXPECT_TRUE(refused(allow(Op::read, Type::topic, too_long)));
  EXPECT_TRUE(refused(allow(Op::read, Type::topic, "t", "User:" + too_long)));
  EXPECT_TRUE(refused(from(allow(Op::read, Type::topic, "t"), "")));
  EXPECT_TRUE(refused(from(allow(Op::read, Type::topic, "t"), too_long)));
  for (const char* nobody : {"", "alice", "User:", ":alice", ":"}) {
    EXPECT_TRUE(refused(allow(Op::read, Type::topic, "t", nobody))) << nobody;
  }
}

TEST(Acl, AClusterHasOneName) {
  EXPECT_TRUE(refused(allow(Op::alter, Type::cluster, any_resource)));
  EXPECT_TRUE(refused(allow(Op::alter, Type::cluster, "seoul")));
}

TEST(AclFilter, WhatItDoesNotSayMeetsAll) {
  for (const Acl& acl :
       {allow(Op::read, Type::topic, "t"), prefixed(deny(Op::all, Type::group, "g", "User:bob"))}) {
    EXPECT_TRUE(AclFilter{}.meets(acl));
  }
}

TEST(AclFilter, EachThingThatItSaysMustBeSo) {
  const Acl acl = from(allow(Op::read, Type::topic, "t"), "10.0.0.1");
  const std::string other = "other";
  const AclFilter all = {.type = Type::topic,
                         .pattern = PatternType::literal,
                         .name = &acl.name,
                         .principal = &acl.principal,
                         .host = &acl.host,
                         .operation = Op::read,
                         .permission = AclPermission::allow};
  EXPECT_TRUE(all.meets(acl));
  const auto misses = [&](auto change) {
    AclFilter filter = all;
    change(filter);
    return !filter.meets(acl);
  };
  EXPECT_TRUE(misses([](auto& f) { f.type = Type::group; }));
  EXPECT_TRUE(misses([](auto& f) { f.pattern = PatternType::prefixed; }));
  EXPECT_TRUE(misses([&](auto& f) { f.name = &other; }));
  EXPECT_TRUE(misses([&](auto& f) { f.principal = &other; }));
  EXPECT_TRUE(misses([&](auto& f) { f.host = &other; }));
  EXPECT_TRUE(misses([](auto& f) { f.operation = Op::write; }));
  EXPECT_TRUE(misses([](auto& f) { f.permission = AclPermission::deny; }));
}

// KIP-290: "match" finds what is for a resource, "any" what bears its name.
TEST(AclFilter, MatchFindsWhatIsForAResource) {
  const std::string name = "app.orders";
  const AclFilter match = {.pattern = PatternType::match, .name = &name};
  const AclFilter any = {.pattern = PatternType::any, .name = &name};
  const Acl itself = allow(Op::read, Type::topic, name);
  const Acl prefix = prefixed(allow(Op::read, Type::topic, "app."));
  const Acl every = allow(Op::read, Type::topic, any_resource);
  const Acl longer = prefixed(allow(Op::read, Type::topic, "app.orders.eu"));
  const Acl literal_prefix = allow(Op::read, Type::topic, "app.");
  for (const Acl& acl : {itself, prefix, every}) EXPECT_TRUE(match.meets(acl)) << acl.name;
  for (const Acl& acl : {longer, literal_prefix}) EXPECT_FALSE(match.meets(acl)) << acl.name;
  EXPECT_TRUE(any.meets(itself));
  EXPECT_TRUE(any.meets(prefixed(itself)));
  for (const Acl& acl : {prefix, every, longer}) EXPECT_FALSE(any.meets(acl)) << acl.name;
}

TEST(AclFilter, AValueThatNobodyKnowsIsRefused) {
  EXPECT_TRUE(check_filter({}));
  EXPECT_TRUE(check_filter({.pattern = PatternType::match}));
  EXPECT_FALSE(check_filter({.type = Type::unknown}));
  EXPECT_FALSE(check_filter({.pattern = static_cast<PatternType>(5)}));
  EXPECT_FALSE(check_filter({.operation = Op::unknown}));
  EXPECT_FALSE(check_filter({.permission = static_cast<AclPermission>(-1)}));
}

}  // namespace
}  // namespace isthmus::broker
