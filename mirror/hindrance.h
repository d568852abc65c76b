// Hindrance: what keeps one partition from going on for now, and when it is tried again. Pure.
//
//   meet()  an attempt has failed: tried again after a pause that doubles, from half a second on.
//           Shown from the second time in a row: once is what a restart or a moved leader looks
//           like
//   hear()  the target says how it stands, unasked: shown at once, and not tried until it says
//           otherwise
//
// Each partition has its own, so one that waits holds up no other. Owned by a Pump, on its loop.
#pragma once

#include <algorithm>
#include <string>

#include "io/loop.h"
#include "kafka/gen/mirror_trouble.h"

namespace isthmus::mirror {

using kafka::MirrorTrouble;

class Hindrance {
 public:
  void meet(MirrorTrouble cause, std::string why, io::Instant now) {
    note(cause, std::move(why));
    told_ = false;
    shown_ = ++times_ > 1;
    try_at_ = now + pause_;
    pause_ = std::min<io::Duration>(pause_ * 2, most_pause);
  }
  void hear(MirrorTrouble cause, std::string why) {
    note(cause, std::move(why));
    told_ = shown_ = true;
  }
  // The target does not say so any more.
  void hear_nothing() {
    if (told_) clear();
  }
  // It goes on.
  void clear() { *this = {}; }

  bool present() const { return cause_ != MirrorTrouble::none; }
  bool is(MirrorTrouble cause) const { return cause_ == cause; }
  bool shown() const { return shown_; }
  bool may_try(io::Instant now) const { return !told_ && now >= try_at_; }
  // "target_full: the disk is full but for its reserve"
  std::string text() const {
    std::string name(to_string(cause_));
    std::ranges::replace(name, ' ', '_');
    return name + ": " + why_;
  }

 private:
  static constexpr io::Duration least_pause = io::milliseconds(500);
  static constexpr io::Duration most_pause = std::chrono::seconds(10);

  void note(MirrorTrouble cause, std::string why) {
    cause_ = cause;
    why_ = std::move(why);
  }

  MirrorTrouble cause_ = MirrorTrouble::none;
  std::string why_;
  bool shown_ = false;
  bool told_ = false;
  int times_ = 0;
  io::Instant try_at_{};
  io::Duration pause_ = least_pause;
};

}  // namespace isthmus::mirror
