// What the APIs of ACLs share: who may use them, and how they name entries and filters.
#pragma once

#include <optional>

#include "broker/handlers/context.h"
#include "broker/security/acl.h"
#include "broker/security/host_text.h"

namespace isthmus::broker {

// Why it is not answered, if it is not: as in Kafka who may ask comes before whether there is an
// answer at all.
std::optional<Error> refusal_of_acls(const Context& context, const Rights& rights,
                                     kafka::Permission needed);

// The filter looks at the texts of the request, whose host gets the form that entries have.
template <typename Message>
AclFilter filter_of(Message& m) {
  if (m.host_filter) m.host_filter = host_text(*m.host_filter);
  const auto text = [](const std::optional<std::string>& t) { return t ? &*t : nullptr; };
  return {m.resource_type_filter,   m.pattern_type_filter, text(m.resource_name_filter),
          text(m.principal_filter), text(m.host_filter),   m.operation,
          m.permission_type};
}

}  // namespace isthmus::broker
