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
#pragma once

#include <deque>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/ids.h"
#include "client/fetcher.h"
#include "io/loop.h"
#include "kafka/gen/mirror_state.h"
#include "mirror/start_follower.h"

namespace isthmus::mirror {

// As recorded at the target.
using PumpState = kafka::MirrorState;

struct PumpAction {
  enum class Kind : uint8_t {
    nothing,     // the fetch goes on
    append,      // `batches` at `expected_offset`, then fetch from fetch_from()
    ask_bounds,  // ask the source where its log begins and ends: on_bounds()
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
  PumpState state() const { return state_; }
  const std::string& reason() const { return reason_; }
  bool active() const {
    return !ended_ && (state_ == PumpState::initializing || state_ == PumpState::mirroring);
  }
  uint64_t bytes_in_flight() const { return bytes_in_flight_; }

  PumpAction on_fetched(client::Fetched fetched, io::Instant now);
  // The source's log, where a fetch found our position outside of it.
  PumpAction on_bounds(Offset start, Offset high_watermark);
  void on_appended(Offset end, uint64_t bytes, io::Instant now);
  PumpAction fail(std::string reason);
  void pause() { state_ = PumpState::paused; }
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
  PumpAction take(Slice records);
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
  uint64_t bytes_in_flight_ = 0;
  std::deque<Seen> seen_;  // when the source's end was first known to have reached an offset
  StartFollower starts_;
};

}  // namespace isthmus::mirror
