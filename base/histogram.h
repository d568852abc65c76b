// Histogram: how long something took, in buckets that are the same for everything that is measured.
// A plain value on the loop of whoever counts; readers get copies, and add those of several loops.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace isthmus {

class Histogram {
 public:
  // Upper bounds in seconds; one more bucket takes what is above the last.
  static constexpr std::array bounds = {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005,
                                        0.01,   0.025,   0.05,   0.1,   0.25,   0.5,
                                        1.0,    2.5,     5.0,    10.0,  30.0};
  static constexpr size_t buckets = bounds.size() + 1;

  void observe(double seconds);
  void observe(std::chrono::nanoseconds took) {
    observe(std::chrono::duration<double>(took).count());
  }
  void add(const Histogram& other);

  uint64_t count_in(size_t bucket) const { return counts_[bucket]; }
  uint64_t count() const;
  double sum() const { return sum_; }

 private:
  std::array<uint64_t, buckets> counts_{};
  double sum_ = 0;
};

}  // namespace isthmus
