#include "tests/sim/world/sim_loop.h"

namespace isthmus::sim {

namespace {

// 2026-01-01T00:00:00Z at the start of virtual time.
constexpr int64_t calendar_start_ms = 1'767'225'600'000;

// How long a callback waits for its turn: enough that seeds try different interleavings of loops.
constexpr auto turn_delay_max = std::chrono::microseconds(20);

}  // namespace

Instant SteadyClock::read(Instant now) const {
  if (per_cent_fast == 0 || now <= since) return now;
  return now + (now - since) * per_cent_fast / 100;
}

Instant SteadyClock::when(Instant reading) const {
  if (per_cent_fast == 0 || reading <= since) return reading;
  const Duration shown = reading - since;
  // Rounded up, in two steps: a deadline that never comes is as far away as can be.
  const int64_t rate = 100 + per_cent_fast;
  return since + shown / rate * 100 + Duration((shown % rate).count() * 100 / rate + 1);
}

int64_t SimLoop::wall_ms() const {
  auto since = schedule_.now().time_since_epoch();
  auto elapsed_ms = std::chrono::duration_cast<io::milliseconds>(since).count();
  return calendar_start_ms + elapsed_ms + wall_.offset_ms;
}

void SimLoop::post(Callback callback) {
  if (has_ended()) return;
  queue_.push_back(std::move(callback));
  schedule_turn();
}

void SimLoop::schedule_turn() {
  Instant when = schedule_.now() + schedule_.random().between(Duration::zero(), turn_delay_max);
  last_turn_ = std::max(last_turn_, when);  // in order of posting
  schedule_.at(last_turn_, [this] { turn(); });
}

void SimLoop::turn() {
  if (paused_) {
    ++missed_turns_;
    return;
  }
  if (queue_.empty()) return;
  Callback callback = std::move(queue_.front());
  queue_.pop_front();
  schedule_.runs(*this);
  Running running(this);
  callback();
}

io::Loop::TimerId SimLoop::run_at(Instant when, Callback callback) {
  if (has_ended()) return 0;
  TimerId timer = ++last_timer_;
  auto event = schedule_.at(steady_.when(when), [this, timer] { fire(timer); });
  timers_.emplace(timer, Timer{event, std::move(callback)});
  return timer;
}

void SimLoop::cancel(TimerId timer) {
  auto found = timers_.find(timer);
  if (found == timers_.end()) return;
  schedule_.cancel(found->second.event);
  timers_.erase(found);
}

void SimLoop::fire(TimerId timer) {
  if (paused_) {
    missed_timers_.push_back(timer);
    return;
  }
  auto found = timers_.find(timer);
  if (found == timers_.end()) return;
  Callback callback = std::move(found->second.callback);
  timers_.erase(found);
  schedule_.runs(*this);
  Running running(this);
  callback();
}

void SimLoop::resume() {
  paused_ = false;
  for (; missed_turns_ > 0; --missed_turns_) schedule_turn();
  for (TimerId timer : missed_timers_) {
    auto found = timers_.find(timer);
    if (found == timers_.end()) continue;
    found->second.event = schedule_.after(Duration::zero(), [this, timer] { fire(timer); });
  }
  missed_timers_.clear();
}

void SimLoop::drop_all() {
  while (!queue_.empty()) queue_.pop_front();
  while (!timers_.empty()) cancel(timers_.begin()->first);
}

}  // namespace isthmus::sim
