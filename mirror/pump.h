// Pump: one partition's way from the source to the target. Pure: told what was fetched and what the
// target answered, it says what to do next.
//
//   fetch_from()  ──fetched──► batches to append ──answered──► acknowledged() moves on
//        ▲                          │ next fetch at once: appends are pipelined, in order
//        └──────────────────────────┘
//
// The target's log end is the only position; what is kept here follows from it. A pump never
// guesses: what it finds that a mirror cannot go on from (the source was cut, retention overtook
// it) is a state with a reason, and nothing is touched until the operator decides.
//
// What may end by itself (one end is offline, the target's disk is full, a batch is damaged) is a
// Hindrance: waiting(...), or failed(damaged_batch...), until it has ended. Where the target has
// refused something, nothing is under way any more that could follow: the pump rests until it is
// told anew where the target ends, and outcomes of its earlier life say nothing. So it rests while
// its link is paused.
#pragma once

#include <deque>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/ids.h"
#include "client/fetcher.h"
#include "io/loop.h"
#include "kafka/gen/mirror_state.h"
#include "mirror/hindrance.h"
#include "mirror/start_follower.h"

namespace isthmus::mirror {

// As recorded at the target.
using PumpState = kafka::MirrorState;

struct PumpAction {
  enum class Kind : uint8_t {
    nothing,     // the fetch goes on
    append,      // `batches` at `expected_offset`, then fetch from fetch_from()
    ask_bounds,  // ask the source where its log begins and ends: on_bounds()
    wait,        // ask no more until may_try(): state() and reason() say for what
    failed,      // state() and reason() say why
  };
  Kind kind = Kind::nothing;
  Offset expected_offset = -1;
  Slice batches;
  Offset start_at = -1;
  Offset log_start = -1;  // what lies before was deleted at the source long enough ago
};

class Pump {
 public:
  // `end` is the target's log end, `last_epoch` that of its last batch, -1 if it has none.
  Pump(TopicPartition name, Offset end, LeaderEpoch last_epoch, PumpState state,
       io::Duration delete_delay);

  const TopicPartition& name() const { return name_; }
  client::FetchPosition fetch_from() const { return {next_, last_epoch_}; }
  // Everything below is at the target, durably.
  Offset acknowledged() const { return acknowledged_; }
  Offset source_end() const { return source_end_; }
  // When the source said so last; nothing while it has said nothing.
  std::optional<io::Instant> heard_at() const { return heard_at_; }
  LeaderEpoch source_epoch() const { return source_epoch_; }
  // As it is to be told: one that is initializing stays so, with what hinders it as its reason.
  PumpState state() const;
  std::string reason() const;
  // Fetches and appends go on.
  bool active() const { return is_wanted() && !resting_; }
  // Something keeps it from going on, for now or until an operator decides.
  bool stuck() const { return !ended_ && (state_ == PumpState::failed || hindrance_.shown()); }
  uint64_t bytes_in_flight() const { return bytes_in_flight_; }
  // Grows with each resume().
  uint64_t life() const { return life_; }

  PumpAction on_fetched(client::Fetched fetched, io::Instant now);
  // The source's log, where a fetch found our position outside of it.
  PumpAction on_bounds(Offset start, Offset high_watermark);
  void on_appended(Offset end, uint64_t bytes, io::Instant now);
  // The target has refused an append.
  PumpAction on_refused(MirrorTrouble cause, std::string why, io::Instant now);
  // The target takes nothing now, and says why.
  PumpAction on_target_troubled(MirrorTrouble cause, std::string why);
  // The target says where it ends, and that it would take something. True if the pump goes on from
  // there, having rested.
  bool on_target_ready(Offset end, LeaderEpoch last_epoch, io::Instant now);
  // Another broker leads at the target: what was under way to the one before says nothing, and
  // what hindered it there is over.
  void on_target_moved();
  // What the source hindered is due to be asked for again.
  bool is_due(io::Instant now) const { return active() && waits_ && hindrance_.may_try(now); }
  // It has been asked for.
  void asked() { waits_ = false; }
  PumpAction fail(std::string reason);
  // The link is paused: the state stays, and nothing is asked for or taken until it goes on from
  // where the target then says that it ends.
  void pause();
  void resume() { paused_ = false; }
  // The operator accepts that offsets are gone at the source, where its retention has overtaken
  // this one: it goes on behind a gap, and mirrors again when that is at the target.
  void accept_gap();
  // Nothing more will come, and nothing is wrong with what is here: the topic was deleted at the
  // source. The state stays, with the reason beside it.
  void end(std::string reason);

  // How long the oldest record that is not at the target has been known to be at the source;
  // nothing while the target has all that is known.
  std::optional<io::Duration> lag(io::Instant now) const;

 private:
  struct Seen {
    Offset end;
    io::Instant at;
  };
  bool is_wanted() const {
    return !ended_ && !paused_ &&
           (state_ == PumpState::initializing || state_ == PumpState::mirroring ||
            state_ == PumpState::resuming);
  }
  PumpAction take(Slice records, io::Instant now);
  PumpAction leave_gap(Offset start);
  PumpAction hindered(MirrorTrouble cause, std::string why, io::Instant now);
  PumpAction on_error(kafka::ErrorCode error, io::Instant now);
  void see_end(Offset end, io::Instant now);

  TopicPartition name_;
  Offset next_;
  LeaderEpoch last_epoch_;
  Offset acknowledged_;
  Offset source_end_ = -1;
  std::optional<io::Instant> heard_at_;
  LeaderEpoch source_epoch_ = -1;
  PumpState state_;
  std::string reason_;
  bool ended_ = false;
  bool paused_ = false;
  Offset gap_to_ = -1;          // where the gap ends that is under way
  LeaderEpoch gap_epoch_ = -1;  // of what the target has before it
  bool resting_ = false;        // until the target says where it ends
  bool waits_ = false;          // to ask the source again
  Hindrance hindrance_;
  Offset hindered_at_ = -1;  // what gets beyond this has overcome it
  uint64_t life_ = 0;
  uint64_t bytes_in_flight_ = 0;
  std::deque<Seen> seen_;  // when the source's end was first known to have reached an offset
  StartFollower starts_;
};

}  // namespace isthmus::mirror
