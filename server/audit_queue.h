// AuditQueue: lines that wait to be written, within limits of rate and of memory. What does not fit
// is dropped, and the next that fits says how many were.
//
// Anybody can have things refused as fast as he likes. So that he cannot hide behind it what was
// allowed, refusals have a rate of their own and may fill half of the room.
//
// Without threads or I/O: Audit guards it.
#pragma once

#include <array>
#include <vector>

#include "io/loop.h"
#include "server/audit_event.h"

namespace isthmus::server {

// A rate with a burst: so much may come at once, if nothing has come for long.
class AuditRate {
 public:
  AuditRate(double per_second, double burst)
      : per_second_(per_second), burst_(burst), left_(burst) {}
  bool take(io::Instant now);

 private:
  const double per_second_;
  const double burst_;
  double left_;
  io::Instant at_{};
};

class AuditQueue {
 public:
  struct Limits {
    double per_second = 500;  // of refusals, and as many of all else
    double burst = 1000;
    size_t lines = 4096;
    size_t bytes = 8 << 20;
  };
  AuditQueue() : AuditQueue(Limits{}) {}
  explicit AuditQueue(const Limits& limits)
      : limits_(limits),
        refusals_(limits.per_second, limits.burst),
        others_(limits.per_second, limits.burst) {}

  void add(AuditEvent event, io::Instant now);
  // All that waits, in the order of its coming.
  std::vector<AuditEvent> take();
  bool empty() const { return waiting_.empty(); }
  uint64_t dropped() const { return dropped_; }

 private:
  bool fits(const AuditEvent& event, io::Instant now);

  const Limits limits_;
  AuditRate refusals_, others_;
  std::vector<AuditEvent> waiting_;
  size_t bytes_ = 0;          // of what waits
  uint64_t dropped_ = 0;      // in all
  uint64_t not_told_of_ = 0;  // of these
};

}  // namespace isthmus::server
