// TopicChanges: what administrators do to topics, and the switchover that it must not cross.
//
// A topic that is made, grown, configured or deleted while a switchover holds this site would be
// missing at the other one, or be another there. So a change waits for the end of the fence
// (replica/fence_wait.h), and is then made, or sent to where the topics are now; and a fence waits
// for the changes that are under way when it comes.
//
// Owned by Switchovers, on the main loop.
#pragma once

#include "broker/controller/controller.h"
#include "io/in_flight.h"

namespace isthmus::broker {

class TopicChanges {
 public:
  TopicChanges(io::Loop& loop, Controller& controller)
      : loop_(loop), controller_(controller), changed_(loop), under_way_(loop) {}

  // Of one request, with all the changes that it wants: until when they may wait, and what had
  // been moved when it came.
  struct Turn {
    io::Instant waits_until;
    uint64_t moves = 0;
  };
  Turn turn(io::Instant waits_until) const { return {waits_until, moves_}; }
  // NOT_CONTROLLER where it may not be made here, or not in time: administrators look for the
  // controller again.
  io::Task<Result<void>> make(Controller::Decision decision, Turn turn);

  // A fence has come; settled() when nothing is under way any more.
  void hold() { held_ = true; }
  io::Task<void> settled() { return under_way_.ended(); }
  // It has ended, or the record of the hand-over holds instead. `moved`: who waits looks elsewhere.
  void release(bool moved = false);
  // From now on nobody waits: the broker stops.
  void end_waits() { changed_.close(); }

 private:
  bool are_held() const;

  io::Loop& loop_;
  Controller& controller_;
  io::Event changed_;
  io::InFlight under_way_;
  bool held_ = false;
  uint64_t moves_ = 0;
};

}  // namespace isthmus::broker
