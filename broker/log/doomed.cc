#include "broker/log/doomed.h"

namespace isthmus::broker {

std::string doomed_path(const std::string& folder, const Uuid& topic_id, PartitionIndex index) {
  return io::parent_of(folder) + "/" + topic_id.to_string() + "." + std::to_string(index) +
         std::string(doomed_suffix);
}

std::optional<Uuid> topic_of_doomed(const std::string& path) {
  const size_t begin = path.rfind('/') + 1, dot = path.find('.', begin);
  if (dot == std::string::npos || !path.ends_with(doomed_suffix)) return std::nullopt;
  auto id = Uuid::parse(path.substr(begin, dot - begin));
  return id ? std::optional(*id) : std::nullopt;
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
