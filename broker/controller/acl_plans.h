// What the controller decides about ACLs: pure functions from the image and a wish to the records
// to be written, and to the answer for each entry or filter that was named.
//
// The answers of a request are independent, as in Kafka: what is refused keeps nothing else from
// being written. What there is already, and what is named twice, is a success. What is created
// again follows no link any more.
#pragma once

#include <vector>

#include "base/error.h"
#include "broker/image/image.h"
#include "broker/image/records.h"

namespace isthmus::broker {

// Of the cluster: each is looked at for some filters, and copied for a change. POLICY_VIOLATION
// beyond.
constexpr size_t max_acls = 20'000;
// That one request creates, or finds to be removed by all its filters together: Kafka's limit, and
// a commit of the store holds them. INVALID_REQUEST for all of it beyond, as for more filters, each
// of which looks at every ACL.
constexpr size_t max_acls_per_request = 10'000;
constexpr size_t max_acl_filters = 1'000;

struct AclCreations {
  Plan plan;
  std::vector<Result<void>> results;  // of each, in order
};
AclCreations plan_create_acls(const Image& image, const std::vector<Acl>& wished);

struct AclDeletions {
  Plan plan;
  std::vector<Result<std::vector<Acl>>> matches;  // of each filter, in order
};
AclDeletions plan_delete_acls(const Image& image, const std::vector<AclFilter>& filters);

}  // namespace isthmus::broker
