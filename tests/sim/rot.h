// Bits that turn in a log at rest.
#pragma once

#include <string>
#include <vector>

#include "tests/sim/world/volume.h"

namespace isthmus::sim {

// Turns one that a checksum covers, in one of the files whose path has all `parts`; which the seed
// says. False: there is none, or it would not show.
bool rot_log(Volume& disk, const std::vector<std::string>& parts);

}  // namespace isthmus::sim
