#include "tests/sim/stage.h"

namespace isthmus::sim {

std::span<const Scenario> all_scenarios() {
  static constexpr Scenario scenarios[] = {
      {"one_site", one_site, 100},
  };
  return scenarios;
}

}  // namespace isthmus::sim
