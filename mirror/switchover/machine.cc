#include "mirror/switchover/machine.h"

namespace isthmus::mirror {

namespace {

bool means_another(const SideRecord& record, const SideRecord& other) {
  return record.peer.known() && record.peer != other.self;
}

}  // namespace

Step next_step(const SideRecord& source, const SideRecord& target) {
  if (means_another(source, target) || means_another(target, source)) return Step::refuse_stranger;
  if (source.phase == Phase::handed_over) {
    // A failover may have been promoted under an id of its own while the hand-over was on its way;
    // the topics are writable there all the same.
    if (target.phase == Phase::promoted) return Step::finish_promoted;
    if (target.phase == Phase::abandoned && target.id == source.id) return Step::finish_abandoned;
    if (target.phase == Phase::wished && target.id == source.id) return Step::promote;
    return Step::abandon;
  }
  bool knows =
      source.id == target.id && (source.phase == Phase::stepped_down ||
                                 source.phase == Phase::done || source.phase == Phase::taken_back);
  // The source was away, or cut off, while the operator went on without it.
  if (target.phase == Phase::promoted && target.failover && !knows) return Step::step_down;
  if (target.phase == Phase::wished && !knows) return Step::fence_and_hand_over;
  return Step::none;
}

}  // namespace isthmus::mirror
