// FirstLook: what `start: latest` leaves out. Only what was at the source when the link was
// attached for the first time begins at its end; a topic or a partition that is found later was
// made since, or is mirrored since, and is copied whole: its first records would be lost unseen.
//
// The target remembers that the first look is done (LinkRecord::begins). Until then a session that
// begins anew looks anew; what it finds empty at the target begins at the source's end. So it is
// told only when the target has written down where each copy begins. What cannot be asked then is
// not waited for; should the session end before it can, it is copied whole.
//
// Pure. A plain value of a Session, on its loop.
#pragma once

#include <set>
#include <utility>

#include "base/ids.h"

namespace isthmus::mirror {

class FirstLook {
 public:
  // `begins`: it is not done. Else nothing was there before.
  explicit FirstLook(bool begins) : over_(!begins) {}

  // A discovery has found the topic. Counts until one has found them all.
  void found(const Uuid& topic, PartitionIndex partitions);
  void found_all() { over_ = true; }
  bool was_there(const Uuid& topic, PartitionIndex index) const {
    return there_.contains({topic, index});
  }

  // The source is asked where the partition ends.
  void asks(const Uuid& topic, PartitionIndex index) { awaited_.insert({topic, index}); }
  // It does not answer, or the target takes nothing now: tried again.
  void cannot_tell(const Uuid& topic, PartitionIndex index) { awaited_.erase({topic, index}); }
  // The copy begins where it should, as far as the target has written down.
  void began(const Uuid& topic, PartitionIndex index);

  bool done() const { return over_ && awaited_.empty(); }

 private:
  using Key = std::pair<Uuid, PartitionIndex>;

  bool over_;
  std::set<Key> there_;  // and does not begin anywhere yet
  std::set<Key> awaited_;
};

}  // namespace isthmus::mirror
