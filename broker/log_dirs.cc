#include "broker/log_dirs.h"

#include <optional>

#include "broker/log/checkpoints.h"

namespace isthmus::broker {

namespace {

std::string owner_of(const MetaProperties& mark) {
  return "cluster " + mark.cluster_id + " (number " + std::to_string(mark.cluster_number) +
         ", node " + std::to_string(mark.node_id) + ")";
}

bool same_owner(const MetaProperties& a, const MetaProperties& b) {
  return a.cluster_id == b.cluster_id && a.node_id == b.node_id;
}

// Of the directory that has, or has not, the metadata.
Result<void> check_first(io::Disk& disk, const std::string& dir,
                         const std::optional<MetaProperties>& mark, bool embedded, NodeId self) {
  const std::string metadata = dir + "/metadata.log";
  const bool has_metadata = disk.exists(metadata);
  if (embedded && mark && !has_metadata) {
    // A new cluster would be founded here, and take the topics of this one for strangers'.
    return fail(dir + " belongs to " + owner_of(*mark) + ", but " + metadata +
                " is gone: bring it back from a backup");
  }
  if (embedded) return {};
  if (has_metadata) {
    return fail(metadata +
                " holds the metadata of a cluster of one broker, and the configuration names a "
                "ZooKeeper: correct log.dirs, or say broker.metadata: embedded");
  }
  if (!mark || mark->node_id == self) return {};
  return fail(dir + " belongs to " + owner_of(*mark) + ", the configuration says node.id " +
              std::to_string(self) + ": correct node.id or log.dirs");
}

}  // namespace

Result<DirectoryOwner> check_log_dirs(io::Disk& disk, const std::vector<std::string>& dirs,
                                      bool embedded, NodeId self) {
  auto first = MetaProperties::read(disk, dirs.front());
  if (!first) return fail(first.error());
  auto right = check_first(disk, dirs.front(), *first, embedded, self);
  if (!right) return fail(right.error());
  for (const std::string& dir : dirs) {
    auto mark = MetaProperties::read(disk, dir);
    if (!mark) return fail(mark.error());
    if (!*mark || (*first && same_owner(**mark, **first))) continue;
    const std::string other = *first ? "belongs to " + owner_of(**first) : "belongs to nobody yet";
    return fail(dir + " belongs to " + owner_of(**mark) + ", but " + dirs.front() +
                ", the first of log.dirs, " + other + ": correct log.dirs");
  }
  if (!*first) return DirectoryOwner{};
  return DirectoryOwner{(*first)->cluster_id, (*first)->directory_id};
}

Result<void> mark_log_dirs(io::Disk& disk, io::Random& random, const std::vector<std::string>& dirs,
                           const Image& image, NodeId self, const Uuid& first_id) {
  MetaProperties mine{
      image.cluster_id.to_string(), self, image.cluster_number, image.incarnation, {}};
  for (const std::string& dir : dirs) {
    auto mark = MetaProperties::read(disk, dir);
    if (!mark) return fail(mark.error());
    mine.directory_id = *mark ? (*mark)->directory_id : Uuid();
    if (mine.directory_id.is_zero() && dir == dirs.front()) mine.directory_id = first_id;
    if (mine.directory_id.is_zero()) random.fill(mine.directory_id.bytes);
    if (*mark == mine) continue;
    if (auto written = mine.write(disk, dir); !written) return written;
  }
  return {};
}

}  // namespace isthmus::broker
