// Published: a value that one thread replaces whole and any thread reads, as it was at that moment.
// What a loop owns is shown to others so: a copy behind a shared pointer, never the thing itself.
//
// Not std::atomic<std::shared_ptr>: in libstdc++ 12, Debian 12's, a reader gives the pointer's lock
// back without ordering what it has read before the next write (memory_order_relaxed in
// _Sp_atomic::load), so pointer and count may come from two values. Held for a copy of a pointer,
// the mutex here costs the same as that lock.
#pragma once

#include <memory>
#include <mutex>
#include <utility>

namespace isthmus {

template <class T>
class Published {
 public:
  explicit Published(std::shared_ptr<const T> first = nullptr) : value_(std::move(first)) {}

  // Any thread, both.
  std::shared_ptr<const T> load() const {
    std::lock_guard lock(mutex_);
    return value_;
  }
  void store(std::shared_ptr<const T> next) {  // the one before ends with it, outside the lock
    std::lock_guard lock(mutex_);
    value_.swap(next);
  }

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const T> value_;
};

}  // namespace isthmus
