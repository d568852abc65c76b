// ClusterIdentity: which cluster is meant, whatever name or address it is reached by. The two ends
// of a link write down each other's: a name can be given to another cluster, an address may be
// wrong, an identity is nobody else's.
//
// Plain data, copied freely.
#pragma once

#include <string>

#include "base/ids.h"

namespace isthmus::kafka {

struct ClusterIdentity {
  std::string id;            // as the cluster itself says it; empty = nobody has said
  ClusterNumber number = 0;  // 0 = a foreign cluster

  bool known() const { return !id.empty(); }
  friend bool operator==(const ClusterIdentity&, const ClusterIdentity&) = default;
};

// For people: "cluster 5L6g3nShT-eMCtK--X86sw (number 2)".
std::string to_string(const ClusterIdentity& cluster);

}  // namespace isthmus::kafka
