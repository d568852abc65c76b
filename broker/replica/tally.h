// Tally: how what many partitions meet at once comes into the log. The first is told by its name;
// those that follow within ten seconds are counted, and told as one line. Pure; one for each kind
// of news, of each broker that it comes from.
#pragma once

#include <chrono>
#include <optional>
#include <utility>

#include "io/loop.h"

namespace isthmus::broker {

class Tally {
 public:
  // Whether this one is told now; else it is counted.
  bool on_news(io::Instant now) {
    if (is_quiet(now) || counted_ > 0) {
      ++counted_;
      return false;
    }
    told_at_ = now;
    return true;
  }
  // How many others there were, when it is time to say so; 0: nothing is to be said.
  size_t due(io::Instant now) {
    if (counted_ == 0 || is_quiet(now)) return 0;
    told_at_ = now;
    return std::exchange(counted_, 0);
  }

 private:
  static constexpr io::Duration quiet = std::chrono::seconds(10);
  bool is_quiet(io::Instant now) const { return told_at_ && now - *told_at_ < quiet; }

  std::optional<io::Instant> told_at_;
  size_t counted_ = 0;
};

}  // namespace isthmus::broker
