// Loop: one thread that runs everything that changes together, and its clock.
//
// A partition, a group, a pump, a client's connection each live on one loop and are touched only
// there, so they need no locks. Two ways lead to another loop: post(), and call_on() (below), which
// is what requests use. In production a loop is one thread over Asio (io/real.h); in the simulator
// many loops share one thread and a virtual clock.
#pragma once

#include <chrono>
#include <coroutine>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <span>
#include <utility>

#include "io/task.h"

namespace isthmus::io {

// A point of the loop's steady clock; it never goes back and says nothing about the calendar.
using Instant = std::chrono::steady_clock::time_point;
using Duration = std::chrono::steady_clock::duration;
using std::chrono::milliseconds;

class Loop {
 public:
  using Callback = std::move_only_function<void()>;
  using TimerId = uint64_t;  // 0 = none

  virtual ~Loop() = default;

  // Runs `callback` on this loop, later, in order of posting. The only member that any thread may
  // call.
  virtual void post(Callback callback) = 0;

  // Runs `callback` at `when` or soon after. cancel() of a timer that has fired does nothing.
  virtual TimerId run_at(Instant when, Callback callback) = 0;
  virtual void cancel(TimerId timer) = 0;

  virtual Instant now() const = 0;
  // Milliseconds since 1970, for record timestamps and retention; may jump.
  virtual int64_t wall_ms() const = 0;

  // The loop whose callback is running on this thread, or nullptr.
  static Loop* current();

  // A coroutine that nobody awaits, started by a Gate; listed here from its start to its end, so
  // that its frame can be freed when the loop ends before it does.
  struct Root {
    std::coroutine_handle<> frame;
    const void* gate = nullptr;
    uint64_t number = 0;  // in order of starting, over all loops of a thread
  };
  using RootPlace = std::list<Root>::iterator;
  RootPlace add_root(std::coroutine_handle<> frame, const void* gate);
  void remove_root(RootPlace place) { roots_.erase(place); }
  // REQUIRES: has_ended(). Frees the roots of one gate, newest first.
  void destroy_roots_of(const void* gate);

  // True when nothing will run here any more, finished or not: the simulator's kill -9, the end of
  // main(). Destructors that insist on an orderly end do not insist on one then.
  bool has_ended() const { return ended_; }

 protected:
  // Ends loops of one process for good: frees all their roots, newest first. What waits in their
  // queues must have been dropped, or never run. REQUIRES: no other thread runs any of them.
  static void end(std::span<Loop* const> loops);

  // Implementations hold one while they run a callback.
  class Running {
   public:
    explicit Running(Loop* loop);
    ~Running();

   private:
    Loop* before_;
  };

 private:
  static void destroy_root(Root& root);

  std::list<Root> roots_;
  bool ended_ = false;
};

// Continues the caller after `delay`. Not cancellable: a conversation that must end early waits on
// an Event with a deadline instead (io/event.h).
struct Sleep {
  Loop& loop;
  Duration delay;
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> awaiting) {
    loop.run_at(loop.now() + delay, [awaiting] { awaiting.resume(); });
  }
  void await_resume() const noexcept {}
};
inline Sleep sleep(Loop& loop, Duration delay) { return {loop, delay}; }

// Lets others on the loop go on before the caller: between the slices of long work. REQUIRES: the
// caller is on `loop`.
struct Yield {
  Loop& loop;
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> awaiting) {
    loop.post([awaiting] { awaiting.resume(); });
  }
  void await_resume() const noexcept {}
};
inline Yield yield(Loop& loop) { return {loop}; }

// Continues the caller on `loop`.
struct HopTo {
  Loop& loop;
  bool await_ready() const noexcept { return Loop::current() == &loop; }
  void await_suspend(std::coroutine_handle<> awaiting) {
    loop.post([awaiting] { awaiting.resume(); });
  }
  void await_resume() const noexcept {}
};

// Runs `work` on `loop` and brings its value back to the caller's loop: the one primitive by which
// a request crosses loops. On the caller's own loop it costs nothing. `work` moves between threads,
// never runs on two at once.
template <typename T>
Task<T> call_on(Loop& loop, Task<T> work) {
  Loop* home = Loop::current();
  co_await HopTo{loop};
  if constexpr (std::is_void_v<T>) {
    co_await work;
    co_await HopTo{*home};
  } else {
    T value = co_await work;
    co_await HopTo{*home};
    co_return value;
  }
}

}  // namespace isthmus::io
