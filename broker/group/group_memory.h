// GroupMemory: what the members of all groups of a coordinator take, and may take together. Owned
// by the Coordinator, on its loop.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/log.h"

namespace isthmus::broker {

class GroupMemory {
 public:
  explicit GroupMemory(int64_t limit) : limit_(limit) {}

  // A group that took `before` bytes takes `now`.
  void replace(size_t before, size_t now) { bytes_ = bytes_ - before + now; }
  // Whether `group` may grow so much. Who shrinks always may.
  bool has_room_for(const std::string& group, int64_t growth);

 private:
  const int64_t limit_;
  size_t bytes_ = 0;
  bool told_ = false;  // that there is no room
  Logger log_{LogComponent::groups};
};

}  // namespace isthmus::broker
