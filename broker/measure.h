// What a site tells of itself in numbers (base/metrics.inc), gathered when somebody scrapes: in
// turns of a few hundred partitions or groups, so that no loop is held for long.
#pragma once

#include "base/samples.h"
#include "broker/handlers/context.h"
#include "server/acceptor.h"

namespace isthmus::broker {

// REQUIRES: on the main loop; what `context` refers to outlives the call.
io::Task<Samples> measure(Context& context, server::Acceptor& acceptor);

}  // namespace isthmus::broker
