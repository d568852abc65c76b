// AccessView: who may do what at one end of a link, as that end has told it: ACLs, SCRAM users,
// client quotas, each with the link that it follows. And what of it a link carries.
//
// Carried are ACLs of topics, groups and transactional ids. One that allows is carried if the link
// takes the name, or all names that the pattern meets: it must not open at the target what the link
// does not bring. One that denies is always carried, since an allowing one may be wider. ACLs on
// the cluster and on users are rights over a site, which stay its own, and so do quotas of
// addresses. A transactional id alone opens nothing, whoever may use it.
//
// Plain values and pure functions.
#pragma once

#include <compare>
#include <map>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "kafka/gen/describe_acls.h"
#include "kafka/gen/describe_client_quotas.h"
#include "kafka/gen/follow_access.h"
#include "kafka/gen/read_access.h"
#include "kafka/selector.h"

namespace isthmus::mirror {

// In the order in which entries are put: at no moment may the target allow what the source denies.
// They are removed in the opposite order.
enum class AccessKind : uint8_t { deny, quota, user, allow };

struct AccessKey {
  AccessKind kind = AccessKind::deny;
  std::vector<std::string> parts;  // all that tells it from others of its kind
  friend auto operator<=>(const AccessKey&, const AccessKey&) = default;
  // For people: "User:alice READ on topic orders".
  std::string to_string() const;
};

struct AccessEntry {
  using Acl = kafka::FollowAccessRequest::FollowedAcl;
  using User = kafka::FollowAccessRequest::FollowedUser;
  using Quota = kafka::FollowAccessRequest::FollowedQuota;
  std::variant<Acl, User, Quota> what;  // as it is asked for at a target, its flags not set
  std::string link;                     // that it follows; empty = none
  bool made_here = false;               // and was there before it did
};

struct AccessView {
  std::map<AccessKey, AccessEntry> entries;
  std::set<std::string> writers;  // links that write topics there
  bool is_void = false;           // nothing at all was told, also of what is not carried
  // Why something is not told; then that it is missing says nothing.
  std::string no_acls, no_users, no_quotas;

  bool tells(AccessKind kind) const;
  void add(const kafka::ReadAccessResponse& page);
  // Of a cluster that is not Isthmus.
  void add(const kafka::DescribeAclsResponse& acls);
  void add(const kafka::DescribeClientQuotasResponse& quotas);
};

class AccessScope {
 public:
  AccessScope(kafka::Selector topics, kafka::Selector groups)
      : topics_(std::move(topics)), groups_(std::move(groups)) {}
  bool carries(const AccessEntry& entry) const;
  // The view without what is not carried.
  AccessView of(AccessView view) const;

 private:
  bool carries_acl(const AccessEntry::Acl& acl) const;
  const kafka::Selector topics_, groups_;
};

}  // namespace isthmus::mirror
