#include "kafka/link_ends.h"

#include <algorithm>

namespace isthmus::kafka {

namespace {

std::string wrong_name(const std::string& link, const char* end, const std::string& expected,
                       const DescribeSiteResponse& found) {
  if (found.name == expected) return "";
  return "link " + link + " has " + expected + " as its " + end +
         ", but the one that answers there is " + found.name + ", " + to_string(identity_of(found));
}

// What `teller` knows of the other end, held against who answers there.
std::string wrong_identity(const EndNames& names, const DescribeSiteResponse& teller,
                           const DescribeSiteResponse& found) {
  if (was_forgotten(teller, identity_of(found))) {
    return "link " + names.link() + ": " + teller.name + " has forgotten " + found.name + ", " +
           to_string(identity_of(found)) +
           ", for good (isthmus link forget): set it up anew, with another cluster.number";
  }
  const ClusterIdentity expected = other_end(teller, names.link(), names.reverse());
  if (!expected.known() || expected == identity_of(found)) return "";
  return "link " + names.link() + ": " + teller.name + " has written down that " + found.name +
         " is " + to_string(expected) + ", but the one that answers there is " +
         to_string(identity_of(found)) + " (if the first is gone for good: isthmus link forget " +
         found.name + "-" + teller.name + ")";
}

}  // namespace

ClusterIdentity identity_of(const DescribeSiteResponse& site) {
  return {site.cluster_id, site.number};
}

ClusterIdentity other_end(const DescribeSiteResponse& site, const std::string& link,
                          const std::string& reverse) {
  using Site = DescribeSiteResponse;
  for (const std::string& name : {link, reverse}) {
    const auto record = std::ranges::find(site.switchovers, name, &Site::SiteSwitchover::link);
    const bool says = record != site.switchovers.end() && !record->peer_id.empty();
    if (says) return {record->peer_id, record->peer_number};
  }
  // One of the two leads here, and its source is the other end.
  for (const std::string& name : {link, reverse}) {
    const auto incoming = std::ranges::find(site.links, name, &Site::SiteLink::name);
    if (incoming != site.links.end()) return {incoming->source_cluster_id, incoming->source_number};
  }
  return {};
}

bool was_forgotten(const DescribeSiteResponse& site, const ClusterIdentity& cluster) {
  return std::ranges::any_of(site.links, [&](const auto& link) {
    using Gone = DescribeSiteResponse::ForgottenCluster;
    return std::ranges::find(link.forgotten, cluster.id, &Gone::cluster_id) != link.forgotten.end();
  });
}

std::string wrong_ends(const EndNames& names, const DescribeSiteResponse* source,
                       const DescribeSiteResponse& target) {
  std::string wrong = wrong_name(names.link(), "target", names.target, target);
  if (source == nullptr || !wrong.empty()) return wrong;
  wrong = wrong_name(names.link(), "source", names.source, *source);
  if (wrong.empty()) wrong = wrong_identity(names, *source, target);
  if (wrong.empty()) wrong = wrong_identity(names, target, *source);
  return wrong;
}

}  // namespace isthmus::kafka
