// Workers: many seeds on all cores. Each worker is a process of its own, so that a seed that makes
// the code abort or hang is a finding with a number, not the end of the run.
#pragma once

#include <string>
#include <vector>

#include "tests/sim/run.h"

namespace isthmus::sim {

struct Plan {
  uint64_t first = 1;
  uint64_t seeds = 2000;
  // And so many others, from here on: those of a commit, which no earlier run has seen.
  uint64_t fresh_first = 0;
  uint64_t fresh = 0;
  const Scenario* scenario = nullptr;  // null: each seed's own
  unsigned workers = 1;
  size_t failures = 1;  // stops after so many
  std::string sought;   // counts findings of this invariant alone; empty = any

  uint64_t size() const { return seeds + fresh; }
  uint64_t seed(uint64_t index) const {
    return index < seeds ? first + index : fresh_first + (index - seeds);
  }
};

struct Finding {
  uint64_t seed = 0;
  std::string scenario;
  Violation violation;
};

struct Summary {
  uint64_t seeds = 0;
  uint64_t acknowledged = 0;
  double virtual_seconds = 0;
  uint64_t trace_hash = 0;  // of all seeds, in any order
  std::map<std::string, uint64_t> faults;
  std::vector<Finding> findings;
  std::map<std::string, uint64_t> others;  // what broke and was not sought
};

Summary run_all(const Plan& plan, void (*progress)(const Plan&, const Summary&));

}  // namespace isthmus::sim
