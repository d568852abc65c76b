// AsioLoop: a Loop over one asio::io_context that one thread runs. Private to io/; includes Asio,
// so only the .cc files of this folder include it.
#pragma once

#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <map>
#include <unordered_map>

#include "io/turn_watch.h"

namespace isthmus::io {

class AsioLoop final : public Loop {
 public:
  AsioLoop();

  void post(Callback callback) override;
  TimerId run_at(Instant when, Callback callback) override;
  void cancel(TimerId timer) override;
  Instant now() const override { return std::chrono::steady_clock::now(); }
  int64_t wall_ms() const override;

  // Everything that Asio calls on this loop holds one meanwhile.
  class Turn {
   public:
    explicit Turn(AsioLoop& loop) : loop_(loop) {
      loop_.turns_.begin(loop_.now());
      set_running_turns(&loop_.turns_);
    }
    ~Turn() { loop_.end_turn(); }
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;

   private:
    AsioLoop& loop_;
  };
  // `handler` with a Turn around each call. The loop outlives it.
  template <typename Handler>
  auto as_turn(Handler handler) {
    return [this, handler = std::move(handler)](auto&&... values) mutable {
      Turn turn(*this);
      handler(std::forward<decltype(values)>(values)...);
    };
  }

  // Runs callbacks on this thread until stop().
  void run();
  void stop() { context_.stop(); }
  asio::io_context& context() { return context_; }

  using Loop::end;

 private:
  void end_turn();
  void set_alarm();
  void fire();

  TurnWatch turns_;
  asio::io_context context_{1};
  asio::executor_work_guard<asio::io_context::executor_type> stay_{context_.get_executor()};

  // One Asio timer for all of ours, set to the earliest. Cancelling one leaves the alarm as it is:
  // most timers are deadlines that never come, and a needless alarm costs less than setting one.
  asio::steady_timer alarm_{context_};
  Instant alarm_at_ = Instant::max();
  std::map<std::pair<Instant, TimerId>, Callback> timers_;
  std::unordered_map<TimerId, Instant> when_;
  TimerId last_timer_ = 0;
};

// Every loop of a real process is one of these.
inline AsioLoop& asio_loop(Loop& loop) { return static_cast<AsioLoop&>(loop); }
inline asio::io_context& context_of(Loop& loop) { return asio_loop(loop).context(); }

}  // namespace isthmus::io
