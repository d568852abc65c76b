// Machine: the next step of a switchover, from what both ends have written down and nothing else.
// Pure. The driver keeps no state of its own: whoever takes the link over, at whatever moment the
// last one died, reads the same records and goes on with the same step.
//
//   target    source         step
//   ───────   ────────────   ──────────────────────────────────────────────────────────────
//   one of them has written down another cluster than the one that answers at the other end:
//                            none, whatever they say; it is said loudly
//   wished    not fenced     fence, drain, hand over (fence lifts by itself at its deadline)
//   wished    handed over    promote: from here it only goes forward
//   promoted  handed over    tell the source, which becomes the mirror
//   abandoned handed over    tell the source, which opens again
//   else      handed over    the target has moved on to another id, or never knew of this one: let
//                            it give up this one, durably; then tell the source
//   failed over    not of    tell the source, which was away: what it has not been promoted for
//   since
//                  this id   closes until the way back
//   else                     nothing to do
#pragma once

#include <cstdint>

#include "base/ids.h"
#include "kafka/cluster_identity.h"
#include "kafka/gen/switchover_phase.h"

namespace isthmus::mirror {

using Phase = kafka::SwitchoverPhase;

struct SideRecord {
  Uuid id;
  Phase phase = Phase::none;
  bool failover = false;
  kafka::ClusterIdentity self{};  // who says it
  kafka::ClusterIdentity peer{};  // who was at the other end when it was written
};

enum class Step : uint8_t {
  none,
  refuse_stranger,
  fence_and_hand_over,
  promote,
  abandon,
  finish_promoted,
  finish_abandoned,
  step_down,
};

// `source` and `target` are the records of one link at its two ends.
Step next_step(const SideRecord& source, const SideRecord& target);

}  // namespace isthmus::mirror
