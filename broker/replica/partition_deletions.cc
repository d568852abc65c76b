// What the table does about deleted topics, and replicas that were taken away: it buries and
// removes what is left of them (burial.h), and says of which topics nothing is left.
#include "broker/replica/partition_table.h"

#include <map>
#include <optional>
#include <utility>

#include "broker/log/checkpoints.h"
#include "broker/log/doomed.h"
#include "kafka/errors.h"

namespace isthmus::broker {

// Those of topics that have changed; after a start all.
namespace {

// It was taken away, and has come back before that was followed: by what was heard since, its log
// may be counted on.
bool is_held_by_now(const Image& heard, const Image& image, const TopicImage& topic,
                    PartitionIndex index, NodeId self) {
  if (heard.number <= image.number) return false;
  const TopicImage* now = heard.find(topic.id);
  return now != nullptr && index < std::ssize(now->partitions) &&
         now->partitions[static_cast<size_t>(index)].has_replica(self);
}

}  // namespace

std::vector<PartitionTable::Unheld> PartitionTable::take_unheld(const Image& before,
                                                                const Image& image,
                                                                Table& next) const {
  std::vector<Unheld> unheld;
  for (const auto& [name, topic] : image.topics) {
    const auto known = before.topics.find(name);
    if (known != before.topics.end() && known->second == topic) continue;
    const auto there = next.find(name);
    for (PartitionIndex i = 0; i < std::ssize(topic->partitions); ++i) {
      if (topic->partitions[static_cast<size_t>(i)].has_replica(self_)) continue;
      if (is_held_by_now(*heard_, image, *topic, i, self_)) continue;
      const bool is_listed = there != next.end() && i < std::ssize(there->second);
      PartitionRef* place = is_listed ? &there->second[static_cast<size_t>(i)] : nullptr;
      const bool is_open = place != nullptr && *place;
      if (!is_open && !dirs_.assigned_folder({name, i}, topic->id)) continue;
      unheld.push_back({topic, i, is_open ? *place : PartitionRef()});
      if (place != nullptr) *place = PartitionRef(kafka::ErrorCode::not_leader_or_follower);
    }
  }
  return unheld;
}

io::Task<bool> PartitionTable::doom_unheld(const Unheld& one) {
  const TopicPartition tp{one.topic->name, one.index};
  const Uuid id = one.topic->id;
  const auto folder = dirs_.assigned_folder(tp, id);
  dirs_.forget(tp, id);
  quarantined_.erase(tp);
  in_the_way_.erase(tp);
  const bool is_open = static_cast<bool>(one.partition);
  if (is_open || !dirs_.distrusts()) {
    log_.info("{}: has no replica here any more, and its records are removed", tp.to_string());
  }
  Result<void> done;
  if (is_open) {
    done = co_await one.partition.erase();
  } else if (folder) {
    done = co_await remove_unheld(*folder, id, tp.partition);
  }
  if (!done) log_.error("{}: {}", tp.to_string(), done.error().text);
  co_return done.has_value();
}

void PartitionTable::distrust() {
  dirs_.distrust();
  const auto& followed = dirs_.followed();
  log_.error(
      "the metadata are not those that this broker has followed (commit {} of them, {}): they were "
      "restored from an older copy, or made anew. What they do not name of what is here is not "
      "removed, but set aside as <topic id>.<partition>-stray: bring the later metadata back and "
      "give these folders their names again, or remove them when nothing in them is missed",
      followed ? followed->version : -1, followed ? followed->commit.to_string() : "?");
}

// Of one that is not open.
io::Task<Result<void>> PartitionTable::remove_unheld(const std::string& folder, const Uuid& id,
                                                     PartitionIndex index) {
  const bool keeps = dirs_.distrusts();
  auto moved = std::make_shared<bool>(false);
  auto work = [&disk = env_.disk, folder, id, index, keeps, moved]() -> Result<void> {
    if (!disk.exists(folder)) return {};
    auto whose = read_partition_topic_id(disk, folder);
    if (!whose && whose.error().kind == Error::Kind::io) return fail(whose.error());
    if (!whose || !*whose || **whose != id) return {};
    if (!keeps) return doom(disk, folder, id, index);
    if (auto done = set_aside(disk, folder, id, index); !done) return done;
    *moved = true;
    return disk.sync_folder(io::parent_of(folder));
  };
  auto done = co_await env_.disk.aside(std::move(work));
  if (done && !keeps) dirs_.doomed(folder, id, index);
  if (*moved) log_.warn("{} is set aside: {}", folder, stray_path(folder, id, index));
  co_return done;
}

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
  how->sets_aside = dirs_.distrusts();
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
