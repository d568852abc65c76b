// Budget: how many bytes one loop may hold for its clients. What a process may hold is divided
// among its loops, so that taking and giving back cross no thread. Four things are counted apart,
// so that none of them can use up what the others live on:
//
//   requests   arrived and not answered yet. When they reach the limit, connections stop reading.
//              One is always let in when nothing is under way, and the last one may overdraw.
//   arrivals   frames of which a part is here (server/arrival.h): half the limit, as part of it.
//   parked     what only waits (a long poll, a join, a fence): four times the limit.
//   replies    ready, in memory, and not taken by their clients yet: four times the limit; then
//              connections stop reading too, until whoever takes nothing is ended (the Acceptor).
//   windows    read buffers above the smallest: half the limit. Without one a connection reads
//              little at a time.
//
// Lives on one loop, owned by the Acceptor (server/acceptor.h) or by who has several of those.
#pragma once

#include <algorithm>
#include <cstddef>
#include <list>
#include <utility>

#include "io/event.h"

namespace isthmus::server {

class Arrival;

// A frame of this size, and a read buffer, is every connection's own: not counted as arriving.
inline constexpr size_t small_frame = size_t{16} << 10;

class Budget {
 public:
  Budget(io::Loop& loop, size_t limit) : limit_(limit), room_(loop) {}

  void take(size_t bytes) { used_ += bytes; }
  void give_back(size_t bytes) {
    change([&] { used_ -= bytes; });
  }
  bool exhausted() const { return used_ + arriving() >= limit_ || replies_exhausted(); }
  size_t used() const { return used_; }
  // Wakes its waiters when bytes have been given back: while (exhausted()) co_await room().wait().
  io::Event& room() { return room_; }

  // False, and nothing is taken, where too much is parked already.
  bool can_park(size_t bytes) const { return bytes <= parking_ * limit_ - parked_; }
  bool park(size_t bytes) {
    if (!can_park(bytes)) return false;
    parked_ += bytes;
    return true;
  }
  void unpark(size_t bytes) { parked_ -= bytes; }
  size_t parked() const { return parked_; }

  void take_reply(size_t bytes) { replies_ += bytes; }
  void give_back_reply(size_t bytes) {
    change([&] { replies_ -= bytes; });
  }
  size_t replies() const { return replies_; }
  bool replies_exhausted() const { return replies_ >= parking_ * limit_; }
  // Time to end those that take nothing.
  bool replies_press() const { return replies_ >= parking_ * limit_ / 2; }

  // A connection's read buffer changes its size. False, and nothing changes, if there is no room.
  bool resize_window(size_t& held, size_t bytes) {
    const size_t wanted = bytes > small_frame ? bytes : 0;
    if (wanted > held && windows_ + wanted - held > limit_ / 2) return false;
    windows_ = windows_ - held + wanted;
    held = wanted;
    return true;
  }
  size_t windows() const { return windows_; }

  // Bytes reserved for frames that are arriving.
  size_t reserved() const { return ordinary_.held + large_.held; }

 private:
  friend class Arrival;
  // Frames that want to arrive, in turn. One is let in whenever nothing else of its lane is there.
  struct Lane {
    size_t limit = 0;
    size_t held = 0;
    std::list<Arrival*> waiting = {};
    bool has_room_for(size_t bytes) const { return held == 0 || held + bytes <= limit; }
  };

  // What waits may take so many times what is worked on: decoded, a request is larger by as much.
  static constexpr size_t parking_ = 4;

  template <typename Change>
  void change(Change change) {
    const bool was_exhausted = exhausted();
    change();
    if (was_exhausted && !exhausted()) room_.notify_all();
  }
  // Requests always have half of the limit for themselves.
  size_t arriving() const { return std::min(reserved(), limit_ / 2); }
  Lane& lane_for(size_t bytes) { return bytes > ordinary_.limit / 4 ? large_ : ordinary_; }

  const size_t limit_;
  size_t used_ = 0;
  size_t parked_ = 0;
  size_t replies_ = 0;
  size_t windows_ = 0;
  // Large frames come one at a time, past the others: a client that sends 100 MiB over a thin line
  // does not stop those that send what all send.
  Lane ordinary_{.limit = limit_ / 2};
  Lane large_{.limit = 0};
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
  // of what it has made of it, or of the frame itself. False where too many wait already: then it
  // keeps its charge, and should not wait.
  bool can_park(size_t bytes) const { return budget_.can_park(bytes); }
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
