// What the table does about deleted topics: it buries and removes what is left of them (burial.h),
// and says of which nothing is left.
#include "broker/replica/partition_table.h"

#include <map>
#include <optional>
#include <utility>

namespace isthmus::broker {

bool PartitionTable::is_buried(const DeletedTopic& topic) const {
  const auto known = buried_.find(topic.id);
  return known != buried_.end() && known->second == topic.version;
}

std::vector<DeletedTopic> PartitionTable::to_bury(const Image& image) const {
  std::vector<DeletedTopic> topics;
  for (const auto& [id, topic] : image.deleted) {
    if (!is_buried(topic)) topics.push_back(topic);
  }
  return topics;
}

io::Task<void> PartitionTable::bury(std::shared_ptr<const Image> image) {
  auto topics = to_bury(*image);
  // Not what is followed still: where this image cannot be, it would be taken for unfinished.
  std::erase_if(buried_, [&](const auto& entry) {
    return !image->deleted.contains(entry.first) && !followed_->deleted.contains(entry.first);
  });
  if (topics.empty() && !dirs_.has_unburied()) co_return;
  auto how = std::make_shared<Burial>();
  const auto done = co_await env_.disk.aside(dirs_.burial(std::move(topics), how));
  tell_of_deletion(done);
  for (const DeletedTopic& topic : how->done) buried_[topic.id] = topic.version;
  dirs_.buried(*how);
}

// One folder after the other, as syncs wait on the same threads. A name is gone when its directory
// was synced: once for all of them.
io::Task<void> PartitionTable::remove(std::vector<std::string> folders, const io::Event* stop) {
  std::map<std::string, std::vector<std::string>> removed;  // by their directories
  for (const std::string& folder : folders) {
    if (stop != nullptr && stop->closed()) {
      dirs_.removed(folder, false);
      continue;
    }
    // One that is not there is removed. Not by exists(), which says so of a disk that errs, too.
    auto work = [&disk = env_.disk, folder] { return disk.remove_folder(folder); };
    const auto done = co_await env_.disk.aside(std::move(work));
    tell_of_deletion(done);
    if (done) removed[io::parent_of(folder)].push_back(folder);
    if (!done) dirs_.removed(folder, false);
  }
  for (const auto& [dir, gone] : removed) {
    auto work = [&disk = env_.disk, dir] { return disk.sync_folder(dir); };
    const auto synced = co_await env_.disk.aside(std::move(work));
    tell_of_deletion(synced);
    for (const std::string& folder : gone) dirs_.removed(folder, synced.has_value());
  }
}

// Once for each reason: it is tried again and again.
void PartitionTable::tell_of_deletion(const Result<void>& how) {
  if (how || how.error().text == deletion_error_) return;
  deletion_error_ = how.error().text;
  log_.error("what is left of a deleted topic stays for now: {}", deletion_error_);
}

bool PartitionTable::has_deletions() const {
  return dirs_.has_unburied() || dirs_.has_removable() || !to_bury(*followed_).empty() ||
         !finished_deletions().empty();
}

io::Task<void> PartitionTable::finish_deletions(const io::Event& stop) {
  std::vector<std::string> folders;
  {
    const auto turn = co_await following_.lock();
    co_await bury(followed_);
    folders = dirs_.take_removable();
  }
  co_await remove(std::move(folders), &stop);
}

bool PartitionTable::is_finished(const DeletedTopic& topic, const std::set<Uuid>& removing) const {
  return is_buried(topic) && !removing.contains(topic.id) && !dirs_.is_awaited(topic.id);
}

std::vector<DeletedTopic> PartitionTable::finished_deletions() const {
  std::vector<DeletedTopic> topics;
  if (!dirs_.knows_replaced()) return topics;
  const std::set<Uuid> removing = dirs_.being_removed();
  for (const auto& [id, topic] : followed_->deleted) {
    if (is_finished(topic, removing)) topics.push_back(topic);
  }
  return topics;
}

// Of too many deletions the oldest is forgotten, finished or not (max_deleted_topics). Once, though
// an image that cannot be followed comes again.
void PartitionTable::tell_of_forgotten(std::shared_ptr<const Image> image) {
  const auto before = std::exchange(seen_, std::move(image));
  std::optional<std::set<Uuid>> removing;
  for (const auto& [id, topic] : before->deleted) {
    if (seen_->deleted.contains(id)) continue;
    if (!removing) removing = dirs_.being_removed();
    if (is_finished(topic, *removing)) continue;
    log_.warn("too many deletions are not finished: what is left of topic {}, id {}, stays",
              topic.name, id.to_string());
  }
}

}  // namespace isthmus::broker
