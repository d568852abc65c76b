#include "io/buffers.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <vector>

namespace isthmus::io {

namespace {

constexpr size_t keep_at_most = size_t{32} << 20;

struct FreeBuffers {
  // Free buffers by the logarithm of their size.
  std::array<std::vector<std::unique_ptr<uint8_t[]>>, 64> free;
  size_t bytes = 0;
};

// The pool of a thread, or nullptr when the thread is ending: buffers may outlive it.
thread_local bool pool_is_gone = false;
struct FreeBuffersHolder {
  FreeBuffers pool;
  ~FreeBuffersHolder() { pool_is_gone = true; }
};
FreeBuffers* this_pool() {
  if (pool_is_gone) return nullptr;
  thread_local FreeBuffersHolder holder;
  return &holder.pool;
}

// Of the sizes other than this one, the one that keeps most loses a buffer. False if none has any.
bool make_room(FreeBuffers& pool, int size_log) {
  size_t most = 0, most_log = 0;
  for (size_t log = 0; log < pool.free.size(); ++log) {
    const size_t kept = pool.free[log].size() << log;
    if (log == static_cast<size_t>(size_log) || kept <= most) continue;
    most = kept;
    most_log = log;
  }
  if (most == 0) return false;
  pool.free[most_log].pop_back();
  pool.bytes -= size_t{1} << most_log;
  return true;
}

void release(uint8_t* bytes, int size_log) {
  std::unique_ptr<uint8_t[]> buffer(bytes);
  FreeBuffers* pool = this_pool();
  const size_t size = size_t{1} << size_log;
  if (pool == nullptr || size > keep_at_most) return;
  while (pool->bytes + size > keep_at_most) {
    if (!make_room(*pool, size_log)) return;
  }
  pool->bytes += size;
  pool->free[size_log].push_back(std::move(buffer));
}

}  // namespace

bool Buffer::unshared() const {
  if (bytes.use_count() != 1) return false;
  // Whoever dropped the last other share, on another thread, has finished reading before we write.
  std::atomic_thread_fence(std::memory_order_acquire);
  return true;
}

Buffer acquire_buffer(size_t size) {
  const size_t rounded = std::bit_ceil(std::max(size, smallest_buffer));
  const int size_log = std::countr_zero(rounded);
  std::unique_ptr<uint8_t[]> bytes;
  FreeBuffers* pool = this_pool();
  if (pool != nullptr && !pool->free[size_log].empty()) {
    bytes = std::move(pool->free[size_log].back());
    pool->free[size_log].pop_back();
    pool->bytes -= rounded;
  } else {
    bytes = std::make_unique_for_overwrite<uint8_t[]>(rounded);
  }
  return {{bytes.release(), [size_log](uint8_t* p) { release(p, size_log); }}, size};
}

size_t pooled_bytes() {
  FreeBuffers* pool = this_pool();
  return pool == nullptr ? 0 : pool->bytes;
}

}  // namespace isthmus::io
