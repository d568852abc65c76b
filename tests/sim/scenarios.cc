#include "tests/sim/stage.h"

namespace isthmus::sim {

std::span<const Scenario> all_scenarios() {
  static constexpr Scenario scenarios[] = {
      {"one_site", one_site, 30},
      {"mirror", mirror, 15},
      {"switchover", switchover, 15},
      {"scripted_switchover", scripted_switchover, 20},
      {"failover", failover, 20},
  };
  return scenarios;
}

}  // namespace isthmus::sim
