// SimWorkers: the workers of one simulated process. A job runs on the loop that asked for it, some
// virtual time later, so that others go on meanwhile; with the process it ends unrun.
#pragma once

#include "io/workers.h"
#include "tests/sim/world/schedule.h"

namespace isthmus::sim {

class SimWorkers final : public io::Workers {
 public:
  explicit SimWorkers(Schedule& schedule) : schedule_(schedule) {}

  void submit(Job job) override {
    ++jobs_;
    Duration takes = schedule_.random().between(Duration::zero(), std::chrono::milliseconds(2));
    if (takes_) takes = *takes_;
    io::Loop* loop = io::Loop::current();
    loop->run_at(loop->now() + takes, std::move(job));
  }
  // From now on each job takes so long.
  void take(Duration time) { takes_ = time; }
  uint64_t jobs() const { return jobs_; }

 private:
  Schedule& schedule_;
  std::optional<Duration> takes_;
  uint64_t jobs_ = 0;
};

}  // namespace isthmus::sim
