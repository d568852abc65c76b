#include "broker/replica/partition_table.h"

#include <algorithm>

#include "broker/log/quarantine.h"
#include "broker/replica/partition.h"

namespace isthmus::broker {

using kafka::ErrorCode;

namespace {

// Open descriptors of sealed segments: the process may have 20,000, and sockets need theirs.
constexpr size_t max_sealed_files = 4096;
constexpr size_t max_cuts = 1000;  // that are remembered one by one

struct Opened {
  PartitionRef partition;
  RecoveryReport report;
};

// The log belongs to its loop from the first: the descriptors it opens are that loop's.
io::Task<Result<Opened>> open_on_loop(io::Loop& loop, FileCache& files, LogDirs::Place place,
                                      TopicPartition tp, Uuid topic_id, LogConfig config,
                                      NodeId node) {
  auto log = Log::open(files, loop, place.folder, tp, topic_id, config, place.hints);
  if (!log) {
    files.forget_folder(place.folder);
    co_return fail(log.error());
  }
  RecoveryReport report = (*log)->recovery();
  auto partition = std::make_shared<Partition>(loop, tp, topic_id, node, std::move(*log));
  co_return Opened{PartitionRef(std::move(partition)), std::move(report)};
}

}  // namespace

PartitionTable::PartitionTable(io::Env& env, PublishedImage& image,
                               std::vector<std::string> log_dirs, ConfigOf config_of)
    : env_(env),
      image_(image),
      config_of_(std::move(config_of)),
      dirs_(env.disk, std::move(log_dirs)),
      following_(env.main_loop()) {
  for (io::Loop* loop : env_.loops) {
    files_.try_emplace(loop, env_.disk, max_sealed_files / env_.loops.size());
  }
}

void PartitionTable::forget_all_beyond(const Image& image) {
  dirs_.forget_all_but([&image](const TopicPartition& tp, const Uuid& id) {
    const TopicImage* topic = image.find(tp.topic);
    if (topic == nullptr || (!id.is_zero() && topic->id != id)) return false;
    return tp.partition < std::ssize(topic->partitions);
  });
}

size_t PartitionTable::loop_of(const TopicPartition& tp) const {
  return std::hash<TopicPartition>{}(tp) % env_.loops.size();
}

io::Task<PartitionRef> PartitionTable::open(std::shared_ptr<const Image> image,
                                            std::shared_ptr<const TopicImage> topic,
                                            PartitionIndex index) {
  TopicPartition tp{topic->name, index};
  io::Loop& loop = *env_.loops[loop_of(tp)];
  auto place = dirs_.place(tp, topic->id, topic->is_mirror());
  if (!place) co_return PartitionRef(Outage{place.error().text});
  LogConfig config = config_of(*topic);
  auto opened = co_await io::call_on(
      loop, open_on_loop(loop, files_.at(&loop), *place, tp, topic->id, config, image->node_id));
  quarantined_.erase(tp);
  if (!opened) {
    dirs_.not_opened(tp);
    if (has_quarantine(env_.disk, place->folder)) quarantined_[tp] = place->folder;
    co_return PartitionRef(Outage{opened.error().text});
  }
  dirs_.opened(tp, topic->id);
  const RecoveryReport& report = opened->report;
  if (report.bytes_cut > 0 && cuts_.size() < max_cuts) {
    cuts_.push_back({tp, report.end_offset, report.bytes_cut, report.cut_file});
  }
  co_return opened->partition;
}

// Once for each reason: every change of its topic tries anew.
void PartitionTable::tell(const TopicPartition& tp, const Outage* before, const Outage* now) {
  if (now == nullptr || (before != nullptr && before->reason == now->reason)) return;
  log_.error("partition {} stays offline: {}", tp.to_string(), now->reason);
}

io::Task<void> PartitionTable::follow_topic(std::shared_ptr<const Image> image,
                                            std::shared_ptr<const TopicImage> topic,
                                            Topic& partitions) {
  partitions.resize(topic->partitions.size());
  for (size_t i = 0; i < partitions.size(); ++i) {
    if (!partitions[i]) {
      const auto index = static_cast<PartitionIndex>(i);
      const auto before = partitions[i].outage();
      partitions[i] = co_await open(image, topic, index);
      tell({topic->name, index}, before.get(), partitions[i].outage().get());
    }
    if (partitions[i]) co_await partitions[i].follow(image, topic, config_of(*topic));
  }
}

io::Task<void> PartitionTable::drop(std::shared_ptr<const TopicImage> topic, Topic partitions) {
  for (size_t i = 0; i < partitions.size(); ++i) {
    const TopicPartition tp{topic->name, static_cast<PartitionIndex>(i)};
    dirs_.forget(tp, topic->id);
    quarantined_.erase(tp);
    if (!partitions[i]) continue;
    auto erased = co_await partitions[i].erase();
    if (!erased) log_.error("{}: {}", tp.to_string(), erased.error().text);
  }
}

io::Task<Result<void>> PartitionTable::follow(std::shared_ptr<const Image> image) {
  const auto turn = co_await following_.lock();
  auto before = followed_;
  Table next = *table_.load();
  std::vector<std::pair<std::shared_ptr<const TopicImage>, Topic>> dropped;
  for (const auto& [name, topic] : before->topics) {
    const TopicImage* now = image->find(name);
    if (now != nullptr && now->id == topic->id) continue;
    dropped.emplace_back(topic, std::move(next[name]));
    next.erase(name);
  }
  // Gone from sight before their logs close.
  if (!dropped.empty()) table_.store(std::make_shared<const Table>(next));
  for (auto& [topic, partitions] : dropped) co_await drop(topic, std::move(partitions));
  forget_all_beyond(*image);
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
  // A partition that is lost before this is written would come back empty; what cannot be written
  // is tried again with the next checkpoint.
  if (auto saved = dirs_.save_assignments(); !saved) {
    log_.error("where partitions are cannot be noted: {}", saved.error().text);
  }
  table_.store(std::make_shared<const Table>(std::move(next)));
  followed_ = std::move(image);
  co_return Result<void>{};
}

io::Task<void> PartitionTable::open_repaired() {
  const auto turn = co_await following_.lock();
  std::set<std::string> topics;
  for (const auto& [tp, folder] : quarantined_) {
    if (!has_quarantine(env_.disk, folder)) topics.insert(tp.topic);
  }
  if (topics.empty()) co_return;
  auto image = followed_;
  Table next = *table_.load();
  for (const std::string& name : topics) {
    log_.info("topic {} has been repaired: opening it", name);
    co_await follow_topic(image, image->topics.at(name), next[name]);
  }
  table_.store(std::make_shared<const Table>(std::move(next)));
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
  std::map<TopicPartition, LogDirs::Offsets> open;
  std::vector<std::pair<PartitionRef, uint64_t>> doubting;
  for (auto& partition : all()) {
    TopicPartition tp = partition.name();
    auto marks = co_await partition.marks();
    if (find(tp.topic, tp.partition) != partition) continue;  // deleted meanwhile
    open[tp] = {marks.recovery_point, marks.log_start, marks.high_watermark};
    if (marks.doubts_checkpoint) doubting.emplace_back(partition, marks.cuts);
  }
  if (auto written = dirs_.write_checkpoints(open); !written) co_return written;
  for (const auto& [partition, cuts] : doubting) co_await partition.checkpointed(cuts);
  co_return dirs_.save_assignments();
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
  // What is not open, or does not close, is not covered by the mark of a clean stop.
  std::set<std::string> not_closed;
  for (const auto& [name, topic] : followed_->topics) {
    for (size_t i = 0; i < topic->partitions.size(); ++i) {
      not_closed.insert(TopicPartition{name, static_cast<PartitionIndex>(i)}.to_string());
    }
  }
  std::set<std::string> synced;
  for (auto& partition : everything) {
    auto flushed = co_await partition.sync();
    if (flushed) synced.insert(partition.name().to_string());
  }
  auto written = co_await checkpoint();
  for (auto& partition : everything) {
    const std::string name = partition.name().to_string();
    auto closed = co_await partition.close();
    if (closed && synced.contains(name)) not_closed.erase(name);
  }
  table_.store(std::make_shared<const Table>());
  if (written) dirs_.leave_clean_marks(image_.load()->starts, not_closed);
}

}  // namespace isthmus::broker
