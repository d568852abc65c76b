#include "broker/security/authorizer.h"

#include <gtest/gtest.h>

#include "tests/broker/security/acl_of.h"

namespace isthmus::broker {
namespace {

constexpr kafka::Permission read_topic{Op::read, Type::topic};
constexpr kafka::Permission write_topic{Op::write, Type::topic};

Rights rights(const Authorizer::Options& options, const std::vector<Acl>& acls,
              const std::string& user = "alice") {
  auto set = std::make_shared<AclSet>();
  for (const Acl& acl : acls) set->add(acl);
  return Authorizer(options).rights_of({"User", user}, "10.0.0.1", set);
}

TEST(Authorizer, WithoutEntriesNobodyMayDoAnything) {
  const Rights none = rights({.enabled = true}, {});
  EXPECT_FALSE(none.may(read_topic, "t"));
  EXPECT_FALSE(none.may_on_any(write_topic));
  EXPECT_FALSE(none.may_on_cluster({Op::describe, Type::cluster}));
  EXPECT_EQ(none.operations(Type::topic, "t"), 0);
}

TEST(Authorizer, SuperUsersMayDoEverythingWhateverIsDenied) {
  const Authorizer::Options options{.enabled = true, .super_users = {"User:root", "User:alice"}};
  const std::vector<Acl> acls = {deny(Op::all, Type::topic, any_resource, any_principal)};
  EXPECT_TRUE(rights(options, acls).may(read_topic, "t"));
  EXPECT_TRUE(rights(options, acls).may_on_any(write_topic));
  EXPECT_FALSE(rights(options, acls, "bob").may(read_topic, "t"));
  // The whole name, and no pattern.
  EXPECT_FALSE(rights({.enabled = true, .super_users = {any_principal, "User:ali"}}, acls)
                   .may(read_topic, "t"));
}

TEST(Authorizer, WhereNobodyHasAnEntryTheOptionDecides) {
  const Authorizer::Options open{.enabled = true, .allow_everyone_if_no_acl_found = true};
  EXPECT_TRUE(rights(open, {}).may(read_topic, "t"));
  EXPECT_TRUE(rights(open, {}).may_on_any(write_topic));
  const std::vector<Acl> of_bob = {allow(Op::read, Type::topic, "t", "User:bob")};
  EXPECT_FALSE(rights(open, of_bob).may(read_topic, "t")) << "somebody has one for it";
  EXPECT_TRUE(rights(open, of_bob).may(read_topic, "t2"));
  EXPECT_FALSE(rights({.enabled = true}, of_bob).may(read_topic, "t2"));
}

TEST(Authorizer, AnyTopicIsEnoughForSomeThings) {
  EXPECT_TRUE(
      rights({.enabled = true}, {allow(Op::write, Type::topic, "one")}).may_on_any(write_topic));
  EXPECT_FALSE(
      rights({.enabled = true}, {allow(Op::read, Type::topic, "one")}).may_on_any(write_topic));
}

TEST(Authorizer, ComparesHostsInOneForm) {
  auto set = std::make_shared<AclSet>();
  set->add(from(allow(Op::read, Type::topic, "t"), "10.0.0.1"));
  const Authorizer authorizer({.enabled = true});
  const kafka::Principal alice{"User", "alice"};
  EXPECT_TRUE(authorizer.rights_of(alice, "::ffff:10.0.0.1", set).may(read_topic, "t"));
  EXPECT_FALSE(authorizer.rights_of(alice, "10.0.0.2", set).may(read_topic, "t"));
}

TEST(Authorizer, SpeakingForSomebodyIsMakingTokensForHim) {
  const Rights router =
      rights({.enabled = true}, {allow(Op::create_tokens, Type::user, "User:bob", "User:router")},
             "router");
  EXPECT_TRUE(router.may_speak_for({"User", "bob"}));
  EXPECT_FALSE(router.may_speak_for({"User", "root"}));
  EXPECT_FALSE(rights({.enabled = true}, {}, "router").may_speak_for({"User", "bob"}));
}

// KIP-430: a bit by the number of each operation.
TEST(Authorizer, OperationsAreBitsByTheirNumbers) {
  const Rights some =
      rights({.enabled = true}, {allow(Op::read, Type::topic, "t"),
                                 allow(Op::describe, Type::cluster, kafka::cluster_resource)});
  EXPECT_EQ(some.operations(Type::topic, "t"), 1 << 3 | 1 << 8) << "read, and describe with it";
  EXPECT_EQ(some.operations_on_cluster(), 1 << 8);
  const Rights blind =
      rights({.enabled = true}, {allow(Op::create, Type::cluster, kafka::cluster_resource)});
  EXPECT_EQ(blind.operations_on_cluster(), 0) << "as Kafka, without DESCRIBE";
  EXPECT_EQ(Rights().operations(Type::topic, "t"), 0b1101'1111'1000);
  EXPECT_EQ(Rights().operations(Type::group, "g"), 0b1101'0100'1000);
  EXPECT_EQ(Rights().operations_on_cluster(), 1 << 5 | 0b1'1111'1000'0000);
}

}  // namespace
}  // namespace isthmus::broker
