// How the ISRs of what a broker leads have changed from one image to a later one: for its metrics.
// Pure.
#pragma once

#include <cstdint>

#include "broker/image/image.h"

namespace isthmus::broker {

// Partitions whose ISR has lost members, or gained some; one can be both.
struct IsrChanges {
  uint64_t shrinks = 0;
  uint64_t expands = 0;
};
// Of those that `leader` leads now, and that were there before.
IsrChanges isr_changes(const Image& before, const Image& now, NodeId leader);

}  // namespace isthmus::broker
