// Several pieces of the same work under way at once, but not all: what waits for the disk takes
// less time so, and leaves room for others who wait there.
#pragma once

#include <algorithm>
#include <functional>

#include "io/gate.h"

namespace isthmus::io {

// Starts the piece with this number.
using Piece = std::function<Task<void>(size_t)>;

inline Task<void> take_pieces(size_t& next, size_t count, const Piece& piece) {
  while (next < count) co_await piece(next++);
}

// Runs the pieces 0 to `count` - 1, in order of their numbers and at most `width` at a time;
// returns when all have ended. REQUIRES: called on `loop`.
inline Task<void> in_parallel(Loop& loop, size_t count, size_t width, Piece piece) {
  size_t next = 0;
  Gate gate(loop);
  for (size_t i = 0; i < std::min(width, count); ++i) {
    gate.spawn("in parallel", take_pieces(next, count, piece));
  }
  co_await gate.close();
}

}  // namespace isthmus::io
