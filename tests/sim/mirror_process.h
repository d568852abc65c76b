// A mirror process of the simulation: the production role on a simulated machine.
#pragma once

#include "process/mirror_config.h"
#include "tests/sim/world/world.h"

namespace isthmus::sim {

SimProcess& start_mirror_on(SimHost& host, process::MirrorConfig config);

}  // namespace isthmus::sim
