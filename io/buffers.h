// Buffers that streams are read into, from a pool: fresh pages cost more than the read itself
// (0.4 s per GB and more, in page faults).
//
// One pool per thread, without locks: a buffer returns to the pool of the thread that drops the
// last share in it. Sizes are powers of two from 4 KiB; a thread keeps at most 32 MiB of free
// buffers, the rest goes back to the heap. What is used now is kept before what is not: sizes that
// many were used of once would else leave no room for others. The bytes are not initialised.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

namespace isthmus::io {

struct Buffer {
  std::shared_ptr<uint8_t[]> bytes;
  size_t size = 0;

  // True when no slice shares it any more, so that its bytes may be overwritten.
  bool unshared() const;
};

inline constexpr size_t smallest_buffer = size_t{4} << 10;

// A buffer of exactly `size` usable bytes (more may be allocated).
Buffer acquire_buffer(size_t size);

// Bytes of free buffers that this thread keeps.
size_t pooled_bytes();

}  // namespace isthmus::io
