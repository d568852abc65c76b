// How long a client's request waits at a fence: a planned move holds writers, members of groups and
// administrators for some hundred milliseconds, and nobody needs to see it. Plain functions.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

#include "io/loop.h"

namespace isthmus::broker {

// Of requests that name no time-out: below the shortest time that a client library waits for any
// answer (franz-go: 10 s).
inline constexpr io::Duration fence_wait = std::chrono::seconds(7);
// Of those that name one. Clients that wait for a minute shall learn of trouble sooner.
inline constexpr io::Duration longest_fence_wait = std::chrono::seconds(15);

// The client counts from before: a quarter of its time is left for the disk and the way back.
inline io::Duration fence_wait_of(int32_t timeout_ms) {
  const io::Duration timeout = io::milliseconds(std::max(0, timeout_ms));
  return std::min(timeout * 3 / 4, longest_fence_wait);
}

}  // namespace isthmus::broker
