#include "broker/link/peers.h"

#include <algorithm>

#include "kafka/errors.h"
#include "process/mirror_config.h"

namespace isthmus::broker {

using kafka::ErrorCode;

namespace {

const char* const upgrade_the_mirror =
    ": its mirror process is of an earlier release and does not say for which cluster it speaks; "
    "upgrade it";

Error stranger(const std::string& link, const ClusterIdentity& expected,
               const ClusterIdentity& found) {
  return kafka::error_of(ErrorCode::invalid_request,
                         "link " + link + ": its other end is " + to_string(expected) +
                             " as written down here, but this is the word of " + to_string(found) +
                             ": it changes nothing");
}

}  // namespace

std::string reverse_of(const std::string& link) {
  auto names = process::parse_link_name(link);
  return names ? names->target + "-" + names->source : std::string();
}

ClusterIdentity other_end(const Image& image, const std::string& link) {
  for (const std::string& name : {link, reverse_of(link)}) {
    auto record = image.switchovers.find(name);
    const bool says = record != image.switchovers.end() && record->second.peer.known();
    if (says) return record->second.peer;
  }
  for (const std::string& name : {link, reverse_of(link)}) {
    auto incoming = image.links.find(name);
    if (incoming != image.links.end()) return incoming->second.source();
  }
  return {};
}

Result<void> check_not_forgotten(const Image& image, const ClusterIdentity& cluster) {
  for (const auto& [name, link] : image.links) {
    const bool gone = std::ranges::any_of(
        link.forgotten, [&](const ClusterIdentity& was) { return was.id == cluster.id; });
    if (!gone) continue;
    return refuse(ErrorCode::invalid_request,
                  to_string(cluster) + " was forgotten here with link " + name +
                      ", for good: set that site up anew, with another cluster.number");
  }
  return {};
}

Result<void> check_heir(const Image& image, const std::string& link,
                        const ClusterIdentity& target) {
  if (!target.known()) {
    return refuse(ErrorCode::invalid_request, "link " + link + upgrade_the_mirror);
  }
  return check_no_stranger(image, link, target);
}

Result<void> check_speaker(const Image& image, const SwitchoverImage& record,
                           const ClusterIdentity& speaker) {
  const ClusterIdentity expected = other_end(image, record.link);
  if (!speaker.known()) {
    return refuse(ErrorCode::invalid_request, "link " + record.link + upgrade_the_mirror);
  }
  if (!expected.known()) {
    return refuse(ErrorCode::invalid_request,
                  "switchover " + record.id.to_string() + " of link " + record.link +
                      " was handed over by an earlier release, which did not write down to which "
                      "cluster: the word of " +
                      to_string(speaker) +
                      " is not enough. If nothing was promoted there: isthmus switchover take-back "
                      "--force");
  }
  if (speaker != expected) return fail(stranger(record.link, expected, speaker));
  return {};
}

Result<void> check_no_stranger(const Image& image, const std::string& link,
                               const ClusterIdentity& speaker) {
  auto here = check_not_forgotten(image, speaker);
  if (!here) return here;
  const ClusterIdentity expected = other_end(image, link);
  if (!speaker.known() || !expected.known() || speaker == expected) return {};
  return fail(stranger(link, expected, speaker));
}

Result<void> check_handed_here(const Image& image, const kafka::PromoteRequest& request) {
  const ClusterIdentity heir = target_of(request);
  if (heir.known() && heir != image.identity()) {
    return refuse(ErrorCode::invalid_request, "switchover " + request.switchover_id.to_string() +
                                                  " of link " + request.link +
                                                  " was handed over to " + to_string(heir) +
                                                  ", and this is " + to_string(image.identity()));
  }
  return check_no_stranger(image, request.link, {request.source_id, request.source_number});
}

}  // namespace isthmus::broker
