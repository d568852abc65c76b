// SimLoop: a Loop of one simulated process, in virtual time. Owned by the world until its end, so
// that events which still name it find a loop that has ended.
#pragma once

#include <deque>
#include <map>
#include <vector>

#include "io/loop.h"
#include "tests/sim/world/schedule.h"

namespace isthmus::sim {

// A machine's calendar: runs with virtual time, and jumps when the test says so.
struct WallClock {
  int64_t offset_ms = 0;
};

// A machine's steady clock: never jumps, but may run faster than time does, from a moment on.
struct SteadyClock {
  int64_t per_cent_fast = 0;
  Instant since{};
  Instant read(Instant now) const;
  // When it will have come to `reading`, or have passed it.
  Instant when(Instant reading) const;
};

class SimLoop final : public io::Loop {
 public:
  SimLoop(Schedule& schedule, const WallClock& wall, const SteadyClock& steady)
      : schedule_(schedule), wall_(wall), steady_(steady) {}

  void post(Callback callback) override;
  TimerId run_at(Instant when, Callback callback) override;
  void cancel(TimerId timer) override;
  Instant now() const override { return steady_.read(schedule_.now()); }
  int64_t wall_ms() const override;

  // While paused nothing runs; what was due runs at resume(). A process under SIGSTOP.
  void pause() { paused_ = true; }
  void resume();

  using Loop::end;
  using Running = Loop::Running;
  // Destroys what is queued, unrun.
  void drop_all();

 private:
  struct Timer {
    Schedule::Id event;
    Callback callback;
  };
  void schedule_turn();
  void turn();
  void fire(TimerId timer);

  Schedule& schedule_;
  const WallClock& wall_;
  const SteadyClock& steady_;
  std::deque<Callback> queue_;
  Instant last_turn_{};
  std::map<TimerId, Timer> timers_;
  TimerId last_timer_ = 0;
  bool paused_ = false;
  size_t missed_turns_ = 0;
  std::vector<TimerId> missed_timers_;
};

}  // namespace isthmus::sim
