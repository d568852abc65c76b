// Progress: how far a long piece of work has come, in words for whoever waits for it. A plain value
// of who does the work.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>

namespace isthmus {

class Progress {
 public:
  using Instant = std::chrono::steady_clock::time_point;

  // `what` is done to so many: "opens partitions".
  void begin(std::string what, size_t total, Instant now);
  void advance(size_t count = 1) { done_ += count; }
  void end() { total_ = 0; }

  // "opens partitions: 512 of 4000, about 12 s to go". How long it will take is said once it has
  // gone on for a while. Empty while there is nothing to do.
  std::string text(Instant now) const;

 private:
  std::string what_;
  size_t done_ = 0;
  size_t total_ = 0;
  Instant begun_{};
};

}  // namespace isthmus
