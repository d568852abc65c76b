#include "broker/log/doomed.h"

#include <charconv>

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

std::optional<std::pair<Uuid, PartitionIndex>> partition_of_doomed(const std::string& path) {
  const auto topic = topic_of_doomed(path);
  if (!topic) return std::nullopt;
  PartitionIndex index = -1;
  const char* end = path.data() + path.size() - doomed_suffix.size();
  const auto [at, error] = std::from_chars(path.data() + path.rfind('.') + 1, end, index);
  if (error != std::errc{} || at != end || index < 0) return std::nullopt;
  return std::pair(*topic, index);
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

std::string stray_path(const std::string& folder, const Uuid& topic_id, PartitionIndex index) {
  return io::parent_of(folder) + "/" + topic_id.to_string() + "." + std::to_string(index) +
         "-stray";
}

Result<void> set_aside(io::Disk& disk, const std::string& folder, const Uuid& topic_id,
                       PartitionIndex index) {
  const std::string aside = stray_path(folder, topic_id, index);
  if (disk.exists(aside)) return fail(aside + " is there already");
  return disk.rename(folder, aside);
}

}  // namespace isthmus::broker
