// A topic that is deleted and created again at the site that writes: nothing of it may enter the
// copy of the one before, which the link says. At the end of a scenario, when all is calm: the
// topic is one of its own.
#pragma once

#include "tests/sim/pair.h"

namespace isthmus::sim {

void check_recreated(Stage& stage, Pair& pair);

}  // namespace isthmus::sim
