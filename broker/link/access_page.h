// What ReadAccess answers: one page of who may do what at this cluster, in the order of ACLs,
// users, quotas. Pure.
#pragma once

#include <functional>
#include <string>

#include "broker/image/image.h"
#include "kafka/gen/read_access.h"

namespace isthmus::broker {

// Entries of a page: some 2 MB at the most that they usually are.
constexpr size_t access_page = 10'000;

// What the asker may be told beside the ACLs, and whose passwords nobody is.
struct AccessTold {
  bool users = false;
  bool quotas = false;
  std::function<bool(const std::string& principal)> is_super_user;
  NodeId teller = -1;  // this broker
};

// The asker has this picture already: whatever he may be told of it he has been told, since rights
// are a part of it. Changes are counted by each broker of a cluster for itself: what another one
// has told is never taken for ours.
bool is_known(const Image& image, const kafka::ReadAccessRequest& asked, NodeId teller);

// REQUIRES: the asker may have the ACLs.
kafka::ReadAccessResponse page_of_access(const Image& image, const kafka::ReadAccessRequest& asked,
                                         const AccessTold& told, size_t most = access_page);

}  // namespace isthmus::broker
