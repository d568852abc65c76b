// Sequence numbers of idempotent producers (KIP-98): of the records of one partition in one epoch
// of the producer, from 0 on. They wrap from 2^31 - 1 to 0.
#pragma once

#include <cstdint>

namespace isthmus::kafka {

inline constexpr int32_t max_sequence = 0x7fffffff;

// -1, "none yet", is followed by 0.
constexpr int32_t next_sequence(int32_t last) {
  return static_cast<int32_t>((int64_t{last} + 1) & max_sequence);
}

// Whether `sequence` lies ahead of `other`, by less than half of their circle.
constexpr bool is_ahead(int32_t sequence, int32_t other) {
  const int64_t distance = (int64_t{sequence} - other) & max_sequence;
  return distance > 0 && distance < (int64_t{1} << 30);
}

}  // namespace isthmus::kafka
