// Event: many coroutines of one loop wait, something wakes them all.
//
// It carries no value: a waiter looks again at the state it waits for (`while (!ready) co_await
// event.wait();`). wait_until() also ends at a deadline, and says which it was. Waking goes through
// the loop's queue, so notify_all() never runs a waiter inside its caller. An Event must outlive
// its waiters; close() wakes them for good. A waiter whose frame is destroyed is forgotten.
#pragma once

#include <coroutine>
#include <list>

#include "io/loop.h"

namespace isthmus::io {

class Event {
 public:
  explicit Event(Loop& loop) : loop_(&loop) {}
  ~Event();
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;

  void notify_all();
  // From now on nobody waits: present and later waiters return at once.
  void close();
  bool closed() const { return closed_; }
  size_t waiters() const { return waiting_.size(); }
  Loop& loop() const { return *loop_; }

  class Wait {
   public:
    Wait(Event& event, Instant deadline) : event_(event), deadline_(deadline) {}
    ~Wait() { leave(); }
    Wait(const Wait&) = delete;
    Wait& operator=(const Wait&) = delete;
    bool await_ready() const noexcept { return event_.closed_; }
    void await_suspend(std::coroutine_handle<> awaiting);
    // True if woken, false if the deadline came first.
    bool await_resume() const noexcept { return !expired_; }

   private:
    friend class Event;
    void leave();

    Event& event_;
    Instant deadline_;
    Loop::TimerId timer_ = 0;
    std::coroutine_handle<> awaiting_;
    std::list<Wait*>::iterator place_;
    bool waiting_ = false;
    bool expired_ = false;
  };
  Wait wait() { return {*this, Instant::max()}; }
  Wait wait_until(Instant deadline) { return {*this, deadline}; }

 private:
  Loop* loop_;
  std::list<Wait*> waiting_;
  bool closed_ = false;
};

}  // namespace isthmus::io
