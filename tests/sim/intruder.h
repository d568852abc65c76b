// Intruder: says to a mirror's target what it must refuse: appends of a process that another has
// replaced, and batches that a line has changed.
#pragma once

#include "tests/sim/pair.h"

namespace isthmus::sim {

void check_appends_are_judged(Stage& stage, Pair& pair);

}  // namespace isthmus::sim
