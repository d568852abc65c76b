// AuthorizedWorld: a broker with an authorizer, and a client that is User:ANONYMOUS. What stands
// before a test is made as a super user; then the broker starts anew, and the client may only do
// what ACLs say. Those of topics and groups are changed while it runs, by ALTER on the cluster,
// where a test has asked for that.
#pragma once

#include <functional>

#include "kafka/gen/create_acls.h"
#include "kafka/gen/delete_acls.h"
#include "kafka/permission.h"
#include "tests/broker/handlers/broker_world.h"
#include "tests/broker/security/acl_of.h"

namespace isthmus::broker {

class AuthorizedWorld : public BrokerWorld {
 protected:
  static inline const std::string me = "User:ANONYMOUS";
  static Acl may(Op operation, Type type, std::string name) {
    return allow(operation, type, std::move(name), me);
  }
  static Acl on_cluster(Op operation) {
    return may(operation, Type::cluster, kafka::cluster_resource);
  }
  // As KIP-140's tools write it.
  static kafka::CreateAclsRequest::AclCreation creation(const Acl& acl) {
    return {acl.type, acl.name,      acl.pattern,   acl.principal,
            acl.host, acl.operation, acl.permission};
  }
  static kafka::DeleteAclsRequest::DeleteAclsFilter exactly(const Acl& acl) {
    return {acl.type, acl.name,      acl.pattern,   acl.principal,
            acl.host, acl.operation, acl.permission};
  }

  // `prepare` may do everything, the test only what the ACLs say.
  void start_with(const std::vector<Acl>& acls, const std::function<void()>& prepare = {}) {
    config.broker.authorizer = process::AuthorizerKind::acls;
    config.broker.super_users = {me};
    client() == nullptr ? start() : lose_power();
    if (prepare) prepare();
    replace(granted_, acls);
    granted_ = acls;
    config.broker.super_users.clear();
    lose_power();
  }
  // REQUIRES: started with ALTER on the cluster.
  void grant(const std::vector<Acl>& acls) {
    replace(live_, acls);
    live_ = acls;
  }

 private:
  void replace(const std::vector<Acl>& before, const std::vector<Acl>& now) {
    kafka::DeleteAclsRequest removal;
    for (const Acl& acl : before) removal.filters.push_back(exactly(acl));
    for (const auto& result : ask(removal).filter_results) {
      EXPECT_EQ(result.error_code, ErrorCode::none);
      EXPECT_EQ(result.matching_acls.size(), 1u);
    }
    kafka::CreateAclsRequest request;
    for (const Acl& acl : now) request.creations.push_back(creation(acl));
    for (const auto& result : ask(request).results) {
      EXPECT_EQ(result.error_code, ErrorCode::none) << result.error_message.value_or("");
    }
  }

  std::vector<Acl> granted_, live_;
};

}  // namespace isthmus::broker
