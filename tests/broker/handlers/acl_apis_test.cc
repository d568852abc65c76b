// CreateAcls, DescribeAcls and DeleteAcls, and that what they do is in force.
#include "kafka/gen/describe_acls.h"
#include "tests/broker/handlers/authorized_world.h"

namespace isthmus::broker {
namespace {

class AclApis : public AuthorizedWorld {
 protected:
  static kafka::DescribeAclsRequest any() {
    kafka::DescribeAclsRequest request;
    request.resource_type_filter = Type::any;
    request.resource_name_filter = request.principal_filter = request.host_filter = std::nullopt;
    request.pattern_type_filter = PatternType::any;
    request.operation = Op::any;
    request.permission_type = AclPermission::any;
    return request;
  }
  static kafka::DeleteAclsRequest removing(const std::vector<Acl>& acls) {
    kafka::DeleteAclsRequest request;
    for (const Acl& acl : acls) request.filters.push_back(exactly(acl));
    return request;
  }
  static kafka::CreateAclsRequest creating(const std::vector<Acl>& acls) {
    kafka::CreateAclsRequest request;
    for (const Acl& acl : acls) request.creations.push_back(creation(acl));
    return request;
  }
  // As listed.
  std::vector<Acl> described(const kafka::DescribeAclsRequest& request) {
    const auto response = ask(request);
    EXPECT_EQ(response.error_code, ErrorCode::none);
    std::vector<Acl> acls;
    for (const auto& r : response.resources) {
      EXPECT_FALSE(r.acls.empty());
      for (const auto& a : r.acls) {
        acls.push_back({r.resource_type, r.pattern_type, r.resource_name, a.principal, a.host,
                        a.operation, a.permission_type});
      }
    }
    return acls;
  }
};
ON_ONE_LOOP_AND_ON_TWO(AclApis);

TEST_P(AclApis, AreDisabledWithoutAnAuthorizer) {
  start();
  EXPECT_EQ(ask(any()).error_code, ErrorCode::security_disabled);
  const auto created = ask(creating({allow(Op::read, Type::topic, "t")})).results;
  ASSERT_EQ(created.size(), 1u);
  EXPECT_EQ(created[0].error_code, ErrorCode::security_disabled);
  const auto deleted = ask(removing({allow(Op::read, Type::topic, "t")})).filter_results;
  ASSERT_EQ(deleted.size(), 1u);
  EXPECT_EQ(deleted[0].error_code, ErrorCode::security_disabled);
}

TEST_P(AclApis, NeedDescribeAndAlterOnTheCluster) {
  const std::vector<Acl> one = {allow(Op::read, Type::topic, "t")};
  start_with({});
  constexpr auto no = ErrorCode::cluster_authorization_failed;
  EXPECT_EQ(ask(any()).error_code, no);
  EXPECT_EQ(ask(creating(one)).results.at(0).error_code, no);
  EXPECT_EQ(ask(removing(one)).filter_results.at(0).error_code, no);
  start_with({on_cluster(Op::describe)});
  EXPECT_EQ(described(any()), std::vector<Acl>{on_cluster(Op::describe)})
      << "and none that was refused";
  EXPECT_EQ(ask(creating(one)).results.at(0).error_code, no);
  EXPECT_EQ(ask(removing(one)).filter_results.at(0).error_code, no);
  start_with({on_cluster(Op::alter)});
  EXPECT_EQ(ask(creating(one)).results.at(0).error_code, ErrorCode::none);
  EXPECT_EQ(ask(any()).error_code, ErrorCode::none) << "who may alter may describe";
  EXPECT_EQ(ask(removing(one)).filter_results.at(0).matching_acls.size(), 1u);
}

TEST_P(AclApis, WhatIsCreatedIsListedByResourceAndOutlivesAStart) {
  const std::vector<Acl> acls = {from(allow(Op::read, Type::topic, "app", "User:a"), "10.0.0.1"),
                                 deny(Op::all, Type::topic, "app", "User:b"),
                                 prefixed(allow(Op::write, Type::topic, "app", any_principal)),
                                 allow(Op::describe, Type::group, any_resource, "User:a"),
                                 on_cluster(Op::alter)};
  start_with({on_cluster(Op::alter)});
  for (const auto& result : ask(creating(acls)).results) {
    EXPECT_EQ(result.error_code, ErrorCode::none);
  }
  EXPECT_EQ(described(any()), acls) << "in their order, each once";
  EXPECT_EQ(ask(any()).resources.size(), 4u) << "two are of one resource";
  lose_power();
  EXPECT_EQ(described(any()), acls);
  ask(removing({acls[1], acls[3]}));
  lose_power();
  EXPECT_EQ(described(any()), (std::vector<Acl>{acls[0], acls[2], acls[4]}));
}

TEST_P(AclApis, FiltersFindWhatTheyNameAndWhatIsForAResource) {
  const Acl literal = allow(Op::read, Type::topic, "app.t", "User:a");
  const Acl prefix = prefixed(allow(Op::read, Type::topic, "app.", "User:b"));
  const Acl other = allow(Op::write, Type::topic, "other", "User:a");
  start_with({on_cluster(Op::alter)});
  grant({literal, prefix, other});
  auto of_topics = any();
  of_topics.resource_type_filter = Type::topic;
  EXPECT_EQ(described(of_topics).size(), 3u);
  auto of_one = of_topics;
  of_one.resource_name_filter = "app.t";
  EXPECT_EQ(described(of_one), std::vector<Acl>{literal});
  of_one.pattern_type_filter = PatternType::match;
  EXPECT_EQ(described(of_one), (std::vector<Acl>{literal, prefix}));
  auto of_user = any();
  of_user.principal_filter = "User:a";
  EXPECT_EQ(described(of_user), (std::vector<Acl>{literal, other}));
  of_user.operation = Op::unknown;
  EXPECT_EQ(ask(of_user).error_code, ErrorCode::invalid_request);
}

TEST_P(AclApis, WhatMakesNoSenseIsRefusedAndTheRestIsMade) {
  start_with({on_cluster(Op::alter)});
  const Acl good = allow(Op::read, Type::topic, "t");
  const auto results =
      ask(creating({allow(Op::any, Type::topic, "t"), good, allow(Op::read, Type::cluster, "t"),
                    allow(Op::read, Type::topic, "t", "alice")}))
          .results;
  ASSERT_EQ(results.size(), 4u);
  for (size_t i : {0, 2, 3}) {
    EXPECT_EQ(results[i].error_code, ErrorCode::invalid_request);
    EXPECT_FALSE(results[i].error_message.value_or("").empty());
  }
  EXPECT_EQ(results[1].error_code, ErrorCode::none);
  EXPECT_EQ(described(any()), (std::vector<Acl>{good, on_cluster(Op::alter)}));
}

// Also on loops where nobody has asked for it.
TEST_P(AclApis, AreInForceWhenTheyAreAnswered) {
  start_with({on_cluster(Op::alter)}, [this] { create("t"); });
  auto other = dial({"site", 9092});
  for (int i = 0; i < 3; ++i) {
    std::swap(connection, other);
    EXPECT_EQ(list_offset("t", -1).error_code, ErrorCode::topic_authorization_failed);
    grant({may(Op::describe, Type::topic, "t")});
    std::swap(connection, other);
    EXPECT_EQ(list_offset("t", -1).error_code, ErrorCode::none);
    grant({});
  }
}

TEST_P(AclApis, AreOfTheHostThatTheConnectionComesFrom) {
  start_with({on_cluster(Op::alter)}, [this] { create("t"); });
  const Acl acl = may(Op::describe, Type::topic, "t");
  grant({from(acl, "elsewhere")});
  EXPECT_EQ(list_offset("t", -1).error_code, ErrorCode::topic_authorization_failed);
  grant({from(acl, "client")});
  EXPECT_EQ(list_offset("t", -1).error_code, ErrorCode::none);
  grant({acl, from(deny(Op::describe, Type::topic, "t", any_principal), "client")});
  EXPECT_EQ(list_offset("t", -1).error_code, ErrorCode::topic_authorization_failed);
}

TEST_P(AclApis, AHostHasOneText) {
  start_with({on_cluster(Op::alter)});
  const Acl typed = from(allow(Op::read, Type::topic, "t"), "::1");
  ask(creating({typed}));
  auto here = any();
  for (const char* host : {"::1", "0:0:0:0:0:0:0:1"}) {
    here.host_filter = host;
    EXPECT_EQ(described(here), std::vector<Acl>{from(typed, "0:0:0:0:0:0:0:1")});
  }
  EXPECT_EQ(ask(removing({typed})).filter_results.at(0).matching_acls.size(), 1u);
}

TEST_P(AclApis, SuperUsersAndTheOptionForWhatHasNoAclCount) {
  config.broker.allow_everyone_if_no_acl_found = true;
  start_with({on_cluster(Op::alter)}, [this] {
    create("t");
    create("u");
  });
  grant({allow(Op::read, Type::topic, "u", "User:alice")});
  EXPECT_EQ(list_offset("t", -1).error_code, ErrorCode::none);
  EXPECT_EQ(list_offset("u", -1).error_code, ErrorCode::topic_authorization_failed);
  config.broker.super_users = {me};
  lose_power();
  EXPECT_EQ(list_offset("u", -1).error_code, ErrorCode::none);
}

}  // namespace
}  // namespace isthmus::broker
