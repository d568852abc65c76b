// Follower: one partition's way from its leader. Pure: told who leads, what the leader's history
// and answers are, what became of its steps, and the time; says what to do next.
//
//             led_by()                    our log is a prefix of the leader's
//   idle ────────────────► comparing ───────────────────────────────► fetching ◄──► copying
//                           ▲  │ ▲                                       │
//                           │  ▼ └──────── the leader says: diverging ───┤
//                           cutting                                      ▼
//                           beginning anew ◄──── the leader's log starts above our end
//
// A log is cut where it and the leader's part by (owner, epoch), never at a high watermark
// (KIP-101): what lies above that may be all that is left of what was acknowledged. It is compared
// anew under each leader epoch, and what was asked for under an earlier one is dropped
// (KAFKA-18991). A batch of a later epoch than that is refused (KAFKA-18723): its writer is not the
// leader that was asked.
//
// The offset that is fetched from says that all below it is durable here; so a fetch comes after
// the sync of what was copied before. An owner of an epoch does not stand in its batches: where
// batches begin one that is not known, the leader's history is asked for again.
//
// After a failure it rests, longer each time; a new leader ends the rest.
#pragma once

#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "broker/log/epochs.h"
#include "broker/replica/partition_verbs.h"
#include "io/loop.h"
#include "kafka/errors.h"

namespace isthmus::broker {

struct FollowerStep {
  enum class Kind : uint8_t {
    rest,        // until `until`, or until it is told something
    compare,     // sync, then on_compared() with both histories
    cut,         // at `offset`, then on_cut()
    begin_anew,  // at `offset`, then on_cut()
    fetch,       // from `offset`, then on_fetched()
    copy,        // `records` at `offset`, and what the leader says besides; then on_copied()
  };
  Kind kind = Kind::rest;
  LeaderEpoch epoch = -1;  // under which it is done
  io::Instant until = io::Instant::max();
  Offset offset = -1;
  LeaderEpoch last_epoch = -1;  // of the record before `offset`
  Offset own_start = -1;        // where our log starts
  int32_t max_bytes = 0;
  Slice records;
  std::vector<EpochOwner> owners;
  Offset high_watermark = -1, log_start = -1;  // the leader's
};

// The leader's answer about one partition.
struct FollowerAnswer {
  kafka::ErrorCode error = kafka::ErrorCode::none;
  Slice records;
  Offset high_watermark = -1, log_start = -1;
  std::optional<EpochEnd> diverging;
};

class Follower {
 public:
  // What one fetch may bring of the partition. A throttle lowers it.
  void limit(int32_t max_bytes) { max_bytes_ = max_bytes; }

  // -1: nobody leads. `is_own`: the epoch in force was given out by this cluster, so its batches
  // are this cluster's.
  void led_by(NodeId leader, LeaderEpoch epoch, bool is_own);
  NodeId leader() const { return leader_; }
  LeaderEpoch epoch() const { return epoch_; }

  FollowerStep step(io::Instant now) const;

  // What became of a step that was taken under `epoch`. Of another than the present one: nothing.
  void on_compared(LeaderEpoch epoch, const EpochHistory& ours, const EpochHistory& theirs,
                   io::Instant now);
  void on_cut(LeaderEpoch epoch, const FollowerEnd& end);
  void on_fetched(LeaderEpoch epoch, Offset asked, FollowerAnswer answer, io::Instant now);
  void on_copied(LeaderEpoch epoch, const FollowerEnd& end);
  // The step could not be done.
  void on_failed(LeaderEpoch epoch, io::Instant now);

 private:
  enum class State : uint8_t { idle, comparing, cutting, beginning_anew, fetching, copying };

  void rest(io::Instant now);
  void compare();
  void take(FollowerAnswer answer, io::Instant now);
  bool is_owner_known(LeaderEpoch epoch) const;

  int32_t max_bytes_ = 1 << 20;
  NodeId leader_ = -1;
  LeaderEpoch epoch_ = -1;
  bool is_own_ = false;
  State state_ = State::idle;
  io::Instant rest_until_{};
  io::Duration pause_{};
  Offset next_ = -1;  // our durable end
  LeaderEpoch last_epoch_ = -1;
  Offset start_ = -1;
  Offset cut_at_ = -1;
  std::optional<Offset> cut_below_;  // the leader has said that ours goes on beyond it
  std::vector<EpochOwner> owners_;
  LeaderEpoch without_owner_ = -1;  // for which the history was asked for
  FollowerAnswer answer_;           // to be copied
  Offset told_high_watermark_ = -1, told_log_start_ = -1;
};

}  // namespace isthmus::broker
