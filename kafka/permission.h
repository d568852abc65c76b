// Permission: an operation on resources of one type, the unit in which the schemas say what an API
// needs (`needs write topic`) and ACLs what somebody may do. A plain value.
#pragma once

#include <algorithm>

#include "kafka/gen/acl_operation.h"
#include "kafka/gen/resource_type.h"

namespace isthmus::kafka {

struct Permission {
  AclOperation operation = AclOperation::unknown;
  ResourceType resource = ResourceType::unknown;
  friend bool operator==(const Permission&, const Permission&) = default;
};

// A permission that the schema of `Request` names: code that asks for another does not compile.
template <typename Request>
consteval Permission need(AclOperation operation, ResourceType resource) {
  const Permission wanted{operation, resource};
  if (std::ranges::find(Request::needs, wanted) == Request::needs.end()) {
    throw "the schema does not say that this API needs it";
  }
  return wanted;
}

// The only cluster that there is, for a cluster (Kafka's CLUSTER_NAME).
inline constexpr const char* cluster_resource = "kafka-cluster";

}  // namespace isthmus::kafka
