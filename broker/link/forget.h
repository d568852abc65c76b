// Forgetting the cluster at the other end of a link: it is gone for good, and another one is to
// take its name. What it has left in the logs of this one (epochs, producer ids) stays, so its
// number stays taken, and itself never comes back: whoever restores it after all finds that out at
// the first contact.
//
// Pure, as the plans beside it.
#pragma once

#include <string>

#include "base/error.h"
#include "broker/image/image.h"
#include "broker/image/records.h"

namespace isthmus::broker {

// `link` comes from the cluster that is meant. Refused while this cluster has mirrors or groups of
// that one, or waits for its answer: what becomes of those has to be said first.
Result<Plan> plan_forget(const Image& image, const std::string& link, const ClusterIdentity& meant);

}  // namespace isthmus::broker
