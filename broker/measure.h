// What a site tells of itself in numbers (base/metrics.inc), gathered when somebody scrapes: in
// turns of a few hundred partitions or groups, so that no loop is held for long.
#pragma once

#include "base/samples.h"
#include "broker/handlers/context.h"
#include "server/acceptor.h"

namespace isthmus::broker {

// REQUIRES: on the main loop; what `context` refers to outlives the call.
io::Task<Samples> measure(Context& context, server::Acceptor& acceptor);

// Reassignments under way, for /status.
struct Reassigning {
  size_t partitions = 0;    // of the cluster
  size_t led_here = 0;      // of these, with replicas that are being added
  int64_t bytes_to_go = 0;  // that those lack of them
};
io::Task<Reassigning> count_reassignments(const Context& context);

}  // namespace isthmus::broker
