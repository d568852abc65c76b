#include "tests/sim/stage.h"

namespace isthmus::sim {

std::span<const Scenario> all_scenarios() {
  static constexpr Scenario scenarios[] = {
      {"one_site", one_site, 12},
      {"brokers", brokers, 4},
      {"clusters", clusters, 2},
      {"clusters_failover", clusters_failover, 2},
      {"permissions", permissions, 2},
      {"bad_disk", bad_disk, 4},
      {"lying_disk", lying_disk, 2},
      {"mirror", mirror, 13},
      {"switchover", switchover, 13},
      {"scripted_switchover", scripted_switchover, 15},
      {"failover", failover, 13},
      {"split_brain", split_brain, 10},
      {"stranger", stranger, 4},
      {"taken_back", taken_back, 2},
      {"lines", lines, 2},
  };
  return scenarios;
}

}  // namespace isthmus::sim
