// What a link with `acls: follow` does to who may do what at its target: ACLs, SCRAM users, client
// quotas. Which of it is put and removed the mirror decides (mirror/access_plan.h); here stands
// what no mirror may do, whatever it asks for:
//
//  - what the cluster has of its own is neither changed nor removed;
//  - what is not bounded to topics, groups and transactional ids does not come: an ACL on the
//    cluster or on a user is a right over the site, and an address means another machine elsewhere;
//  - a super user of this cluster is not given a password from another one.
//
// Pure: from the image and a request to the records to be written, in one commit.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/error.h"
#include "broker/image/image.h"
#include "broker/image/records.h"
#include "kafka/gen/follow_access.h"

namespace isthmus::broker {

// Entries of one request; INVALID_REQUEST beyond.
constexpr size_t most_followed = 2'000;

// What is left as it is, and why.
using KeptAccess = std::vector<kafka::FollowAccessResponse::KeptAccess>;
using IsSuperUser = std::function<bool(const std::string& principal)>;

// All of the request but what is kept, or an error. FENCED_LEADER_EPOCH to a mirror process that
// was replaced; POLICY_VIOLATION where the cluster would have more than it may, and where the link
// writes no topic here.
Result<Plan> plan_follow_access(const Image& image, const kafka::FollowAccessRequest& request,
                                const IsSuperUser& is_super_user, KeptAccess& kept);

// What has come by the link is the cluster's own from now on.
void free_access(Plan& plan, const Image& image, const std::string& link);

}  // namespace isthmus::broker
