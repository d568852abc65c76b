// Budget: how many bytes of requests one loop may have under way before its connections stop
// reading. What a process may hold is divided among its loops, so that taking and giving back
// cross no thread.
//
// One request is always let in when nothing is under way, and the last one may overdraw: a frame
// has arrived before its size is charged. Lives on one loop, owned by the Acceptor
// (server/acceptor.h).
#pragma once

#include <cstddef>

#include "io/event.h"

namespace isthmus::server {

class Budget {
 public:
  Budget(io::Loop& loop, size_t limit) : limit_(limit), room_(loop) {}

  void take(size_t bytes) { used_ += bytes; }
  void give_back(size_t bytes) {
    const bool was_exhausted = exhausted();
    used_ -= bytes;
    if (was_exhausted && !exhausted()) room_.notify_all();
  }
  bool exhausted() const { return used_ >= limit_; }
  size_t used() const { return used_; }
  // Wakes its waiters when bytes have been given back: while (exhausted()) co_await room().wait().
  io::Event& room() { return room_; }

 private:
  const size_t limit_;
  size_t used_ = 0;
  io::Event room_;
};

}  // namespace isthmus::server
