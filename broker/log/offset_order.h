// OffsetOrder: whether batches that are read one after the other have their right offsets and
// leader epochs. Neither is under a batch's checksum, so a good one does not say so. Pure.
//
// Offsets ascend; they may leave some out (a compaction's holes). A batch must end exactly at the
// known end (synced_end.h): what jumps over it has a wrong offset. And a batch that comes too
// early, though it fits behind what stood before a jump, says that the jump was wrong. Epochs never
// go down; one that does, right behind one that went up, says that it was that one. Of the very
// last batch nothing can be said so.
#pragma once

#include <optional>
#include <string>

#include "broker/log/scanner.h"

namespace isthmus::broker {

class OffsetOrder {
 public:
  // `exact`: the known end was the end of a batch for certain.
  OffsetOrder(Offset known_end, bool exact) : known_end_(known_end), exact_(exact) {}

  struct Wrong {
    uint64_t position;  // of the batch that is wrong, in the current segment
    Offset offset;      // that it ought to have
    std::string why;
  };
  void begin_segment() {
    jump_.reset();
    rise_.reset();
  }
  // `end` is where the batches before it end; `base` that of the segment.
  std::optional<Wrong> judge(const FoundBatch& batch, Offset end, Offset base);
  // The next segment begins below the end of this one.
  std::optional<Wrong> judge_next(Offset next_base, Offset end) const;

 private:
  std::optional<Wrong> blame_jump(Offset later, Offset end) const;
  std::optional<Wrong> judge_epoch(const FoundBatch& batch, Offset end);

  Offset known_end_;
  bool exact_;
  struct Jump {
    uint64_t position;
    Offset from;
  };
  std::optional<Jump> jump_;  // the latest one in the current segment
  struct Rise {
    uint64_t position;
    Offset offset;
    LeaderEpoch from;
    uint64_t batches;  // with the new epoch
  };
  std::optional<Rise> rise_;  // the latest batch there with a higher epoch than the one before
  LeaderEpoch epoch_ = -1;
};

}  // namespace isthmus::broker
