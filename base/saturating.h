// Sums of numbers from outside, such as times in milliseconds: one that does not fit is the largest
// number there is, or the smallest. Pure.
#pragma once

#include <cstdint>
#include <limits>

namespace isthmus {

constexpr int64_t add_saturating(int64_t a, int64_t b) {
  int64_t sum = 0;
  if (!__builtin_add_overflow(a, b, &sum)) return sum;
  return b < 0 ? std::numeric_limits<int64_t>::min() : std::numeric_limits<int64_t>::max();
}

}  // namespace isthmus
