// One broker of several whose disk does not keep what it had synced, while all others have it: bits
// of the last segment turn while it is down, or syncs did nothing and its power is lost. It must
// notice, serve nothing wrong and lead nothing that it lacks, and copy it again by itself.
#pragma once

#include "tests/sim/cluster.h"
#include "tests/sim/step_judge.h"

namespace isthmus::sim {

// REQUIRES: all replicas are in sync, and all is calm. They are in sync when it returns, or that
// was judged.
void spoil_a_replica(Stage& stage, Cluster& cluster, StepJudge& judge, const std::string& topic,
                     int32_t partitions);

}  // namespace isthmus::sim
