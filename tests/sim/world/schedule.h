// Schedule: virtual time, and everything that will happen in it, in one order.
//
// One per world, one thread. Events run by time, ties by the order in which they were scheduled;
// the clock jumps from event to event, so an hour of waiting costs nothing. Chance (one Prng), the
// trace (a hash over what happened, equal for equal seeds) and the counts of injected faults live
// here too, because everything in a world shares them.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "io/loop.h"
#include "tests/sim/world/prng.h"

namespace isthmus::sim {

using io::Duration;
using io::Instant;

// Events that this process has begun, of whatever world: one that stays the same is an event that
// does not end. A signal's handler may read it.
inline std::atomic<uint64_t> events_begun = 0;

class Schedule {
 public:
  using Callback = std::move_only_function<void()>;
  using Id = std::pair<Instant, uint64_t>;

  explicit Schedule(uint64_t seed) : random_(seed) {}

  Instant now() const { return now_; }
  // `when` in the past means now.
  Id at(Instant when, Callback callback);
  Id after(Duration delay, Callback callback) { return at(now_ + delay, std::move(callback)); }
  // Does nothing if it has run.
  void cancel(Id id) { events_.erase(id); }

  // Runs the next event; false if there is none, or none until `limit` (then it is `limit`).
  bool step(Instant limit);
  // Forgets all events, unrun.
  void clear();

  Prng& random() { return random_; }

  // Adds to the trace. Never an address or a pointer: they differ from run to run.
  void note(uint64_t value);
  void note(std::string_view text);
  uint64_t trace_hash() const { return trace_; }
  uint64_t steps() const { return steps_; }
  // The loop that the latest event ran on; null: on none.
  const io::Loop* ran() const { return ran_; }
  void runs(const io::Loop& loop) { ran_ = &loop; }

  void count_fault(const std::string& name) { ++faults_[name]; }
  const std::map<std::string, uint64_t>& faults() const { return faults_; }

 private:
  // An hour after the clock's origin, so that subtracting a little never wraps.
  Instant now_{std::chrono::hours(1)};
  uint64_t scheduled_ = 0;
  uint64_t steps_ = 0;
  uint64_t steps_at_now_ = 0;
  uint64_t trace_ = 0xcbf29ce484222325;
  const io::Loop* ran_ = nullptr;
  std::map<Id, Callback> events_;
  std::map<std::string, uint64_t> faults_;
  Prng random_;
};

}  // namespace isthmus::sim
