#include "broker/controller/acl_plans.h"

#include <set>

#include "kafka/errors.h"

namespace isthmus::broker {

using kafka::ErrorCode;

namespace {

std::unexpected<Error> too_many(const std::string& what) {
  return kafka::refuse(ErrorCode::invalid_request,
                       "a request may " + what + " " + std::to_string(max_acls_per_request) +
                           " ACLs at most, and have " + std::to_string(max_acl_filters) +
                           " filters");
}

// One that follows a link is the cluster's own from now on.
void take_over(const Image& image, const Acl& acl, std::set<Acl>& done, Plan& plan) {
  const auto& entry = image.acls->entries.at(acl_key(acl));
  if (entry.follows.link.empty() || !done.insert(acl).second) return;
  plan.put_acl(acl, {}, entry.version);
}

}  // namespace

AclCreations plan_create_acls(const Image& image, const std::vector<Acl>& wished) {
  AclCreations made;
  if (wished.size() > max_acls_per_request) {
    made.results.assign(wished.size(), too_many("create"));
    return made;
  }
  std::set<Acl> added;
  size_t created = 0;
  for (const Acl& acl : wished) {
    auto& result = made.results.emplace_back(check_acl(acl));
    if (!result || added.contains(acl)) continue;
    if (image.acls->set.contains(acl)) {
      take_over(image, acl, added, made.plan);
      continue;
    }
    if (image.acls->set.size() + created >= max_acls) {
      result = kafka::refuse(ErrorCode::policy_violation,
                             "this cluster may have " + std::to_string(max_acls) + " ACLs at most");
      continue;
    }
    added.insert(acl);
    ++created;
    made.plan.put_acl(acl);
  }
  return made;
}

AclDeletions plan_delete_acls(const Image& image, const std::vector<AclFilter>& filters) {
  AclDeletions made;
  std::set<Acl> removed;
  size_t listed = 0;
  for (const AclFilter& filter : filters) {
    if (listed > max_acls_per_request || filters.size() > max_acl_filters) break;
    auto& match = made.matches.emplace_back();
    if (auto ok = check_filter(filter); !ok) {
      match = fail(ok.error());
      continue;
    }
    *match = image.acls->set.matching(filter);
    listed += match->size();
    removed.insert(match->begin(), match->end());
  }
  if (listed > max_acls_per_request || filters.size() > max_acl_filters) {
    made.matches.assign(filters.size(), too_many("remove"));
    return made;
  }
  for (const Acl& acl : removed) {
    made.plan.remove_acl(acl, image.acls->entries.at(acl_key(acl)).version);
  }
  return made;
}

}  // namespace isthmus::broker
