// Budget: how many bytes of requests one loop may have under way before its connections stop
// reading. What a process may hold is divided among its loops, so that taking and giving back
// cross no thread.
//
// One request is always let in when nothing is under way, and the last one may overdraw: a frame
// has arrived before its size is charged. What only waits (a long poll) must not use up what the
// others live on: it is parked, which is counted apart. Lives on one loop, owned by the Acceptor
// (server/acceptor.h).
#pragma once

#include <cstddef>
#include <utility>

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

  // False, and nothing is taken, where too much is parked already.
  bool park(size_t bytes) {
    if (bytes > parking_ * limit_ - parked_) return false;
    parked_ += bytes;
    return true;
  }
  void unpark(size_t bytes) { parked_ -= bytes; }
  size_t parked() const { return parked_; }

 private:
  // What waits may take so many times what is worked on: decoded, a request is larger by as much.
  static constexpr size_t parking_ = 4;

  const size_t limit_;
  size_t used_ = 0;
  size_t parked_ = 0;
  io::Event room_;
};

// What one request holds of its loop's Budget. Owned by its connection, valid until its reply is
// ready, on the connection's loop.
class Charge {
 public:
  Charge(Budget& budget, size_t bytes) : budget_(budget), taken_(bytes) { budget_.take(bytes); }
  Charge(const Charge&) = delete;
  Charge& operator=(const Charge&) = delete;

  // For a request that is about to wait long and holds no slice of its frame any more, but `bytes`
  // of what it has made of it. False where too many wait already: then it keeps its charge, and
  // should not wait.
  bool park(size_t bytes) {
    if (!budget_.park(bytes)) return false;
    parked_ += bytes;
    budget_.give_back(std::exchange(taken_, 0));
    return true;
  }
  // The request is over.
  void end() {
    budget_.give_back(std::exchange(taken_, 0));
    budget_.unpark(std::exchange(parked_, 0));
  }

 private:
  Budget& budget_;
  size_t taken_;
  size_t parked_ = 0;
};

}  // namespace isthmus::server
