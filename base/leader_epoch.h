// What the number of a leader epoch says: generation << 20 | election.
//
// A start or an election raises the election; only a promotion opens a new generation. That leaves
// room for every election of the old site that a mirror never saw: its epochs can neither repeat
// nor exceed those of the new site. Kafka's own clusters count elections alone: generation 0.
#pragma once

#include "base/ids.h"

namespace isthmus {

constexpr int election_bits = 20;

// -1 of an unknown epoch.
constexpr int32_t generation_of(LeaderEpoch epoch) { return epoch >> election_bits; }

}  // namespace isthmus
