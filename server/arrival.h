// Arrival: the room that a connection has reserved for a request that has not arrived whole, and
// Pace: whether the rest of it comes.
//
// Owned by the connection, on its loop; the Budget outlives both.
#pragma once

#include <cstdint>
#include <optional>

#include "server/budget.h"

namespace isthmus::server {

// A frame above small_frame reserves its whole size before more of it is read. So whatever has
// begun can end: the halves of many frames never wait for each other.
class Arrival {
 public:
  explicit Arrival(Budget& budget) : budget_(budget), changed_(budget.room().loop()) {}
  ~Arrival() { end(); }
  Arrival(const Arrival&) = delete;
  Arrival& operator=(const Arrival&) = delete;

  // Returns when the room is there, in turn, or after end(). REQUIRES: it neither holds nor waits.
  io::Task<void> begin(size_t bytes);
  // The frame has arrived, or will not.
  void end();

  bool holds() const { return held_; }
  // Whether others wait for what it holds.
  bool is_wanted() const { return held_ && !lane_->waiting.empty(); }

 private:
  static void admit(Budget::Lane& lane);

  Budget& budget_;
  io::Event changed_;
  Budget::Lane* lane_ = nullptr;  // where it waits or holds
  size_t bytes_ = 0;
  bool held_ = false;
};

// Whether an unfinished frame goes on: a deadline that follows progress, not size. A frame that is
// not there after half a minute has to bring 64 KiB in each further one; while others wait for its
// room, 4 MiB in each ten seconds.
class Pace {
 public:
  static constexpr io::Duration look_interval = std::chrono::seconds(10);

  // Call every look_interval while a frame is unfinished, with its number and what is here of it.
  // False if it is too slow.
  bool look(io::Instant now, uint64_t frame, size_t arrived, bool wanted);
  // It had to wait for us.
  void excuse() { latest_.reset(); }

 private:
  static constexpr io::Duration patience_ = std::chrono::seconds(30);
  static constexpr size_t least_ = size_t{64} << 10;
  static constexpr size_t least_if_wanted_ = size_t{4} << 20;
  struct Mark {
    uint64_t frame;
    io::Instant at;
    size_t arrived;
  };

  std::optional<Mark> latest_;  // of the last look
  std::optional<Mark> begun_;   // of the present half minute
};

}  // namespace isthmus::server
