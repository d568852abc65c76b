#include "broker/log/doomed.h"

namespace isthmus::broker {

std::string doomed_path(const std::string& folder, const Uuid& topic_id, PartitionIndex index) {
  return io::parent_of(folder) + "/" + topic_id.to_string() + "." + std::to_string(index) +
         std::string(doomed_suffix);
}

Result<void> doom(io::Disk& disk, const std::string& folder, const Uuid& topic_id,
                  PartitionIndex index) {
  const std::string doomed = doomed_path(folder, topic_id, index);
  if (disk.exists(doomed)) {
    // A mirror is deleted and comes again under one id.
    if (auto done = disk.remove_folder(doomed); !done) return done;
  }
  return disk.rename(folder, doomed);
}

}  // namespace isthmus::broker
