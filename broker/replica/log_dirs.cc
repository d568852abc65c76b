#include "broker/replica/log_dirs.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>

#include "broker/log/doomed.h"

namespace isthmus::broker {

namespace {

constexpr const char* checkpoint_names[] = {OffsetCheckpoint::recovery_points,
                                            OffsetCheckpoint::log_starts,
                                            OffsetCheckpoint::high_watermarks};

}  // namespace

LogDirs::LogDirs(io::Disk& disk, std::vector<std::string> paths) : disk_(disk) {
  for (auto& path : paths) dirs_.emplace_back().path = std::move(path);
}

Result<void> LogDirs::claim() {
  if (auto done = claim(dirs_.front(), true); !done) return done;
  auto assigned = Assignments::read(disk_, dirs_.front().path);
  if (!assigned) return fail(assigned.error());
  had_assignments_ = assigned->has_value();
  if (*assigned) assignments_ = std::move(**assigned);
  auto followed = FollowedMetadata::read(disk_, dirs_.front().path);
  if (!followed) return fail(followed.error());
  followed_ = *followed;
  for (Dir& dir : std::span(dirs_).subspan(1)) {
    if (auto done = claim(dir, false); !done) return done;
  }
  return {};
}

Result<void> LogDirs::claim(Dir& dir, bool first) {
  const auto held = assignments_.held_at(dir.path);
  if (!first && held && !disk_.exists(dir.path + "/meta.properties")) {
    log_.error(
        "{} is empty or not mounted: directory {} was there, and its partitions stay offline",
        dir.path, held->to_string());
    dir.present = false;
    return {};
  }
  auto made = io::make_durable_folders(disk_, dir.path);
  Result<std::shared_ptr<void>> lock = fail(made ? Error{} : made.error());
  if (made) lock = disk_.lock(dir.path + "/.lock");
  if (lock) {
    dir.lock = std::move(*lock);
    return {};
  }
  // A disk that is broken takes its partitions with it, not the others. Of the first one the
  // metadata is needed.
  if (first || lock.error().kind != Error::Kind::io) return fail(lock.error());
  log_.error("{}: {}; its partitions stay offline", dir.path, lock.error().text);
  dir.present = false;
  return {};
}

std::vector<std::string> LogDirs::present() const {
  std::vector<std::string> paths;
  for (const Dir& dir : dirs_) {
    if (dir.present) paths.push_back(dir.path);
  }
  return paths;
}

Result<void> LogDirs::take_over() {
  for (Dir& dir : dirs_) {
    if (!dir.present) continue;
    if (auto done = take_over(dir); !done) return done;
  }
  give_up_replaced();
  return {};
}

// A new directory where another one was last seen, of which nothing was missed but deleted topics,
// and partitions that were given up (claim()): nobody waits for those any more. When all are known,
// as it may be elsewhere now.
void LogDirs::give_up_replaced() {
  const auto is_replaced = [&](const Uuid& id, const std::string& path) {
    return find(id) == nullptr && std::ranges::any_of(dirs_, [&](const Dir& dir) {
             return dir.present && dir.is_new && Assignments::is_same(dir.path, path);
           });
  };
  std::set<Uuid> missed, let_go;
  for (const auto& [key, partition] : assignments_.partitions) {
    const bool gone = partition.topic == Assignments::deleted || partition.directory.is_zero();
    (gone ? let_go : missed).insert(partition.directory);
  }
  for (auto& [id, path] : assignments_.directories) {
    const bool may_have_some = let_go.contains(id) || let_go.contains(Uuid());
    if (!may_have_some || missed.contains(id) || !is_replaced(id, path)) continue;
    log_.warn(
        "directory {}, last seen at {}, has been replaced: what it has of deleted topics is not "
        "removed any more, and should it come back, nothing of it is used",
        id.to_string(), path);
    path.clear();
    std::erase_if(assignments_.partitions,
                  [&](const auto& entry) { return entry.second.directory == id; });
    unsaved_ = given_up_unsaved_ = true;
  }
}

Result<void> LogDirs::take_over(Dir& dir) {
  auto properties = MetaProperties::read(disk_, dir.path);
  if (!properties) return fail(properties.error());
  if (*properties) dir.id = (*properties)->directory_id;
  if (assignments_.is_given_up(dir.id)) return refuse_given_up(dir);
  const auto twin = std::ranges::find_if(dirs_, [&](const Dir& other) {
    return &other != &dir && !dir.id.is_zero() && other.id == dir.id;
  });
  if (twin != dirs_.end()) {
    return fail(
        fmt::format("{} and {} are the same directory, {}: one is a copy; remove it from "
                    "log.dirs",
                    twin->path, dir.path, dir.id.to_string()));
  }
  auto mark = CleanShutdownMark(disk_, dir.path).take();
  if (!mark) return fail(mark.error());
  dir.clean = std::move(*mark);
  OffsetCheckpoint::Offsets* const into[] = {&dir.recovery_points, &dir.log_starts,
                                             &dir.high_watermarks};
  for (size_t n = 0; n < std::size(into); ++n) {
    auto offsets = OffsetCheckpoint(disk_, dir.path, checkpoint_names[n]).read();
    if (!offsets) return fail(offsets.error());
    *into[n] = std::move(*offsets);
  }
  // What is not known of a source makes a failover's gap wider, and no start fail.
  auto sources = read_source_marks(disk_, dir.path);
  if (!sources) log_.warn("where the sources of mirrors end is unknown: {}", sources.error().text);
  dir.sources = std::move(sources).value_or(SourceMarks());
  if (!dir.id.is_zero()) {
    const auto [seen, is_new] = assignments_.directories.try_emplace(dir.id, dir.path);
    dir.is_new = is_new;
    unsaved_ = unsaved_ || is_new || seen->second != dir.path;
    seen->second = dir.path;
  }
  find_doomed(dir);
  return {};
}

// Which of its topics were deleted meanwhile nobody knows any more, and a mirror may come again
// under the same id: it would be given its old records.
Result<void> LogDirs::refuse_given_up(Dir& dir) {
  const std::string text = fmt::format(
      "{} is directory {}, which was replaced while it was away: nothing of it is used, as "
      "topics that were deleted may be in it; take it out of log.dirs, or empty it",
      dir.path, dir.id.to_string());
  if (&dir == &dirs_.front()) return fail(text);
  log_.error("{}", text);
  dir.present = false;
  return {};
}

// What a crash left half removed.
void LogDirs::find_doomed(const Dir& dir) {
  auto names = disk_.list(dir.path);
  if (!names) return;
  for (const auto& name : *names) {
    if (!name.ends_with(doomed_suffix)) continue;
    doomed_.push_back(dir.path + "/" + name);
    if (auto removed = partition_of_doomed(doomed_.back())) half_removed_.insert(*removed);
  }
}

io::Disk::Work LogDirs::burial(std::vector<DeletedTopic> topics,
                               std::shared_ptr<Burial> how) const {
  return [&disk = disk_, dirs = present(), topics = std::move(topics), before = doomed_, how] {
    return bury(disk, dirs, topics, before, *how);
  };
}

void LogDirs::buried(const Burial& how) {
  doomed_.clear();
  for (const std::string& folder : how.doomed) {
    const bool durable = !how.not_synced.contains(io::parent_of(folder));
    (durable ? removable_ : doomed_).push_back(folder);
  }
  auto& all = assignments_.partitions;
  for (const DeletedTopic& topic : how.done) {
    auto at = all.lower_bound({topic.id, 0});
    while (at != all.end() && at->first.first == topic.id) {
      Assignments::Partition& assigned = at->second;
      const bool away = !assigned.directory.is_zero() && find(assigned.directory) == nullptr;
      unsaved_ = unsaved_ || !away || assigned.topic != Assignments::deleted;
      if (away) assigned.topic = Assignments::deleted;
      at = away ? std::next(at) : all.erase(at);
    }
  }
}

bool LogDirs::is_awaited(const Uuid& topic_id) const {
  const auto found = assignments_.partitions.lower_bound({topic_id, 0});
  return found != assignments_.partitions.end() && found->first.first == topic_id;
}

std::set<Uuid> LogDirs::being_removed() const {
  std::set<Uuid> topics;
  const auto add = [&](const std::string& folder) {
    if (auto id = topic_of_doomed(folder)) topics.insert(*id);
  };
  std::ranges::for_each(doomed_, add);
  std::ranges::for_each(removable_, add);
  std::ranges::for_each(taken_, add);
  return topics;
}

std::vector<std::string> LogDirs::take_removable() {
  if (unassigned_ != saved_unassigned_) return {};
  taken_.insert(removable_.begin(), removable_.end());
  return std::exchange(removable_, {});
}

void LogDirs::removed(const std::string& folder, bool done) {
  if (taken_.erase(folder) > 0 && !done) removable_.push_back(folder);
}

// Whether the folder there is the one of this topic, and not of an earlier topic of the same name.
// Such a one makes room; of the topics that are not known to be deleted it keeps its records: that
// metadata was restored from an old copy looks the same from here.
Result<void> LogDirs::look_at(size_t dir, const TopicPartition& tp, const Uuid& topic_id,
                              const Image& image, Holders& found) const {
  const std::string& parent = dirs_[dir].path;
  const std::string folder = parent + "/" + tp.to_string();
  if (!disk_.exists(folder)) return {};
  auto id = read_partition_topic_id(disk_, folder);
  if (!id || !*id || **id == topic_id) {
    found.dirs.push_back(dir);  // opening it says what is wrong with it
    return {};
  }
  if (const TopicImage* other = image.find(**id)) {
    return fail(folder + " is that of topic " + other->name + ", and could not be renamed");
  }
  // By its id alone: behind the longest topic names there is no room for it.
  std::string aside = stray_path(folder, **id, tp.partition);
  Result<void> moved;
  if (image.deleted.contains(**id) && !distrusts_) {
    aside = doomed_path(folder, **id, tp.partition);
    moved = doom(disk_, folder, **id, tp.partition);
    if (moved) found.doomed.push_back(aside);
  } else {
    moved = set_aside(disk_, folder, **id, tp.partition);
  }
  if (moved) log_.warn("{} belongs to a topic that is gone: moved to {}", folder, aside);
  return moved ? disk_.sync_folder(parent) : moved;
}

LogDirs::Holders LogDirs::holders(const TopicPartition& tp, const Uuid& topic_id,
                                  const Image& image) const {
  Holders found;
  for (size_t i = 0; i < dirs_.size(); ++i) {
    if (!dirs_[i].present) continue;
    auto seen = look_at(i, tp, topic_id, image, found);
    if (!seen) found.in_the_way = seen.error();
  }
  return found;
}

void LogDirs::note_doomed(const Holders& found) {
  doomed_.insert(doomed_.end(), found.doomed.begin(), found.doomed.end());
}

const LogDirs::Dir* LogDirs::find(const Uuid& id) const {
  const auto found =
      std::ranges::find_if(dirs_, [&](const Dir& dir) { return dir.present && dir.id == id; });
  return found == dirs_.end() ? nullptr : &*found;
}

Error LogDirs::missing_folder(const TopicPartition& tp, const std::string& dir) const {
  return Error::message(fmt::format(
      "its folder {}/{} is gone, though {} is there: bring it back, or begin anew without its "
      "records with `isthmus partition forget {}`",
      dir, tp.to_string(), dir, tp.to_string()));
}

Error LogDirs::missing_directory(const TopicPartition& tp, const Uuid& id) const {
  const auto seen = assignments_.directories.find(id);
  return Error::message(fmt::format(
      "it is in directory {}, last seen at {}, which is not there: mount it and name it in "
      "log.dirs, "
      "or begin anew without its records with `isthmus partition forget {}`",
      id.to_string(), seen == assignments_.directories.end() ? "an unknown path" : seen->second,
      tp.to_string()));
}

Error LogDirs::in_two_directories(const Holders& found) const {
  return Error::message(
      fmt::format("it is in {} and in {}: stop the broker and move one of the two folders away",
                  dirs_[found.dirs[0]].path, dirs_[found.dirs[1]].path));
}

// What the directory says where it is assigned, and the one where it is, should its folder have
// been moved by hand. Others may speak of a topic that had its name while they were away.
RecoveryHints LogDirs::hints_of(const TopicPartition& tp, const Uuid& topic_id,
                                const Dir& dir) const {
  RecoveryHints hints;
  const auto* assigned = assignments_.find(topic_id, tp.partition);
  const bool anywhere = assigned == nullptr || assigned->directory.is_zero();
  for (const Dir& other : dirs_) {
    if (!anywhere && &other != &dir && other.id != assigned->directory) continue;
    if (auto known = other.recovery_points.find(tp); known != other.recovery_points.end()) {
      hints.recovery_point = std::max(hints.recovery_point, known->second);
    }
    if (auto known = other.log_starts.find(tp); known != other.log_starts.end()) {
      hints.log_start = std::max(hints.log_start, known->second);
    }
  }
  hints.clean_shutdown = dir.clean.clean && !dir.clean.except.contains(tp.to_string());
  return hints;
}

// The latest, should its folder have been moved by hand.
std::optional<SourceMark> LogDirs::source_of(const TopicPartition& tp) const {
  std::optional<SourceMark> latest;
  for (const Dir& dir : dirs_) {
    const auto known = dir.sources.find(tp);
    if (known == dir.sources.end()) continue;
    if (!latest || latest->heard_ms < known->second.heard_ms) latest = known->second;
  }
  return latest;
}

size_t LogDirs::emptiest() const {
  size_t best = 0;
  for (size_t i = 1; i < dirs_.size(); ++i) {
    if (dirs_[i].present && dirs_[i].partitions < dirs_[best].partitions) best = i;
  }
  return best;
}

Result<LogDirs::Place> LogDirs::place(const TopicPartition& tp, const Uuid& topic_id,
                                      bool is_mirror, const Holders& found) {
  const auto* assigned = assignments_.find(topic_id, tp.partition);
  const bool given_up = assigned != nullptr && assigned->directory.is_zero();
  const Dir* expected = assigned == nullptr || given_up ? nullptr : find(assigned->directory);
  if (assigned != nullptr && !given_up && expected == nullptr) {
    return fail(missing_directory(tp, assigned->directory));
  }
  if (found.in_the_way && found.dirs.empty()) {
    return fail("the folder of an earlier topic is in its place: " + found.in_the_way->text);
  }
  if (found.dirs.size() > 1) return fail(in_two_directories(found));
  // Taken away, cut off before that was written down, and given back since: of its folder there is
  // nothing that anybody counts on.
  const bool was_removed =
      found.dirs.empty() && expected != nullptr && half_removed_.contains({topic_id, tp.partition});
  if (found.dirs.empty() && !was_removed) {
    if (expected != nullptr) return fail(missing_folder(tp, expected->path));
    const auto knows = [&](const Dir& dir) { return dir.recovery_points.contains(tp); };
    const auto old = std::ranges::find_if(dirs_, knows);
    // Before assignments were kept, the checkpoints alone knew what there is.
    if (!had_assignments_ && old != dirs_.end()) return fail(missing_folder(tp, old->path));
  }
  const size_t index = found.dirs.empty() ? emptiest() : found.dirs.front();
  if (placed_.insert_or_assign(tp, index).second) ++dirs_[index].partitions;
  Place place{dirs_[index].path + "/" + tp.to_string(), {}, source_of(tp)};
  if (!found.dirs.empty()) {
    place.hints = hints_of(tp, topic_id, dirs_[index]);
    const auto known = dirs_[index].high_watermarks.find(tp);
    if (known != dirs_[index].high_watermarks.end()) place.high_watermark = known->second;
  } else if (given_up || was_removed) {
    place.begins_anew = true;
    if (is_mirror || was_removed) return place;
    // No offset that consumers may have committed is given out again.
    const RecoveryHints before = hints_of(tp, topic_id, dirs_[index]);
    place.hints.log_start = std::max(before.recovery_point, before.log_start);
  }
  return place;
}

void LogDirs::assign(const TopicPartition& tp, const Uuid& topic_id) {
  const Uuid& id = dirs_[placed_.at(tp)].id;
  auto& assigned = assignments_.partitions[{topic_id, tp.partition}];
  half_removed_.erase({topic_id, tp.partition});
  if (id.is_zero() || assigned.directory == id) return;
  assigned = {tp.topic, id};
  unsaved_ = true;
}

void LogDirs::opened(const TopicPartition& tp) {
  for (Dir& dir : dirs_) {
    dir.recovery_points.erase(tp);
    dir.log_starts.erase(tp);
    dir.high_watermarks.erase(tp);
    dir.sources.erase(tp);
  }
}

void LogDirs::not_opened(const TopicPartition& tp) {
  if (const auto placed = placed_.find(tp); placed != placed_.end()) {
    dirs_[placed->second].clean.except.insert(tp.to_string());
  }
}

std::optional<std::string> LogDirs::folder_of(const TopicPartition& tp) const {
  const auto placed = placed_.find(tp);
  if (placed == placed_.end()) return std::nullopt;
  return dirs_[placed->second].path + "/" + tp.to_string();
}

void LogDirs::closed(const TopicPartition& tp, const std::optional<Offsets>& offsets) {
  const auto placed = placed_.extract(tp);
  if (!placed) return;
  Dir& dir = dirs_[placed.mapped()];
  --dir.partitions;
  dir.clean.except.insert(tp.to_string());
  if (!offsets) return;
  dir.recovery_points[tp] = offsets->recovery_point;
  dir.log_starts[tp] = offsets->log_start;
  dir.high_watermarks[tp] = offsets->high_watermark;
  if (offsets->source) dir.sources[tp] = *offsets->source;
}

bool LogDirs::is_assigned(const Uuid& topic_id, PartitionIndex index, const Dir& dir) const {
  const auto* assigned = assignments_.find(topic_id, index);
  return assigned != nullptr && assigned->directory == dir.id;
}

namespace {
bool rename_key(auto& known, const TopicPartition& from, const TopicPartition& to) {
  auto entry = known.extract(from);
  if (!entry) return false;
  entry.key() = to;
  known.insert(std::move(entry));  // unless it has one already, which is later
  return true;
}
}  // namespace

// A successor is assigned where it is before anything is written down of it; not before that was
// done of the one that had its name (PartitionTable::follow).
bool LogDirs::adopt_name(const TopicImage& topic, const TopicImage* successor) {
  bool adopted = false;
  for (PartitionIndex i = 0; i < std::ssize(topic.partitions); ++i) {
    const auto assigned = assignments_.partitions.find({topic.id, i});
    if (assigned != assignments_.partitions.end() && assigned->second.topic != topic.name) {
      assigned->second.topic = topic.name;
      unsaved_ = true;
    }
    const TopicPartition from{topic.renamed_from, i}, to{topic.name, i};
    for (Dir& dir : dirs_) {
      if (successor != nullptr && is_assigned(successor->id, i, dir)) continue;
      adopted |= rename_key(dir.recovery_points, from, to);
      adopted |= rename_key(dir.log_starts, from, to);
      adopted |= rename_key(dir.high_watermarks, from, to);
      adopted |= rename_key(dir.sources, from, to);
      if (dir.clean.except.contains(from.to_string())) dir.clean.except.insert(to.to_string());
    }
  }
  return adopted;
}

void LogDirs::forget(const TopicPartition& tp, const Uuid& topic_id) {
  for (Dir& dir : dirs_) {
    dir.recovery_points.erase(tp);
    dir.log_starts.erase(tp);
    dir.high_watermarks.erase(tp);
    dir.sources.erase(tp);
  }
  const auto placed = placed_.extract(tp);
  if (!placed) return;
  Dir& dir = dirs_[placed.mapped()];
  --dir.partitions;
  doomed_.push_back(doomed_path(dir.path + "/" + tp.to_string(), topic_id, tp.partition));
}

std::optional<std::string> LogDirs::assigned_folder(const TopicPartition& tp,
                                                    const Uuid& topic_id) const {
  const auto* assigned = assignments_.find(topic_id, tp.partition);
  const Dir* dir = assigned == nullptr ? nullptr : find(assigned->directory);
  if (dir == nullptr) return std::nullopt;
  return dir->path + "/" + tp.to_string();
}

void LogDirs::doomed(const std::string& folder, const Uuid& topic_id, PartitionIndex index) {
  doomed_.push_back(doomed_path(folder, topic_id, index));
}

void LogDirs::unassign(const TopicPartition& tp, const Uuid& topic_id) {
  if (assignments_.partitions.erase({topic_id, tp.partition}) == 0) return;
  unsaved_ = true;
  ++unassigned_;
}

void LogDirs::forget_all_but(const Exists& exists) {
  const auto gone = [&](const auto& entry) { return !exists(entry.first, {}); };
  for (Dir& dir : dirs_) {
    std::erase_if(dir.recovery_points, gone);
    std::erase_if(dir.log_starts, gone);
    std::erase_if(dir.high_watermarks, gone);
    std::erase_if(dir.sources, gone);
  }
  const auto erased = std::erase_if(assignments_.partitions, [&](const auto& entry) {
    return !exists({entry.second.topic, entry.first.second}, entry.first.first);
  });
  unsaved_ = unsaved_ || erased > 0;
}

io::Disk::Work LogDirs::assignments_to_save() {
  if (!unsaved_ && had_assignments_) return nullptr;
  unsaved_ = false;
  saving_unassigned_ = unassigned_;
  return [&disk = disk_, all = assignments_, dir = dirs_.front().path] {
    return all.write(disk, dir);
  };
}

io::Disk::Work LogDirs::followed_to_save(const FollowedMetadata& now) const {
  return [&disk = disk_, now, dir = dirs_.front().path] { return now.write(disk, dir); };
}

void LogDirs::saved(const Result<void>& how) {
  (how ? had_assignments_ : unsaved_) = true;
  if (!how) return;
  given_up_unsaved_ = false;
  saved_unassigned_ = saving_unassigned_;
}

io::Disk::Work LogDirs::checkpoints_to_write(const std::map<TopicPartition, Offsets>& open) {
  struct Files {
    std::array<OffsetCheckpoint::Offsets, 3> offsets;
    SourceMarks sources;
  };
  std::vector<Files> all(dirs_.size());
  for (const auto& [tp, offsets] : open) {
    const auto placed = placed_.find(tp);
    if (placed == placed_.end()) continue;
    auto& [points, starts, watermarks] = all[placed->second].offsets;
    points[tp] = offsets.recovery_point;
    starts[tp] = offsets.log_start;
    watermarks[tp] = offsets.high_watermark;
    if (offsets.source) all[placed->second].sources[tp] = *offsets.source;
  }
  std::vector<std::pair<std::string, Files>> to_write;
  for (size_t i = 0; i < dirs_.size(); ++i) {
    const Dir& dir = dirs_[i];
    if (!dir.present) continue;
    const OffsetCheckpoint::Offsets* kept[] = {&dir.recovery_points, &dir.log_starts,
                                               &dir.high_watermarks};
    Files& files = all[i];
    for (size_t n = 0; n < files.offsets.size(); ++n) {
      files.offsets[n].insert(kept[n]->begin(), kept[n]->end());
    }
    files.sources.insert(dir.sources.begin(), dir.sources.end());
    to_write.emplace_back(dir.path, std::move(all[i]));
  }
  return [&disk = disk_, to_write = std::move(to_write)]() -> Result<void> {
    for (const auto& [dir, files] : to_write) {
      for (size_t n = 0; n < files.offsets.size(); ++n) {
        auto done = OffsetCheckpoint(disk, dir, checkpoint_names[n]).write(files.offsets[n]);
        if (!done) return done;
      }
      if (auto done = write_source_marks(disk, dir, files.sources); !done) return done;
    }
    return {};
  };
}

void LogDirs::leave_clean_marks(int64_t broker_epoch, const std::set<std::string>& except) {
  for (const Dir& dir : dirs_) {
    if (!dir.present) continue;
    auto marked = CleanShutdownMark(disk_, dir.path).leave(broker_epoch, except);
    if (!marked) log_.warn("no clean stop in {}: {}", dir.path, marked.error().text);
  }
}

}  // namespace isthmus::broker
