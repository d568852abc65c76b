#include "broker/security/authorizer.h"

#include <utility>

#include "broker/security/host_text.h"

namespace isthmus::broker {

using kafka::Permission;

bool Rights::may(Permission what, std::string_view name) const {
  if (!acls_) return true;
  const auto verdict = acls_->authorize(asker_, what.operation, what.resource, name);
  return verdict == AclSet::Verdict::allowed ||
         (verdict == AclSet::Verdict::no_acl && where_no_acl_);
}

bool Rights::may_on_any(Permission what) const {
  if (!acls_) return true;
  // No entry names it: only those for every name are for it, or the option. As in Kafka, which asks
  // for "hardcode".
  constexpr std::string_view somewhere = "hardcode";
  return may(what, somewhere) || acls_->authorize_any(asker_, what.operation, what.resource);
}

bool Rights::may_speak_for(const kafka::Principal& other) const {
  return may({AclOperation::create_tokens, ResourceType::user}, other.to_string());
}

int32_t Rights::operations(ResourceType type, std::string_view name) const {
  uint32_t bits = 0;
  for (AclOperation operation : operations_on(type)) {
    if (may({operation, type}, name)) bits |= bit_of(operation);
  }
  return static_cast<int32_t>(bits);
}

int32_t Rights::operations_on_cluster() const {
  if (!may_on_cluster({AclOperation::describe, ResourceType::cluster})) return 0;
  return operations(ResourceType::cluster, kafka::cluster_resource);
}

Rights Authorizer::rights_of(const kafka::Principal& principal, const std::string& host,
                             std::shared_ptr<const AclSet> acls) const {
  Asker asker{principal.to_string(), host_text(host)};
  if (super_users_.contains(asker.principal)) return {};
  return {std::move(acls), std::move(asker), where_no_acl_};
}

}  // namespace isthmus::broker
