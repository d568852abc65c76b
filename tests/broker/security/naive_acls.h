// What the rules of ACLs say, entry by entry and without an index: the model to which tests and
// fuzzers hold AclSet and AclFilter. Kafka's StandardAuthorizer, KIP-290 and KIP-679 are its
// source.
#pragma once

#include <algorithm>
#include <set>
#include <string>
#include <string_view>

#include "broker/security/acls.h"

namespace isthmus::broker::naive {

inline bool is_about(const Acl& acl, const Asker& asker) {
  return (acl.principal == asker.principal || acl.principal == any_principal) &&
         (acl.host == asker.host || acl.host == any_host);
}

inline bool is_for(const Acl& acl, ResourceType type, std::string_view name) {
  if (acl.type != type) return false;
  if (acl.pattern == PatternType::prefixed) return name.starts_with(acl.name);
  return acl.name == name || acl.name == any_resource;
}

inline bool names(const Acl& acl, AclOperation operation) {
  return acl.operation == operation || acl.operation == AclOperation::all;
}

inline bool implies(AclOperation allowed, AclOperation operation) {
  using enum AclOperation;
  if (operation == describe) {
    return allowed == read || allowed == write || allowed == remove || allowed == alter;
  }
  return operation == describe_configs && allowed == alter_configs;
}

inline AclSet::Verdict authorize(const std::set<Acl>& acls, const Asker& asker,
                                 AclOperation operation, ResourceType type, std::string_view name) {
  bool any = false, allowed = false, denied = false;
  for (const Acl& acl : acls) {
    if (!is_for(acl, type, name)) continue;
    any = true;
    if (!is_about(acl, asker)) continue;
    if (acl.permission == AclPermission::deny) denied = denied || names(acl, operation);
    if (acl.permission == AclPermission::allow) {
      allowed = allowed || names(acl, operation) || implies(acl.operation, operation);
    }
  }
  if (!any) return AclSet::Verdict::no_acl;
  return allowed && !denied ? AclSet::Verdict::allowed : AclSet::Verdict::denied;
}

// Whether one entry leaves nothing of what another is for.
inline bool takes_all_of(const Acl& denial, const Acl& allowance) {
  if (denial.pattern == PatternType::prefixed) return allowance.name.starts_with(denial.name);
  return denial.name == any_resource ||
         (allowance.pattern == PatternType::literal && allowance.name == denial.name);
}

inline bool authorize_any(const std::set<Acl>& acls, const Asker& asker, AclOperation operation,
                          ResourceType type) {
  const auto meant = [&](const Acl& acl, AclPermission permission) {
    return acl.permission == permission && acl.type == type && is_about(acl, asker) &&
           names(acl, operation);
  };
  return std::ranges::any_of(acls, [&](const Acl& allowance) {
    if (!meant(allowance, AclPermission::allow)) return false;
    const bool of_all = allowance.pattern == PatternType::literal && allowance.name == any_resource;
    return std::ranges::none_of(acls, [&](const Acl& denial) {
      if (!meant(denial, AclPermission::deny)) return false;
      // All resources: only what denies all of them leaves none.
      if (of_all) return denial.pattern == PatternType::literal && denial.name == any_resource;
      return takes_all_of(denial, allowance);
    });
  });
}

inline bool meets(const AclFilter& filter, const Acl& acl) {
  using enum PatternType;
  if (filter.type != ResourceType::any && filter.type != acl.type) return false;
  if (filter.operation != AclOperation::any && filter.operation != acl.operation) return false;
  if (filter.permission != AclPermission::any && filter.permission != acl.permission) return false;
  if (filter.principal && *filter.principal != acl.principal) return false;
  if (filter.host && *filter.host != acl.host) return false;
  if (filter.pattern == match) return !filter.name || is_for(acl, acl.type, *filter.name);
  if (filter.pattern != any && filter.pattern != acl.pattern) return false;
  return !filter.name || *filter.name == acl.name;
}

}  // namespace isthmus::broker::naive
