// Who the other end of a link is, as this site has written it down, and whether the one that speaks
// is that one. A name may be given to another cluster and an address may lead to one: what it says
// in good faith, of itself, would open a source whose target is written, or close the wrong site.
//
// Pure functions, for the plans beside them (switchover_plans.h).
#pragma once

#include <string>

#include "base/error.h"
#include "broker/image/image.h"
#include "kafka/gen/promote.h"

namespace isthmus::broker {

// The record of the link's switchovers says it, else the link itself; of the same, or of the one
// that runs the other way.
ClusterIdentity other_end(const Image& image, const std::string& link);

// <target>-<source> of the link <source>-<target>; empty if it is not called so.
std::string reverse_of(const std::string& link);

// A cluster that was given up for good has no say any more (forget.h).
Result<void> check_not_forgotten(const Image& image, const ClusterIdentity& cluster);

// At the source: whether it may hand over to `target`: somebody, and nobody else than before.
Result<void> check_heir(const Image& image, const std::string& link, const ClusterIdentity& target);

// At the source: whether the word of `speaker` on what became of `record` at the target counts. The
// one that is written down alone; where an earlier release has written nobody down, nobody's.
Result<void> check_speaker(const Image& image, const SwitchoverImage& record,
                           const ClusterIdentity& speaker);

// The same for words that only close this site: a mirror process of an earlier release does not say
// whose they are, and is believed.
Result<void> check_no_stranger(const Image& image, const std::string& link,
                               const ClusterIdentity& speaker);

// At the target: whether this cluster is the one that has been handed over to, by the source that
// it knows. What an older mirror process does not say is not compared.
Result<void> check_handed_here(const Image& image, const kafka::PromoteRequest& request);

// Messages with a `target_id` and a `target_number`: the cluster at the link's target.
template <typename Message>
ClusterIdentity target_of(const Message& message) {
  return {message.target_id, message.target_number};
}

}  // namespace isthmus::broker
