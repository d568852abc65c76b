// Entries as the tests of authorization write them.
#pragma once

#include <ostream>
#include <string>

#include "broker/security/acl.h"

namespace isthmus::broker {

using Op = AclOperation;
using Type = ResourceType;

inline Acl allow(Op operation, Type type, std::string name, std::string principal = "User:alice") {
  return {type,      PatternType::literal, std::move(name), std::move(principal), any_host,
          operation, AclPermission::allow};
}
inline Acl deny(Op operation, Type type, std::string name, std::string principal = "User:alice") {
  Acl acl = allow(operation, type, std::move(name), std::move(principal));
  acl.permission = AclPermission::deny;
  return acl;
}
inline Acl prefixed(Acl acl) {
  acl.pattern = PatternType::prefixed;
  return acl;
}
inline Acl from(Acl acl, std::string host) {
  acl.host = std::move(host);
  return acl;
}

// Shown where tests fail.
inline void PrintTo(const Acl& acl, std::ostream* out) {
  *out << to_string(acl.permission) << ' ' << to_string(acl.operation) << ' ' << to_string(acl.type)
       << ' ' << to_string(acl.pattern) << ' ' << acl.name << " to " << acl.principal << " from "
       << acl.host;
}

}  // namespace isthmus::broker
