#include "broker/repair/offline_partitions.h"

#include <fmt/format.h>

#include <algorithm>

#include "broker/log/cut_mark.h"
#include "broker/log/recovery.h"
#include "broker/log/text_checkpoint.h"

namespace isthmus::broker {

std::optional<TopicPartition> parse_partition(std::string_view name) {
  const size_t dash = name.rfind('-');
  if (dash == std::string_view::npos || dash == 0) return std::nullopt;
  auto index = parse_number<PartitionIndex>(name.substr(dash + 1), {});
  if (!index || *index < 0) return std::nullopt;
  return TopicPartition{std::string(name.substr(0, dash)), *index};
}

std::string Whereabouts::to_string() const {
  const std::string folder = folders.empty() ? "" : folders.front();
  switch (state) {
    case State::there: return folder;
    case State::twice:
      return fmt::format("in {} and in {}: move one of them away", folder, folders.back());
    case State::no_folder: return fmt::format("its folder {} is gone", folder);
    case State::no_directory:
      return fmt::format("directory {} is not there, with its folder {}", directory.to_string(),
                         folder);
    case State::given_up: return "given up: it begins anew at the broker's next start";
    case State::unknown: break;
  }
  return "this broker has no such partition";
}

Result<OfflinePartitions> OfflinePartitions::open(io::Disk& disk,
                                                  std::vector<std::string> log_dirs) {
  OfflinePartitions broker(disk, std::move(log_dirs));
  if (auto done = broker.claim(); !done) return fail(done.error());
  return broker;
}

Result<void> OfflinePartitions::claim() {
  for (const std::string& dir : dirs_) {
    const bool first = dir == dirs_.front();
    const bool there = disk_->exists(dir + "/meta.properties");
    if (first && !there) return fail(dir + ": no broker has kept its data here: correct log.dirs");
    if (!there) continue;
    auto properties = MetaProperties::read(*disk_, dir);
    if (!properties) return fail(properties.error());
    if (*properties) ids_[dir] = (*properties)->directory_id;
    if (first) {
      auto turn = disk_->lock(dir + "/.repair-lock");
      if (!turn && turn.error().kind == Error::Kind::io) return fail(turn.error());
      if (!turn) return fail(dir + ": another `isthmus partition` works here: wait for it");
      locks_.push_back(std::move(*turn));
    }
    auto lock = disk_->lock(dir + "/.lock");
    if (!lock && lock.error().kind == Error::Kind::io) return fail(lock.error());
    broker_runs_ = broker_runs_ || !lock;
    if (lock) locks_.push_back(std::move(*lock));
  }
  auto assignments = Assignments::read(*disk_, dirs_.front());
  if (!assignments) return fail(assignments.error());
  assignments_ = std::move(*assignments);
  if (!assignments_) return {};
  // The broker uses nothing of these.
  std::erase_if(ids_, [&](const auto& entry) { return assignments_->is_given_up(entry.second); });
  return {};
}

Result<void> OfflinePartitions::may_work_on(const Whereabouts& place) const {
  const bool there = place.state == Whereabouts::State::there;
  if (!broker_runs_ || (there && has_quarantine(*disk_, place.folders.front()))) return {};
  return fail(fmt::format("a broker runs here{}: stop it first",
                          there ? ", and has not marked the partition as damaged" : ""));
}

Result<void> OfflinePartitions::read_hints(const TopicPartition& tp, const std::string& dir,
                                           RecoveryHints& hints) const {
  const auto take = [&](const char* name, Offset& into) -> Result<void> {
    auto offsets = OffsetCheckpoint(*disk_, dir, name).read();
    if (!offsets) return fail(offsets.error());
    if (const auto known = offsets->find(tp); known != offsets->end()) {
      into = std::max(into, known->second);
    }
    return {};
  };
  if (auto done = take(OffsetCheckpoint::recovery_points, hints.recovery_point); !done) {
    return done;
  }
  return take(OffsetCheckpoint::log_starts, hints.log_start);
}

Result<Whereabouts> OfflinePartitions::find(const TopicPartition& tp) const {
  using State = Whereabouts::State;
  Whereabouts place;
  for (const auto& [dir, id] : ids_) {
    if (auto done = read_hints(tp, dir, place.hints); !done) return fail(done.error());
    const std::string folder = dir + "/" + tp.to_string();
    if (disk_->exists(folder)) place.folders.push_back(folder);
  }
  if (!place.folders.empty()) {
    place.state = place.folders.size() == 1 ? State::there : State::twice;
    return place;
  }
  const bool in_checkpoint = place.hints.recovery_point > 0 || place.hints.log_start > 0;
  if (!assignments_) {
    if (in_checkpoint) place.state = State::no_folder;
    if (in_checkpoint) place.folders = {dirs_.front() + "/" + tp.to_string()};
    return place;
  }
  for (const auto& [key, assigned] : assignments_->partitions) {
    if (assigned.topic != tp.topic || key.second != tp.partition) continue;
    place.directory = assigned.directory;
    if (assigned.directory.is_zero()) {
      place.state = State::given_up;
      return place;
    }
    const auto seen = assignments_->directories.find(assigned.directory);
    const std::string dir = seen == assignments_->directories.end() ? "?" : seen->second;
    place.folders = {dir + "/" + tp.to_string()};
    const bool there = std::ranges::any_of(
        ids_, [&](const auto& entry) { return entry.second == assigned.directory; });
    place.state = there ? State::no_folder : State::no_directory;
  }
  return place;
}

Result<Diagnosis> OfflinePartitions::diagnose(const Whereabouts& place, const LogConfig& config) {
  return broker::diagnose(*files_, place.folders.front(), place.hints, config.durability);
}

Result<void> OfflinePartitions::save(const Whereabouts& place, const Diagnosis& found,
                                     const std::string& path) {
  return export_batches(*files_, place.folders.front(), found, path);
}

std::string OfflinePartitions::export_path(const Whereabouts& place, const Diagnosis& found) const {
  return fmt::format("{}.from-{:020}.log", place.folders.front(), found.end);
}

Result<void> OfflinePartitions::repair(const Whereabouts& place, const Diagnosis& found,
                                       const LogConfig& config) {
  if (!found.damage) return remove_quarantine(*disk_, place.folders.front());
  // Whoever counts on this broker for what is cut now has to hear of it.
  if (auto marked = write_cut_mark(*disk_, place.folders.front()); !marked) return marked;
  RecoveryHints hints = place.hints;
  hints.cut_from = found.end;
  SyncedEnd synced(*files_, SyncedEnd::path_in(place.folders.front()));
  auto log = recover_log(*files_, place.folders.front(), config, hints, synced);
  if (!log) return fail(log.error());
  return {};
}

Result<void> OfflinePartitions::forget(const TopicPartition& tp) {
  if (assignments_) {
    for (auto& [key, assigned] : assignments_->partitions) {
      if (assigned.topic == tp.topic && key.second == tp.partition) assigned.directory = {};
    }
    return assignments_->write(*disk_, dirs_.front());
  }
  for (const auto& [dir, id] : ids_) {
    for (const char* name : {OffsetCheckpoint::recovery_points, OffsetCheckpoint::log_starts}) {
      OffsetCheckpoint checkpoint(*disk_, dir, name);
      auto offsets = checkpoint.read();
      if (!offsets) return fail(offsets.error());
      if (offsets->erase(tp) == 0) continue;
      if (auto done = checkpoint.write(*offsets); !done) return done;
    }
  }
  return {};
}

}  // namespace isthmus::broker
