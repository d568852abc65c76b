// LinkHistory: how far a link was behind in the last hour, for a line on the page. A slot for each
// ten seconds keeps the worst of what was seen in them; slots in which nothing was seen are kept,
// empty. Pure; of the overview, on its loop.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>

#include "io/loop.h"

namespace isthmus::router {

class LinkHistory {
 public:
  static constexpr auto slot = std::chrono::seconds(10);
  static constexpr size_t most_slots = 360;

  struct Sample {
    std::optional<int64_t> lag_records;
    std::optional<int64_t> lag_ms;
    std::optional<int64_t> records_per_s;  // the most of them
  };

  // REQUIRES: `now` is not before that of the latest call.
  void note(io::Instant now, const Sample& sample);
  // The oldest first.
  const std::deque<Sample>& samples() const { return samples_; }
  // Where the latest slot begins.
  io::Instant latest() const { return latest_; }

 private:
  std::deque<Sample> samples_;
  io::Instant latest_{};
};

}  // namespace isthmus::router
