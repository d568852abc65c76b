// Mutex: one coroutine of a loop at a time, in the order in which they asked.
//
//   auto held = co_await mutex.lock();   // until `held` goes out of scope
//
// For what spans several co_awaits; between two of them a loop runs one coroutine at a time anyway.
// Lives on one loop, owned by whoever guards something with it. Unlocking goes through the loop's
// queue, so nobody runs inside the caller who unlocks. A frame may be destroyed while it waits, or
// while it holds: the next one has its turn. The mutex outlives both, except on a loop that has
// ended.
#pragma once

#include <coroutine>
#include <list>
#include <memory>
#include <optional>

#include "io/loop.h"

namespace isthmus::io {

class Mutex {
 public:
  explicit Mutex(Loop& loop) : loop_(&loop) {}
  ~Mutex();
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;

  class [[nodiscard]] Held {
   public:
    Held(Held&& other) noexcept;
    Held& operator=(Held&&) = delete;
    ~Held();

   private:
    friend class Mutex;
    explicit Held(Mutex& mutex);
    Mutex* mutex_;
  };

  class Wait {
   public:
    explicit Wait(Mutex& mutex) : mutex_(mutex) {}
    ~Wait();
    Wait(const Wait&) = delete;
    Wait& operator=(const Wait&) = delete;
    bool await_ready();
    void await_suspend(std::coroutine_handle<> awaiting);
    Held await_resume();

   private:
    friend class Mutex;
    enum class State : uint8_t { idle, waiting, granted };
    void grant();

    Mutex& mutex_;
    State state_ = State::idle;
    std::coroutine_handle<> awaiting_;
    std::list<Wait*>::iterator place_;
    // What the loop's queue keeps of a wait that was granted; emptied if the frame goes first.
    std::shared_ptr<Wait*> resumed_;
  };
  Wait lock() { return Wait(*this); }
  // Nothing if somebody has it or waits for it.
  std::optional<Held> try_lock();

  bool is_locked() const { return locked_; }

 private:
  void unlock();

  Loop* loop_;
  bool locked_ = false;
  // Whose turn it is: a wait until it is resumed, then who holds.
  Wait* granted_ = nullptr;
  Held* holder_ = nullptr;
  std::list<Wait*> waiting_;
};

}  // namespace isthmus::io
