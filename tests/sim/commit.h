// Commit: where a run's fresh seeds begin. Derived from the commit that is checked out, so that
// each commit tries seeds that none has tried before, and everybody who runs it tries the same.
#pragma once

#include <cstdint>
#include <string>

namespace isthmus::sim {

struct FreshSeeds {
  uint64_t first = 0;
  std::string from;  // "commit 0123abcd", or the time where there is no git
};

FreshSeeds fresh_seeds();
// Beyond all seeds that are written down anywhere, and short enough to be typed.
uint64_t first_fresh_seed(const std::string& hash);

}  // namespace isthmus::sim
