#include "broker/security/acl.h"

#include <algorithm>

#include "kafka/errors.h"
#include "kafka/permission.h"
#include "kafka/principal.h"

namespace isthmus::broker {

namespace {

std::unexpected<Error> invalid(std::string why) {
  return kafka::refuse(kafka::ErrorCode::invalid_request, std::move(why));
}

template <typename Enum>
bool is_named(Enum value) {
  return value != Enum::unknown && std::ranges::count(values_of(value), value) > 0;
}
template <typename Enum>
bool is_definite(Enum value) {
  return is_named(value) && value != Enum::any;
}

bool differs(const std::string* wanted, const std::string& value) {
  return wanted != nullptr && *wanted != value;
}
template <typename Enum>
bool differs(Enum wanted, Enum value) {
  return wanted != Enum::any && wanted != value;
}

}  // namespace

Result<void> check_acl(const Acl& acl) {
  if (!is_definite(acl.type)) return invalid("an ACL is for resources of one type");
  if (acl.pattern != PatternType::literal && acl.pattern != PatternType::prefixed) {
    return invalid("an ACL's name is literal or a prefix");
  }
  if (!is_definite(acl.operation)) return invalid("an ACL is about one operation, or all of them");
  if (!is_definite(acl.permission)) return invalid("an ACL allows or denies");
  if (acl.name.empty()) return invalid("an ACL names its resource, or says * for every name");
  if (acl.host.empty()) return invalid("an ACL names a host, or says * for every one");
  for (const std::string* text : {&acl.name, &acl.principal, &acl.host}) {
    if (text->size() <= longest_acl_text) continue;
    return invalid("a name in an ACL has at most " + std::to_string(longest_acl_text) + " bytes");
  }
  if (acl.type == ResourceType::cluster && acl.name != kafka::cluster_resource) {
    return invalid(std::string("the only name of a cluster is ") + kafka::cluster_resource);
  }
  auto principal = kafka::Principal::parse(acl.principal);
  if (!principal) return invalid(principal.error().text);
  return {};
}

bool AclFilter::meets(const Acl& acl) const {
  if (differs(type, acl.type) || differs(principal, acl.principal) || differs(host, acl.host) ||
      differs(operation, acl.operation) || differs(permission, acl.permission)) {
    return false;
  }
  if (pattern != PatternType::match) {
    return !differs(pattern, acl.pattern) && !differs(name, acl.name);
  }
  if (name == nullptr) return true;
  if (acl.pattern == PatternType::prefixed) return name->starts_with(acl.name);
  return acl.name == *name || acl.name == any_resource;
}

Result<void> check_filter(const AclFilter& filter) {
  const bool known = is_named(filter.type) && is_named(filter.pattern) &&
                     is_named(filter.operation) && is_named(filter.permission);
  return known ? Result<void>{} : invalid("the filter has a value that is not known here");
}

std::vector<AclOperation> operations_on(ResourceType type) {
  using enum AclOperation;
  switch (type) {
    case ResourceType::topic:
      return {read, write, create, remove, alter, describe, describe_configs, alter_configs};
    case ResourceType::group: return {read, remove, describe, describe_configs, alter_configs};
    case ResourceType::cluster:
      return {create,           alter,         describe,        cluster_action,
              describe_configs, alter_configs, idempotent_write};
    case ResourceType::transactional_id: return {write, describe, two_phase_commit};
    case ResourceType::delegation_token: return {describe};
    case ResourceType::user: return {create_tokens, describe_tokens};
    default: return {};
  }
}

}  // namespace isthmus::broker
