#include "broker/log_dirs.h"

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

}  // namespace

Result<void> check_log_dirs(io::Disk& disk, const std::vector<std::string>& dirs) {
  auto first = MetaProperties::read(disk, dirs.front());
  if (!first) return fail(first.error());
  const std::string metadata = dirs.front() + "/metadata.log";
  if (*first && !disk.exists(metadata)) {
    // A new cluster would be founded here, and take the topics of this one for strangers'.
    return fail(dirs.front() + " belongs to " + owner_of(**first) + ", but " + metadata +
                " is gone: bring it back from a backup");
  }
  for (const std::string& dir : dirs) {
    auto mark = MetaProperties::read(disk, dir);
    if (!mark) return fail(mark.error());
    if (!*mark || (*first && same_owner(**mark, **first))) continue;
    const std::string other = *first ? "belongs to " + owner_of(**first) : "belongs to nobody yet";
    return fail(dir + " belongs to " + owner_of(**mark) + ", but " + dirs.front() +
                ", the first of log.dirs, " + other + ": correct log.dirs");
  }
  return {};
}

Result<void> mark_log_dirs(io::Disk& disk, io::Random& random, const std::vector<std::string>& dirs,
                           const Image& image) {
  MetaProperties mine{
      image.cluster_id.to_string(), image.node_id, image.cluster_number, image.incarnation, {}};
  for (const std::string& dir : dirs) {
    auto mark = MetaProperties::read(disk, dir);
    if (!mark) return fail(mark.error());
    mine.directory_id = *mark ? (*mark)->directory_id : Uuid();
    if (mine.directory_id.is_zero()) random.fill(mine.directory_id.bytes);
    if (*mark == mine) continue;
    if (auto written = mine.write(disk, dir); !written) return written;
  }
  return {};
}

}  // namespace isthmus::broker
