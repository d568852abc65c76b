#include "tests/sim/run.h"

namespace isthmus::sim {

const Scenario& scenario_of(uint64_t seed) {
  auto scenarios = all_scenarios();
  int place = static_cast<int>(seed % 100);
  for (const Scenario& scenario : scenarios) {
    place -= scenario.share;
    if (place < 0) return scenario;
  }
  return scenarios.front();
}

Verdict run_seed(const Scenario& scenario, uint64_t seed) {
  Stage stage(seed);
  const Instant begin = stage.world().now();
  const uint64_t escaped = io::Gate::escaped();
  scenario.run(stage);
  if (io::Gate::escaped() != escaped) {
    stage.judge().broken("no exception escapes", "see the log of a --verbose run");
  }
  Verdict verdict;
  verdict.violation = stage.judge().first();
  verdict.trace_hash = stage.world().trace_hash();
  verdict.acknowledged = stage.ledger().acknowledgements();
  verdict.virtual_time = stage.world().now() - begin;
  verdict.faults = stage.world().faults();
  return verdict;
}

}  // namespace isthmus::sim
