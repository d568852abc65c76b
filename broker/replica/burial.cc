#include "broker/replica/burial.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <unordered_set>

#include "broker/log/checkpoints.h"
#include "broker/log/doomed.h"

namespace isthmus::broker {

namespace {

using Listing = std::unordered_set<std::string>;

// What was renamed, and whether it is to be removed.
struct Renamed {
  bool sets_aside = false;
  bool any_aside = false;
  std::set<std::string> doomed;
};

Result<void> doom_topic(io::Disk& disk, const std::string& dir, const Listing& there,
                        const DeletedTopic& topic, Renamed& renamed) {
  for (PartitionIndex i = 0; i < topic.partitions; ++i) {
    const std::string name = TopicPartition{topic.name, i}.to_string();
    if (!there.contains(name)) continue;
    const std::string folder = dir + "/" + name;
    auto id = read_partition_topic_id(disk, folder);
    if (!id && id.error().kind == Error::Kind::io) return fail(id.error());
    // Not known to be of the topic, so not known to be deleted.
    if (!id || !*id || **id != topic.id) continue;
    if (renamed.sets_aside) {
      if (auto done = set_aside(disk, folder, topic.id, i); !done) return done;
      renamed.any_aside = true;
      continue;
    }
    if (auto done = doom(disk, folder, topic.id, i); !done) return done;
    renamed.doomed.insert(doomed_path(folder, topic.id, i));
  }
  return {};
}

struct Found {
  std::set<std::string> doomed;
  bool durable = false;
  Result<void> how;
};

// `unfinished`: topics that may have something here under their names.
Found bury_in(io::Disk& disk, const std::string& dir, const std::vector<DeletedTopic>& topics,
              std::set<std::string> before, bool sets_aside, std::set<Uuid>& unfinished) {
  auto names = disk.list(dir);
  if (!names) {
    for (const DeletedTopic& topic : topics) unfinished.insert(topic.id);
    return {std::move(before), false, fail(names.error())};
  }
  const Listing there(names->begin(), names->end());
  // What did not get its new name is no folder to be removed: it may get it, not yet durably,
  // while somebody looks for it there.
  std::erase_if(before, [&](const std::string& folder) {
    return !there.contains(folder.substr(folder.rfind('/') + 1));
  });
  Renamed renamed{sets_aside, false, std::move(before)};
  Found found{{}, true, {}};
  for (const DeletedTopic& topic : topics) {
    auto done = doom_topic(disk, dir, there, topic, renamed);
    if (done) continue;
    unfinished.insert(topic.id);
    found.how = done;
  }
  found.doomed = std::move(renamed.doomed);
  if (found.doomed.empty() && !renamed.any_aside) return found;
  if (auto synced = disk.sync_folder(dir); !synced) {
    found.durable = false;
    found.how = synced;
    if (!renamed.any_aside) return found;
    for (const DeletedTopic& topic : topics) unfinished.insert(topic.id);
  }
  return found;
}

}  // namespace

Result<void> bury(io::Disk& disk, const std::vector<std::string>& dirs,
                  const std::vector<DeletedTopic>& topics, const std::vector<std::string>& before,
                  Burial& how) {
  Result<void> all;
  std::map<std::string, std::set<std::string>> earlier;
  for (const std::string& folder : before) earlier[io::parent_of(folder)].insert(folder);
  std::set<Uuid> unfinished;
  for (const std::string& dir : dirs) {
    const std::string parent = io::parent_of(dir + "/x");  // as those in it have it
    Found found =
        bury_in(disk, dir, topics, std::move(earlier[parent]), how.sets_aside, unfinished);
    if (!found.how) all = found.how;
    if (!found.durable) how.not_synced.insert(parent);
    for (const std::string& folder : found.doomed) {
      const auto id = topic_of_doomed(folder);
      if (!found.durable && id) unfinished.insert(*id);
    }
    how.doomed.merge(found.doomed);
  }
  std::ranges::copy_if(topics, std::back_inserter(how.done),
                       [&](const DeletedTopic& topic) { return !unfinished.contains(topic.id); });
  return all;
}

}  // namespace isthmus::broker
