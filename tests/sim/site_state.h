// What scenarios look for in what a site says of itself (DescribeSite).
#pragma once

#include <optional>
#include <set>
#include <string>

#include "kafka/gen/describe_site.h"

namespace isthmus::sim {

struct SiteState {
  // Who writes "orders" there.
  enum class Writer : uint8_t { clients, link, nobody, unknown };
  Writer writer = Writer::unknown;
  bool at_rest = false;  // no switchover is half done

  friend bool operator==(const SiteState&, const SiteState&) = default;
};

SiteState state_in(const std::optional<kafka::DescribeSiteResponse>& site);
// Whether all of these groups are the link's.
bool owns_groups(const std::optional<kafka::DescribeSiteResponse>& site, const std::string& link,
                 const std::set<std::string>& groups);

}  // namespace isthmus::sim
