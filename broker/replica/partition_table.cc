#include "broker/replica/partition_table.h"

#include <algorithm>

#include "broker/replica/partition.h"

namespace isthmus::broker {

using kafka::ErrorCode;

namespace {

// Open descriptors of sealed segments: the process may have 20,000, and sockets need theirs.
constexpr size_t max_sealed_files = 4096;
constexpr std::string_view deleted_suffix = "-delete";

// The log belongs to its loop from the first: the descriptors it opens are that loop's.
io::Task<PartitionRef> open_on_loop(io::Loop& loop, FileCache& files, std::string folder,
                                    TopicPartition tp, Uuid topic_id, LogConfig config,
                                    RecoveryHints hints, NodeId node) {
  Logger logger("partitions");
  auto log = Log::open(files, loop, std::move(folder), tp, topic_id, config, hints);
  if (!log) {
    logger.error("partition {} stays offline: {}", tp.to_string(), log.error().text);
    co_return PartitionRef(Outage{log.error().text});
  }
  const RecoveryReport& report = (*log)->recovery();
  if (report.bytes_cut > 0) {
    logger.warn("{}: cut a torn tail of {} bytes at offset {}", tp.to_string(), report.bytes_cut,
                report.end_offset);
  }
  if (report.missing > 0) {
    logger.error(
        "{}: {} offsets below the recovery point are gone: the disk has lost what it had "
        "synced",
        tp.to_string(), report.missing);
  }
  co_return PartitionRef(std::make_shared<Partition>(loop, tp, topic_id, node, std::move(*log)));
}

}  // namespace

PartitionTable::PartitionTable(io::Env& env, PublishedImage& image,
                               std::vector<std::string> log_dirs, ConfigOf config_of)
    : env_(env), image_(image), config_of_(std::move(config_of)) {
  for (auto& path : log_dirs) dirs_.emplace_back().path = std::move(path);
  for (io::Loop* loop : env_.loops) {
    files_.try_emplace(loop, env_.disk, max_sealed_files / env_.loops.size());
  }
}

Result<void> PartitionTable::claim() {
  for (LogDir& dir : dirs_) {
    if (auto ok = io::make_durable_folders(env_.disk, dir.path); !ok) return fail(ok.error());
    auto lock = env_.disk.lock(dir.path + "/.lock");
    if (!lock) return fail(lock.error());
    dir.lock = *lock;
  }
  return {};
}

Result<void> PartitionTable::take_over() {
  for (LogDir& dir : dirs_) {
    auto mark = CleanShutdownMark(env_.disk, dir.path).take();
    if (!mark) return fail(mark.error());
    dir.clean = mark->clean;
    auto points = OffsetCheckpoint(env_.disk, dir.path, OffsetCheckpoint::recovery_points).read();
    if (!points) return fail(points.error());
    dir.recovery_points = std::move(*points);
    auto starts = OffsetCheckpoint(env_.disk, dir.path, OffsetCheckpoint::log_starts).read();
    if (!starts) return fail(starts.error());
    dir.log_starts = std::move(*starts);
    sweep_deleted(dir);
  }
  return {};
}

// Folders of deleted topics that a crash left half removed.
void PartitionTable::sweep_deleted(const LogDir& dir) {
  auto names = env_.disk.list(dir.path);
  if (!names) return;
  for (const auto& name : *names) {
    if (!name.ends_with(deleted_suffix)) continue;
    auto removed = env_.disk.remove_folder(dir.path + "/" + name);
    if (!removed) log_.warn("cannot remove {}/{}: {}", dir.path, name, removed.error().text);
  }
}

// Whether `folder` is the one of this topic, and not of an earlier topic of the same name whose
// deletion a crash has cut short. The latter makes room, but keeps its records: that metadata was
// restored from an old copy looks the same from here.
bool PartitionTable::holds_log_of(const std::string& folder, const Uuid& topic_id) {
  if (!env_.disk.exists(folder)) return false;
  auto id = read_partition_topic_id(env_.disk, folder);
  if (!id || !*id) return true;  // opening it says what is wrong with it
  if (**id == topic_id) return true;
  std::string aside = folder + "." + (*id)->to_string() + "-stray";
  auto moved = env_.disk.rename(folder, aside);
  if (moved) moved = env_.disk.sync_folder(io::parent_of(folder));
  if (!moved) {
    log_.error("cannot move {} away: {}", folder, moved.error().text);
    return true;
  }
  log_.warn("{} belongs to a topic that is gone: moved to {}", folder, aside);
  return false;
}

// What a checkpoint says of a topic that is gone must not be believed of its successor.
void PartitionTable::forget_checkpoints_beyond(const Image& image) {
  auto is_gone = [&image](const auto& entry) {
    const TopicImage* topic = image.find(entry.first.topic);
    return topic == nullptr || entry.first.partition >= std::ssize(topic->partitions);
  };
  for (LogDir& dir : dirs_) {
    std::erase_if(dir.recovery_points, is_gone);
    std::erase_if(dir.log_starts, is_gone);
  }
}

size_t PartitionTable::dir_of(const TopicPartition& tp) {
  auto placed = placed_.find(tp);
  if (placed != placed_.end()) return placed->second;
  size_t best = 0;
  for (size_t i = 0; i < dirs_.size(); ++i) {
    if (env_.disk.exists(dirs_[i].path + "/" + tp.to_string())) {
      best = i;
      break;
    }
    if (dirs_[i].partitions < dirs_[best].partitions) best = i;
  }
  ++dirs_[best].partitions;
  placed_[tp] = best;
  return best;
}

size_t PartitionTable::loop_of(const TopicPartition& tp) const {
  return std::hash<TopicPartition>{}(tp) % env_.loops.size();
}

io::Task<PartitionRef> PartitionTable::open(std::shared_ptr<const Image> image,
                                            std::shared_ptr<const TopicImage> topic,
                                            PartitionIndex index) {
  TopicPartition tp{topic->name, index};
  io::Loop& loop = *env_.loops[loop_of(tp)];
  LogDir& dir = dirs_[dir_of(tp)];
  RecoveryHints hints;
  if (holds_log_of(dir.path + "/" + tp.to_string(), topic->id)) {
    if (auto known = dir.recovery_points.find(tp); known != dir.recovery_points.end()) {
      hints.recovery_point = known->second;
    }
    if (auto known = dir.log_starts.find(tp); known != dir.log_starts.end()) {
      hints.log_start = known->second;
    }
  }
  hints.clean_shutdown = dir.clean;
  // From here on the files are this partition's: what a checkpoint says of an earlier life is used.
  dir.recovery_points.erase(tp);
  dir.log_starts.erase(tp);
  LogConfig config = config_of(*topic);
  auto partition = co_await io::call_on(
      loop, open_on_loop(loop, files_.at(&loop), dir.path + "/" + tp.to_string(), tp, topic->id,
                         config, hints, image->node_id));
  co_return partition;
}

io::Task<void> PartitionTable::follow_topic(std::shared_ptr<const Image> image,
                                            std::shared_ptr<const TopicImage> topic,
                                            Topic& partitions) {
  partitions.resize(topic->partitions.size());
  for (size_t i = 0; i < partitions.size(); ++i) {
    if (!partitions[i]) {
      partitions[i] = co_await open(image, topic, static_cast<PartitionIndex>(i));
    }
    if (partitions[i]) co_await partitions[i].follow(image, topic, config_of(*topic));
  }
}

io::Task<void> PartitionTable::drop(Topic partitions) {
  for (const auto& partition : partitions) {
    if (!partition) continue;
    if (auto placed = placed_.extract(partition.name())) --dirs_[placed.mapped()].partitions;
    auto erased = co_await partition.erase();
    if (!erased) log_.error("{}: {}", partition.name().to_string(), erased.error().text);
  }
}

io::Task<Result<void>> PartitionTable::follow(std::shared_ptr<const Image> image) {
  auto before = followed_;
  Table next = *table_.load();
  std::vector<Topic> dropped;
  for (const auto& [name, topic] : before->topics) {
    const TopicImage* now = image->find(name);
    if (now != nullptr && now->id == topic->id) continue;
    dropped.push_back(std::move(next[name]));
    next.erase(name);
  }
  // Gone from sight before their logs close.
  if (!dropped.empty()) table_.store(std::make_shared<const Table>(next));
  for (auto& topic : dropped) co_await drop(std::move(topic));
  forget_checkpoints_beyond(*image);
  if (!dropped.empty()) {
    auto noted = co_await checkpoint();
    if (!noted) co_return noted;
  }
  bool links_changed = false;
  for (const auto& [name, link] : image->links) {
    auto known = before->links.find(name);
    links_changed |= known == before->links.end() || known->second.version != link.version;
  }
  for (const auto& [name, topic] : image->topics) {
    auto known = before->topics.find(name);
    bool same = known != before->topics.end() && known->second == topic;
    if (same && !(links_changed && topic->is_mirror())) continue;
    co_await follow_topic(image, topic, next[name]);
  }
  table_.store(std::make_shared<const Table>(std::move(next)));
  followed_ = std::move(image);
  co_return Result<void>{};
}

PartitionRef PartitionTable::find(const std::string& topic, PartitionIndex index) const {
  auto table = table_.load(std::memory_order_acquire);
  auto found = table->find(topic);
  if (found != table->end() && index >= 0 && index < std::ssize(found->second)) {
    return found->second[static_cast<size_t>(index)];
  }
  auto image = image_.load();
  const TopicImage* known = image->find(topic);
  const bool exists = known != nullptr && index >= 0 && index < std::ssize(known->partitions);
  return PartitionRef(exists ? ErrorCode::not_leader_or_follower
                             : ErrorCode::unknown_topic_or_partition);
}

std::vector<PartitionRef> PartitionTable::all_of(const std::string& topic) const {
  auto table = table_.load(std::memory_order_acquire);
  auto found = table->find(topic);
  if (found == table->end()) return {};
  Topic partitions = found->second;
  std::erase_if(partitions, [](const PartitionRef& partition) { return !partition; });
  return partitions;
}

std::vector<PartitionRef> PartitionTable::all() const {
  auto table = table_.load(std::memory_order_acquire);
  std::vector<PartitionRef> everything;
  for (const auto& [name, partitions] : *table) {
    for (const auto& partition : partitions) {
      if (partition) everything.push_back(partition);
    }
  }
  return everything;
}

std::vector<PartitionTable::Offline> PartitionTable::offline() const {
  auto table = table_.load(std::memory_order_acquire);
  std::vector<Offline> all;
  for (const auto& [name, partitions] : *table) {
    for (size_t i = 0; i < partitions.size(); ++i) {
      auto outage = partitions[i].outage();
      if (outage) all.push_back({{name, static_cast<PartitionIndex>(i)}, std::move(outage)});
    }
  }
  std::ranges::sort(all, {}, &Offline::name);
  return all;
}

io::Task<Result<void>> PartitionTable::checkpoint() {
  std::vector<OffsetCheckpoint::Offsets> points(dirs_.size()), starts(dirs_.size()),
      watermarks(dirs_.size());
  for (auto& partition : all()) {
    TopicPartition tp = partition.name();
    auto marks = co_await partition.marks();
    if (find(tp.topic, tp.partition) != partition) continue;  // deleted meanwhile
    size_t dir = dir_of(tp);
    points[dir][tp] = marks.recovery_point;
    starts[dir][tp] = marks.log_start;
    watermarks[dir][tp] = marks.high_watermark;
  }
  for (size_t i = 0; i < dirs_.size(); ++i) {
    const std::string& path = dirs_[i].path;
    // Partitions that could not be opened keep what was known of them.
    points[i].insert(dirs_[i].recovery_points.begin(), dirs_[i].recovery_points.end());
    starts[i].insert(dirs_[i].log_starts.begin(), dirs_[i].log_starts.end());
    auto write = [&](const char* name, const OffsetCheckpoint::Offsets& offsets) {
      return OffsetCheckpoint(env_.disk, path, name).write(offsets);
    };
    if (auto ok = write(OffsetCheckpoint::recovery_points, points[i]); !ok) co_return ok;
    if (auto ok = write(OffsetCheckpoint::log_starts, starts[i]); !ok) co_return ok;
    if (auto ok = write(OffsetCheckpoint::high_watermarks, watermarks[i]); !ok) co_return ok;
  }
  co_return Result<void>{};
}

namespace {
io::Task<Histogram> copy_of(const Histogram& histogram) { co_return histogram; }
}  // namespace

io::Task<Histogram> PartitionTable::fsyncs() {
  Histogram all;
  for (io::Loop* loop : env_.loops) {
    const Histogram one = co_await io::call_on(*loop, copy_of(files_.at(loop).fsyncs()));
    all.add(one);
  }
  co_return all;
}

io::Task<void> PartitionTable::apply_retention() {
  for (auto& partition : all()) {
    auto done = co_await partition.apply_retention();
    if (done) continue;
    Logger(partition.name().to_string()).error("retention failed: {}", done.error().text);
  }
}

io::Task<void> PartitionTable::close() {
  auto everything = all();
  bool clean = true;
  for (auto& partition : everything) {
    auto flushed = co_await partition.sync();
    clean &= flushed.has_value();
  }
  auto written = co_await checkpoint();
  clean &= written.has_value();
  for (auto& partition : everything) {
    auto closed = co_await partition.close();
    clean &= closed.has_value();
  }
  table_.store(std::make_shared<const Table>());
  if (!clean) co_return;
  for (const LogDir& dir : dirs_) {
    auto marked = CleanShutdownMark(env_.disk, dir.path).leave(image_.load()->starts);
    if (!marked) log_.warn("no clean stop in {}: {}", dir.path, marked.error().text);
  }
}

}  // namespace isthmus::broker
