#include "broker/replica/renaming.h"

#include <unordered_set>
#include <utility>

#include "broker/log/checkpoints.h"

namespace isthmus::broker {

namespace {

using Listing = std::unordered_set<std::string>;

// Whether anything was renamed.
Result<bool> move_topic(io::Disk& disk, const std::string& dir, const Listing& there,
                        const TopicImage& topic) {
  bool moved = false;
  for (PartitionIndex i = 0; i < std::ssize(topic.partitions); ++i) {
    const std::string old = TopicPartition{topic.renamed_from, i}.to_string();
    if (!there.contains(old)) continue;
    const std::string folder = dir + "/" + old;
    auto id = read_partition_topic_id(disk, folder);
    if (!id && id.error().kind == Error::Kind::io) return fail(id.error());
    if (!id || !*id || **id != topic.id) continue;
    auto done = disk.rename(folder, dir + "/" + TopicPartition{topic.name, i}.to_string());
    if (!done) return fail(done.error());
    moved = true;
  }
  return moved;
}

}  // namespace

NotMoved move_folders(io::Disk& disk, const std::vector<std::string>& dirs,
                      const std::vector<std::shared_ptr<const TopicImage>>& topics) {
  NotMoved not_moved;
  for (const std::string& dir : dirs) {
    auto names = disk.list(dir);
    if (!names) {
      for (const auto& topic : topics) not_moved.emplace(topic->id, names.error());
      continue;
    }
    const Listing there(names->begin(), names->end());
    std::vector<Uuid> moved;
    for (const auto& topic : topics) {
      auto done = move_topic(disk, dir, there, *topic);
      if (!done) not_moved.emplace(topic->id, done.error());
      if (!done || *done) moved.push_back(topic->id);
    }
    if (moved.empty()) continue;
    const auto synced = disk.sync_folder(dir);
    if (synced) continue;
    for (const Uuid& id : moved) not_moved.emplace(id, synced.error());
  }
  return not_moved;
}

}  // namespace isthmus::broker
