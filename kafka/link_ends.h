// Whether the two clusters that answer at the ends of a link are those that are meant: by the
// link's name, and by what each has written down of the other. Asked before a mirror attaches, and
// by the commands about links. Pure.
#pragma once

#include <string>

#include "kafka/cluster_identity.h"
#include "kafka/gen/describe_site.h"

namespace isthmus::kafka {

ClusterIdentity identity_of(const DescribeSiteResponse& site);

// What `site` has written down of the cluster at the other end of `link`, of which `reverse` is the
// way back; not known if nothing.
ClusterIdentity other_end(const DescribeSiteResponse& site, const std::string& link,
                          const std::string& reverse);
// Whether `site` has given that cluster up for good.
bool was_forgotten(const DescribeSiteResponse& site, const ClusterIdentity& cluster);

// Names of a link's ends, as its own name says them.
struct EndNames {
  std::string source;
  std::string target;
  std::string link() const { return source + "-" + target; }
  std::string reverse() const { return target + "-" + source; }
};

// One line: what was expected, and what was found; empty if the ends are right. `source` is nothing
// where it is foreign or does not answer.
std::string wrong_ends(const EndNames& names, const DescribeSiteResponse* source,
                       const DescribeSiteResponse& target);

}  // namespace isthmus::kafka
