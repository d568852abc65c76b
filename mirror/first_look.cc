#include "mirror/first_look.h"

namespace isthmus::mirror {

void FirstLook::found(const Uuid& topic, PartitionIndex partitions) {
  if (over_) return;
  for (PartitionIndex i = 0; i < partitions; ++i) there_.insert({topic, i});
}

void FirstLook::began(const Uuid& topic, PartitionIndex index) {
  there_.erase({topic, index});
  awaited_.erase({topic, index});
}

}  // namespace isthmus::mirror
