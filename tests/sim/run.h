// Run: one seed of one scenario, from an empty world to a verdict.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "tests/sim/stage.h"

namespace isthmus::sim {

struct Verdict {
  std::optional<Violation> violation;
  uint64_t trace_hash = 0;  // equal for equal seeds, everywhere
  uint64_t acknowledged = 0;
  Duration virtual_time{};
  std::map<std::string, uint64_t> faults;
};

// The scenario that a default run gives to a seed, by the scenarios' shares.
const Scenario& scenario_of(uint64_t seed);
Verdict run_seed(const Scenario& scenario, uint64_t seed);

}  // namespace isthmus::sim
