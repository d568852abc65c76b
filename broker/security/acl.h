// Acl: one entry of an access control list, the filters by which administrators find entries, and
// what an entry may say. The rules are Kafka's (KIP-11, KIP-140, KIP-290).
//
// Plain values and functions without state.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "kafka/gen/acl_operation.h"
#include "kafka/gen/acl_permission.h"
#include "kafka/gen/pattern_type.h"
#include "kafka/gen/resource_type.h"

namespace isthmus::broker {

using kafka::AclOperation;
using kafka::AclPermission;
using kafka::PatternType;
using kafka::ResourceType;

inline constexpr const char* any_resource = "*";  // as a literal name
inline constexpr const char* any_host = "*";
inline constexpr const char* any_principal = "User:*";

// Ordered by resource first, as they are listed.
struct Acl {
  ResourceType type = ResourceType::unknown;
  PatternType pattern = PatternType::literal;
  std::string name;
  std::string principal;  // "User:alice"
  std::string host;       // as host_text() has it
  AclOperation operation = AclOperation::unknown;
  AclPermission permission = AclPermission::unknown;
  friend auto operator<=>(const Acl&, const Acl&) = default;
};

// A principal may be the subject of a certificate, which is longer than any topic's name.
inline constexpr size_t longest_acl_text = 1024;

// INVALID_REQUEST, with what is wrong.
Result<void> check_acl(const Acl& acl);

// Which entries are meant. Null, and `any`, meet all.
struct AclFilter {
  ResourceType type = ResourceType::any;
  PatternType pattern = PatternType::any;
  const std::string* name = nullptr;  // with PatternType::match, of a resource that entries are for
  const std::string* principal = nullptr;
  const std::string* host = nullptr;
  AclOperation operation = AclOperation::any;
  AclPermission permission = AclPermission::any;

  bool meets(const Acl& acl) const;
};
Result<void> check_filter(const AclFilter& filter);

// Those that resources of the type have (KIP-430).
std::vector<AclOperation> operations_on(ResourceType type);

}  // namespace isthmus::broker
