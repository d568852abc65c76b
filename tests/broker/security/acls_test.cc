#include "broker/security/acls.h"

#include <gtest/gtest.h>

#include <ctime>
#include <random>
#include <set>

#include "kafka/permission.h"
#include "tests/broker/security/acl_of.h"
#include "tests/broker/security/naive_acls.h"

namespace isthmus::broker {
namespace {

using Verdict = AclSet::Verdict;

AclSet set_of(const std::vector<Acl>& acls) {
  AclSet set;
  for (const Acl& acl : acls) set.add(acl);
  return set;
}

const Asker alice{"User:alice", "10.0.0.1"};
const Asker bob{"User:bob", "10.0.0.2"};

Verdict ask(const std::vector<Acl>& acls, const Asker& asker, Op operation,
            const std::string& topic) {
  return set_of(acls).authorize(asker, operation, Type::topic, topic);
}

TEST(AclSet, AllowsWhatAnEntrySaysAndNothingElse) {
  const std::vector<Acl> acls = {allow(Op::read, Type::topic, "t")};
  EXPECT_EQ(ask(acls, alice, Op::read, "t"), Verdict::allowed);
  EXPECT_EQ(ask(acls, alice, Op::write, "t"), Verdict::denied);
  EXPECT_EQ(ask(acls, bob, Op::read, "t"), Verdict::denied);
  EXPECT_EQ(ask(acls, alice, Op::read, "tt"), Verdict::no_acl);
  EXPECT_EQ(set_of(acls).authorize(alice, Op::read, Type::group, "t"), Verdict::no_acl);
}

TEST(AclSet, ADenialWinsWhereverItStands) {
  const Acl literal = allow(Op::all, Type::topic, "app.t");
  EXPECT_EQ(ask({literal, deny(Op::read, Type::topic, "app.t")}, alice, Op::read, "app.t"),
            Verdict::denied);
  EXPECT_EQ(ask({literal, prefixed(deny(Op::read, Type::topic, "app."))}, alice, Op::read, "app.t"),
            Verdict::denied);
  EXPECT_EQ(ask({literal, deny(Op::read, Type::topic, any_resource)}, alice, Op::read, "app.t"),
            Verdict::denied);
  EXPECT_EQ(
      ask({literal, deny(Op::all, Type::topic, "app.t", any_principal)}, alice, Op::read, "app.t"),
      Verdict::denied);
  EXPECT_EQ(ask({literal, from(deny(Op::read, Type::topic, "app.t"), alice.host)}, alice, Op::read,
                "app.t"),
            Verdict::denied);
  EXPECT_EQ(
      ask({literal, deny(Op::read, Type::topic, "app.t", "User:bob")}, alice, Op::read, "app.t"),
      Verdict::allowed);
}

TEST(AclSet, SomeOperationsImplyThatOneMayDescribe) {
  for (Op implying : {Op::read, Op::write, Op::remove, Op::alter, Op::describe, Op::all}) {
    const std::vector<Acl> acls = {allow(implying, Type::topic, "t")};
    EXPECT_EQ(ask(acls, alice, Op::describe, "t"), Verdict::allowed) << to_string(implying);
  }
  for (Op other : {Op::create, Op::describe_configs, Op::alter_configs, Op::cluster_action}) {
    const std::vector<Acl> acls = {allow(other, Type::topic, "t")};
    EXPECT_EQ(ask(acls, alice, Op::describe, "t"), Verdict::denied) << to_string(other);
  }
  EXPECT_EQ(ask({allow(Op::alter_configs, Type::topic, "t")}, alice, Op::describe_configs, "t"),
            Verdict::allowed);
  EXPECT_EQ(ask({allow(Op::alter, Type::topic, "t")}, alice, Op::describe_configs, "t"),
            Verdict::denied);
}

TEST(AclSet, DenialsImplyNothing) {
  const std::vector<Acl> acls = {allow(Op::all, Type::topic, "t"),
                                 deny(Op::read, Type::topic, "t")};
  EXPECT_EQ(ask(acls, alice, Op::describe, "t"), Verdict::allowed);
  EXPECT_EQ(ask(acls, alice, Op::read, "t"), Verdict::denied);
}

TEST(AclSet, EveryoneAndEverywhere) {
  const std::vector<Acl> everyone = {allow(Op::read, Type::topic, "t", any_principal)};
  EXPECT_EQ(ask(everyone, bob, Op::read, "t"), Verdict::allowed);
  const std::vector<Acl> here = {from(allow(Op::read, Type::topic, "t"), "10.0.0.1")};
  EXPECT_EQ(ask(here, alice, Op::read, "t"), Verdict::allowed);
  EXPECT_EQ(ask(here, {"User:alice", "10.0.0.11"}, Op::read, "t"), Verdict::denied);
  // Not a wildcard: Kafka knows this one text.
  const std::vector<Acl> users = {allow(Op::read, Type::topic, "t", "User:al*")};
  EXPECT_EQ(ask(users, alice, Op::read, "t"), Verdict::denied);
}

TEST(AclSet, NamesLiteralPrefixedAndAll) {
  const std::vector<Acl> prefix = {prefixed(allow(Op::read, Type::topic, "app."))};
  EXPECT_EQ(ask(prefix, alice, Op::read, "app."), Verdict::allowed);
  EXPECT_EQ(ask(prefix, alice, Op::read, "app.orders"), Verdict::allowed);
  EXPECT_EQ(ask(prefix, alice, Op::read, "app"), Verdict::no_acl);
  EXPECT_EQ(ask(prefix, alice, Op::read, "apq.orders"), Verdict::no_acl);
  const std::vector<Acl> every = {allow(Op::read, Type::topic, any_resource)};
  EXPECT_EQ(ask(every, alice, Op::read, "anything"), Verdict::allowed);
  // As a prefix it is a star, not every name.
  const std::vector<Acl> star = {prefixed(allow(Op::read, Type::topic, any_resource))};
  EXPECT_EQ(ask(star, alice, Op::read, "anything"), Verdict::no_acl);
  EXPECT_EQ(ask(star, alice, Op::read, "*thing"), Verdict::allowed);
}

// Between the name and its prefixes stand keys that begin the same and go another way.
TEST(AclSet, EveryPrefixIsFoundWhateverStandsBetween) {
  std::vector<Acl> others;
  for (const char* name : {"a", "app.", "app.a", "app.o", "app.orders.", "app.ordersZ", "apps", "b",
                           "app.orders-", "app.oo", "A"}) {
    others.push_back(prefixed(allow(Op::read, Type::topic, name, "User:bob")));
  }
  for (const char* prefix : {"a", "app.", "app.o", "app.orders.", "app.orders.eu"}) {
    auto acls = others;
    acls.push_back(prefixed(deny(Op::write, Type::topic, prefix)));
    acls.push_back(allow(Op::write, Type::topic, any_resource));
    EXPECT_EQ(ask(acls, alice, Op::write, "app.orders.eu"), Verdict::denied) << prefix;
  }
  for (const char* no_prefix : {"app.oo", "app.orders-", "b", "app.orders.eu1", "app.orders.f"}) {
    auto acls = others;
    acls.push_back(prefixed(deny(Op::write, Type::topic, no_prefix)));
    acls.push_back(allow(Op::write, Type::topic, any_resource));
    EXPECT_EQ(ask(acls, alice, Op::write, "app.orders.eu"), Verdict::allowed) << no_prefix;
  }
}

TEST(AclSet, AnswersAsTheRulesDoAfterAnyChanges) {
  for (uint32_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE(seed);
    std::minstd_rand random(seed);
    const auto pick = [&](const auto& from) { return from[random() % std::size(from)]; };
    const char* const names[] = {"a", "aa", "ab", "aab", "aba", "b", "*", "abab"};
    const auto some_acl = [&] {
      Acl acl = allow(pick(std::vector<Op>{Op::read, Op::write, Op::describe, Op::all}),
                      Type::topic, pick(names),
                      pick(std::vector<std::string>{"User:alice", "User:bob", any_principal}));
      if (random() % 2 == 0) acl.pattern = PatternType::prefixed;
      if (random() % 3 == 0) acl.host = "10.0.0.1";
      if (random() % 3 == 0) acl.permission = AclPermission::deny;
      return acl;
    };
    AclSet set;
    std::set<Acl> model;
    for (int step = 0; step < 25; ++step) {
      const Acl acl = some_acl();
      const bool removes = random() % 3 == 0 && !model.empty();
      if (removes) {
        const Acl gone = *std::next(model.begin(), random() % model.size());
        set.remove(gone);
        model.erase(gone);
      } else {
        set.add(acl);
        model.insert(acl);
      }
      ASSERT_EQ(set.matching({}), std::vector<Acl>(model.begin(), model.end()));
      for (const char* name : names) {
        for (Op operation : {Op::read, Op::write, Op::describe}) {
          for (const Asker& asker : {alice, bob}) {
            ASSERT_EQ(set.authorize(asker, operation, Type::topic, name),
                      naive::authorize(model, asker, operation, Type::topic, name))
                << name << ' ' << to_string(operation) << ' ' << asker.principal;
          }
        }
      }
    }
  }
}

TEST(AclSet, WhatIsRemovedLeavesNoTrace) {
  AclSet set = set_of({allow(Op::read, Type::topic, "t"), allow(Op::write, Type::topic, "t")});
  set.remove(allow(Op::read, Type::topic, "t"));
  EXPECT_EQ(set.authorize(alice, Op::read, Type::topic, "t"), Verdict::denied);
  EXPECT_EQ(set.authorize(alice, Op::write, Type::topic, "t"), Verdict::allowed);
  set.remove(allow(Op::read, Type::topic, "t"));
  EXPECT_EQ(set.size(), 1u) << "one that is not there";
  set.remove(allow(Op::write, Type::topic, "t"));
  EXPECT_EQ(set.authorize(alice, Op::write, Type::topic, "t"), Verdict::no_acl);
}

TEST(AclSet, AnyTopicNeedsOneThatIsNotDenied) {
  const auto any = [](const std::vector<Acl>& acls) {
    return set_of(acls).authorize_any(alice, Op::write, Type::topic);
  };
  const Acl one = allow(Op::write, Type::topic, "app.t");
  EXPECT_FALSE(any({}));
  EXPECT_TRUE(any({one}));
  EXPECT_TRUE(any({prefixed(one)}));
  EXPECT_TRUE(any({allow(Op::all, Type::topic, "t", any_principal)}));
  EXPECT_FALSE(any({allow(Op::write, Type::topic, "t", "User:bob")}));
  EXPECT_FALSE(any({allow(Op::write, Type::group, "t")}));
  EXPECT_FALSE(any({allow(Op::read, Type::topic, "t")}));
  // What takes away all that the entry is for.
  EXPECT_FALSE(any({one, deny(Op::write, Type::topic, "app.t")}));
  EXPECT_FALSE(any({one, prefixed(deny(Op::all, Type::topic, "app"))}));
  EXPECT_FALSE(any({one, deny(Op::write, Type::topic, any_resource)}));
  EXPECT_FALSE(any({prefixed(one), prefixed(deny(Op::write, Type::topic, "app.t"))}));
  // What leaves some of it.
  EXPECT_TRUE(any({prefixed(one), deny(Op::write, Type::topic, "app.t")}));
  EXPECT_TRUE(any({prefixed(one), prefixed(deny(Op::write, Type::topic, "app.t1"))}));
  EXPECT_TRUE(any({one, deny(Op::write, Type::topic, "other")}));
  EXPECT_TRUE(any({allow(Op::write, Type::topic, any_resource),
                   prefixed(deny(Op::write, Type::topic, "app"))}));
}

// With 10,000 entries, of which most are for everything or begin the names that are asked for, a
// request of 1,000 topics looks at few of them. The limit has two orders of magnitude to spare; a
// walk over all of them takes far longer.
TEST(AclSet, ManyEntriesOfOthersCostNothing) {
  AclSet set;
  for (int i = 0; i < 4000; ++i) {
    const std::string user = "User:u" + std::to_string(i);
    set.add(allow(Op::write, Type::topic, any_resource, user));
    set.add(prefixed(allow(Op::write, Type::topic, "app.", user)));
    set.add(prefixed(allow(Op::write, Type::topic, "app." + std::to_string(i), user)));
  }
  set.add(prefixed(allow(Op::write, Type::topic, "app.")));
  int allowed = 0;
  const std::clock_t begin = std::clock();
  for (int round = 0; round < 10; ++round) {
    for (int i = 0; i < 1000; ++i) {
      const std::string name = "app." + std::to_string(i) + ".orders";
      allowed += set.authorize(alice, Op::write, Type::topic, name) == Verdict::allowed ? 1 : 0;
    }
  }
  const double seconds = static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
  EXPECT_EQ(allowed, 10'000);
  EXPECT_LT(seconds, 2) << "10,000 questions";
}

}  // namespace
}  // namespace isthmus::broker
