#include "kafka/cluster_identity.h"

namespace isthmus::kafka {

std::string to_string(const ClusterIdentity& cluster) {
  const std::string number =
      cluster.number == 0 ? "" : " (number " + std::to_string(cluster.number) + ")";
  return "cluster " + (cluster.known() ? cluster.id : "of no id") + number;
}

}  // namespace isthmus::kafka
