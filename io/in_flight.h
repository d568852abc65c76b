// InFlight: how many of something are under way, and a way to wait until none is.
//
// On one loop, of whoever counts; it outlives those that wait and the holds.
#pragma once

#include <cstddef>

#include "io/event.h"
#include "io/task.h"

namespace isthmus::io {

class InFlight {
 public:
  explicit InFlight(Loop& loop) : none_(loop) {}

  // One more, for as long as it lives.
  class Hold {
   public:
    explicit Hold(InFlight& count) : count_(count) { ++count_.running_; }
    ~Hold() {
      if (--count_.running_ == 0) count_.none_.notify_all();
    }
    Hold(const Hold&) = delete;
    Hold& operator=(const Hold&) = delete;

   private:
    InFlight& count_;
  };

  size_t running() const { return running_; }
  // When it returns none is, and the caller may be the next.
  Task<void> ended() {
    while (running_ > 0) co_await none_.wait();
  }

 private:
  size_t running_ = 0;
  Event none_;
};

}  // namespace isthmus::io
