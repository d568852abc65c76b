// StartFollower: when one partition's log start at the source is followed at the target. Pure.
//
// A log start that moved does not say why: DeleteRecords and retention look alike on the wire. A
// deletion may be a mistake, and the target is where the records still are; so the target keeps
// what its own retention keeps until the source's start has stood for the delay:
//
//   heard 500        candidate 500 ──the delay──► followed; next candidate: what the start is now
//   heard 900 ...        │
//   heard 400            └── taken back: candidate 400, from now on
//
// One candidate at a time, so memory is constant and a start is followed after one delay at the
// earliest and two at the latest. Nothing of this is stored: whoever begins anew waits anew. What
// is deleted too late can still be deleted, what is deleted too early is gone.
//
// A start that was followed is said again now and then: a target that crashes may go back to the
// number of its last checkpoint.
//
// Owned by a Pump, on its loop.
#pragma once

#include <optional>

#include "base/ids.h"
#include "io/loop.h"

namespace isthmus::mirror {

class StartFollower {
 public:
  explicit StartFollower(io::Duration delay) : delay_(delay) {}

  // An answer of the source says that its log starts at `start` (-1: it does not say). Returns
  // where the target's is to start if that is due by this very answer: never on older knowledge,
  // and never beyond `held`, below which the target has everything, durably.
  std::optional<Offset> on_heard(Offset start, Offset held, io::Instant now);

 private:
  struct Candidate {
    Offset offset;  // at or above it the source's start was heard to be, all along
    io::Instant due;
  };
  Candidate candidate(Offset start, io::Instant now) const;

  io::Duration delay_;
  std::optional<Candidate> candidate_;
  Offset followed_ = 0;
};

}  // namespace isthmus::mirror
