// StorageRoom: whether the file system of a log directory has room for the records of clients and
// links. What is left below the reserve is kept for what must go on when it is full: metadata, the
// offsets of groups, checkpoints, and the deletion that makes room again.
//
// A plain decision over what Disk::space() says now and then (storage_rooms.h). Between two looks
// what is appended is charged against the last one: a fast writer has eaten the reserve before a
// second is over. The charge does not know what else fills the disk, so when it reaches a quarter
// of the reserve it is time to look again. Any thread may charge and ask; note() is for one at a
// time.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "io/disk.h"

namespace isthmus::broker {

class StorageRoom {
 public:
  explicit StorageRoom(uint64_t reserve) : reserve_(reserve) {}

  // At most a tenth of the file system: a small one is there to be used as well.
  uint64_t reserve_of(const io::DiskSpace& space) const {
    return std::min(reserve_, space.total / 10);
  }
  // `seen` is what was charged before this look began: the look knows of it. True if it changed
  // the answer. Appends go on when an eighth more than the reserve is free: just above it, they
  // would stop again at once.
  bool note(const io::DiskSpace& space, uint64_t seen = 0) {
    const uint64_t reserve = reserve_of(space);
    const bool was_low = low_.load(std::memory_order_relaxed);
    const bool low = space.free < (was_low ? reserve + reserve / 8 : reserve);
    low_.store(low, std::memory_order_relaxed);
    charged_.fetch_sub(seen, std::memory_order_relaxed);
    const bool watches = reserve > 0 && !low;
    room_.store(watches ? space.free - reserve : UINT64_MAX, std::memory_order_relaxed);
    look_at_.store(watches ? reserve / 4 : UINT64_MAX, std::memory_order_relaxed);
    return low != was_low;
  }
  // True once for each look: when the next is due.
  bool charge(uint64_t bytes) {
    const uint64_t before = charged_.fetch_add(bytes, std::memory_order_relaxed);
    const uint64_t look_at = look_at_.load(std::memory_order_relaxed);
    return before < look_at && before + bytes >= look_at;
  }
  uint64_t charged() const { return charged_.load(std::memory_order_relaxed); }
  bool is_low() const {
    return low_.load(std::memory_order_relaxed) ||
           charged() > room_.load(std::memory_order_relaxed);
  }

 private:
  const uint64_t reserve_;
  std::atomic<bool> low_{false};            // at the last look
  std::atomic<uint64_t> room_{UINT64_MAX};  // above the reserve, at the last look
  std::atomic<uint64_t> look_at_{UINT64_MAX};
  std::atomic<uint64_t> charged_{0};
};

}  // namespace isthmus::broker
