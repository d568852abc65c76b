#include "broker/group/group_memory.h"

#include <utility>

namespace isthmus::broker {

bool GroupMemory::has_room_for(const std::string& group, int64_t growth) {
  if (growth <= 0 || static_cast<int64_t>(bytes_) + growth <= limit_) {
    told_ = told_ && growth <= 0;
    return true;
  }
  if (!std::exchange(told_, true)) {
    log_.warn(
        "group={} and others are told to wait: the members of all groups take {} bytes, and "
        "group.max.bytes allows {}",
        group, bytes_, limit_);
  }
  return false;
}

}  // namespace isthmus::broker
