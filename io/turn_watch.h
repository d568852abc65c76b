// TurnWatch: how long each turn of a loop takes, and what ran in one that held it too long.
//
// A turn is one callback, from its start until the loop is given back: everybody else on the loop
// waits for it. One that takes longer than too_long is a stall: counted under what ran for longest
// in it, and told, though not more often than once in between_lines.
//
// One per loop of a real process, on it; in the simulator time stands still in a turn. No clock of
// its own: whoever runs the turns says what time it is.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/histogram.h"
#include "io/loop.h"

namespace isthmus::io {

class TurnWatch {
 public:
  static constexpr Duration too_long = milliseconds(100);
  static constexpr Duration between_lines = std::chrono::seconds(10);
  static constexpr std::string_view unnamed = "other";

  void begin(Instant now);
  // What runs from now on, until the next call or the end of the turn. `what` lives for ever, and
  // is one of few: it becomes the label of a metric. Outside of a turn it does nothing.
  void doing(std::string_view what, Instant now);
  // What is to be logged, if anything.
  std::optional<std::string> end(Instant now);

  const Histogram& turns() const { return turns_; }
  const std::map<std::string_view, uint64_t>& stalls() const { return stalls_; }

 private:
  struct Part {
    std::string_view what = unnamed;
    Duration took{};
  };
  void end_part(Instant now);
  std::string tell(Duration took, Instant now);

  bool running_ = false;
  Instant began_, part_began_;
  Part part_, longest_part_;
  Histogram turns_;
  std::map<std::string_view, uint64_t> stalls_;
  std::optional<Instant> told_;  // when it last was
  uint64_t untold_ = 0;          // stalls since
};

// That of the turn which runs on this thread, or nullptr.
TurnWatch* running_turns();
void set_running_turns(TurnWatch* turns);

// Says what the loop's callback does from here on. Costs a look at the clock: for requests and
// housekeeping, not for batches.
inline void doing(std::string_view what) {
  if (TurnWatch* turns = running_turns()) turns->doing(what, std::chrono::steady_clock::now());
}

}  // namespace isthmus::io
