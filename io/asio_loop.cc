#include "io/asio_loop.h"

#include <asio/post.hpp>

#include "base/log.h"

namespace isthmus::io {

AsioLoop::AsioLoop() = default;

void AsioLoop::post(Callback callback) { asio::post(context_, as_turn(std::move(callback))); }

void AsioLoop::end_turn() {
  set_running_turns(nullptr);
  if (const auto stall = turns_.end(now()))
    Logger(LogComponent::process, "loop").warn("{}", *stall);
}

int64_t AsioLoop::wall_ms() const {
  auto since = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<milliseconds>(since).count();
}

Loop::TimerId AsioLoop::run_at(Instant when, Callback callback) {
  TimerId timer = ++last_timer_;
  timers_.emplace(std::pair(when, timer), std::move(callback));
  when_.emplace(timer, when);
  if (when < alarm_at_) set_alarm();
  return timer;
}

void AsioLoop::cancel(TimerId timer) {
  auto found = when_.find(timer);
  if (found == when_.end()) return;
  timers_.erase({found->second, timer});
  when_.erase(found);
}

void AsioLoop::set_alarm() {
  alarm_at_ = timers_.empty() ? Instant::max() : timers_.begin()->first.first;
  if (timers_.empty()) return;
  alarm_.expires_at(alarm_at_);
  alarm_.async_wait([this](std::error_code error) {
    if (!error) fire();  // else it was set anew
  });
}

void AsioLoop::fire() {
  // What the callbacks add waits for the next round, so that they cannot starve the loop.
  const TimerId last = last_timer_;
  const Instant due = now();
  while (!timers_.empty()) {
    auto first = timers_.begin();
    auto [when, timer] = first->first;
    if (when > due || timer > last) break;
    Callback callback = std::move(first->second);
    timers_.erase(first);
    when_.erase(timer);
    Turn turn(*this);
    callback();
  }
  set_alarm();
}

void AsioLoop::run() {
  Running running(this);
  context_.run();
}

}  // namespace isthmus::io
