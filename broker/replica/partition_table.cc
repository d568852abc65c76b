#include "broker/replica/partition_table.h"

#include <algorithm>

#include "broker/log/cut_mark.h"
#include "broker/log/opening.h"
#include "broker/log/quarantine.h"
#include "broker/replica/partition.h"
#include "io/parallel.h"
#include "io/turn_watch.h"

namespace isthmus::broker {

using kafka::ErrorCode;

namespace {

// Open descriptors of sealed segments: the process may have 20,000, and sockets need theirs.
constexpr uint64_t max_sealed_files = 4096;
constexpr size_t max_cuts = 1000;  // that are remembered one by one
// Of a damaged replica that could not be cut, to be copied again.
constexpr auto least_pause = std::chrono::seconds(10);
constexpr auto longest_pause = std::chrono::hours(1);

struct Opened {
  PartitionRef partition;
  RecoveryReport report;
};

// How many are opened or closed at a time: at a start and a stop nobody else waits for the disk.
constexpr size_t opened_at_once = 2;
constexpr size_t at_once_alone = 8;
// What one turn of the loop looks at.
constexpr size_t slice = 256;

// On its loop.
io::Task<void> forget_files(FileCache& files, std::string folder) {
  files.forget_folder(folder);
  co_return;
}

// What waits for the disk runs beside the loop. The log belongs to its own from then on: the
// descriptors that it opens are that loop's.
io::Task<Result<Opened>> open_on_loop(io::Loop& loop, FileCache& files, LogDirs::Place place,
                                      TopicPartition tp, Uuid topic_id, LogConfig config,
                                      NodeId node, std::shared_ptr<StorageWatch> room,
                                      ReplicaOptions replication) {
  auto folder = std::make_shared<std::optional<OpenedFolder>>();
  auto work = [&disk = files.disk(), folder, place, tp, topic_id, config]() -> Result<void> {
    if (place.hints.others_have_all) {
      // Should anybody count on this broker for it again before it has been cut.
      if (auto marked = write_cut_mark(disk, place.folder); !marked) return marked;
    }
    auto opened = open_folder(disk, place.folder, tp, topic_id, config, place.hints);
    if (!opened) return fail(opened.error());
    folder->emplace(std::move(*opened));
    return {};
  };
  auto done = co_await files.disk().aside(std::move(work));
  if (!done) co_return fail(done.error());
  io::doing("opening partitions");
  auto log = Log::open(files, loop, place.folder, tp, topic_id, config, std::move(**folder));
  if (!log) {
    files.forget_folder(place.folder);
    co_return fail(log.error());
  }
  RecoveryReport report = (*log)->recovery();
  auto partition = std::make_shared<Partition>(loop, tp, topic_id, node, std::move(*log),
                                               std::move(room), std::move(replication));
  if (place.source) partition->remember_source(*place.source);
  co_return Opened{PartitionRef(std::move(partition)), std::move(report)};
}

}  // namespace

bool have_same_brokers(const Image& a, const Image& b) {
  return std::ranges::equal(a.brokers, b.brokers, [](const auto& one, const auto& other) {
    return one.first == other.first && one.second.version == other.second.version;
  });
}

namespace {

// Topics of which partitions have to be told something.
std::vector<std::shared_ptr<const TopicImage>> changed_between(const Image& before,
                                                               const Image& now) {
  const bool brokers_changed = !have_same_brokers(before, now);
  bool links_changed = false;
  for (const auto& [name, link] : now.links) {
    const auto known = before.links.find(name);
    links_changed |= known == before.links.end() || known->second.version != link.version;
  }
  std::vector<std::shared_ptr<const TopicImage>> changed;
  for (const auto& [name, topic] : now.topics) {
    const auto known = before.topics.find(name);
    const bool same = !brokers_changed && known != before.topics.end() && known->second == topic;
    if (!same || (links_changed && topic->is_mirror())) changed.push_back(topic);
  }
  return changed;
}

}  // namespace

PartitionTable::PartitionTable(io::Env& env, NodeId self, PublishedImage& image,
                               std::vector<std::string> log_dirs, ConfigOf config_of,
                               uint64_t storage_reserve, io::Duration allowed_lag)
    : env_(env),
      self_(self),
      image_(image),
      config_of_(std::move(config_of)),
      allowed_lag_(allowed_lag),
      bell_(std::make_shared<IsrBell>(env.main_loop())),
      dirs_(env.disk, log_dirs),
      following_(env.main_loop()),
      writing_(env.main_loop()),
      rooms_(env.disk, log_dirs, storage_reserve) {
  const uint64_t sealed = std::min(max_sealed_files, env_.disk.max_descriptors() / 4);
  for (io::Loop* loop : env_.loops) {
    files_.try_emplace(loop, env_.disk, sealed / env_.loops.size());
  }
}

void PartitionTable::forget_all_beyond(const Image& image) {
  dirs_.forget_all_but([&image](const TopicPartition& tp, const Uuid& id) {
    const TopicImage* topic = image.find(tp.topic);
    if (image.deleted.contains(id)) return true;  // until nothing is left of it
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
  const auto stuck = not_moved_.find(topic->id);
  if (stuck != not_moved_.end()) co_return PartitionRef(Outage{stuck->second.text});
  io::Loop& loop = *env_.loops[loop_of(tp)];
  auto found = std::make_shared<LogDirs::Holders>();
  auto look = [this, found, tp, id = topic->id, image]() -> Result<void> {
    *found = dirs_.holders(tp, id, *image);
    return {};
  };
  (void)co_await env_.disk.aside(std::move(look));
  dirs_.note_doomed(*found);
  in_the_way_.erase(tp);
  if (found->in_the_way && found->dirs.empty()) in_the_way_.insert(tp);
  auto place = dirs_.place(tp, topic->id, topic->is_mirror(), *found);
  if (!place) co_return PartitionRef(Outage{place.error().text});
  const PartitionImage& partition = topic->partitions[static_cast<size_t>(index)];
  if (auto outage = too_early(tp, *place, partition)) {
    dirs_.not_opened(tp);
    co_return PartitionRef(std::move(*outage));
  }
  Quarantined lies = quarantined_.contains(tp) ? quarantined_[tp] : Quarantined{};
  place->hints.others_have_all = has_quarantine(env_.disk, place->folder) &&
                                 env_.main_loop().now() >= lies.again_at &&
                                 others_have_all(*topic, partition);
  LogConfig config = config_of(*topic);
  ReplicaOptions replication{place->high_watermark, allowed_lag_, bell_, confirm_};
  auto opened = co_await io::call_on(
      loop, open_on_loop(loop, files_.at(&loop), *place, tp, topic->id, config, self_,
                         rooms_.of(place->folder), std::move(replication)));
  quarantined_.erase(tp);
  if (!opened) {
    dirs_.not_opened(tp);
    if (has_quarantine(env_.disk, place->folder)) {
      lies.folder = place->folder;
      if (place->hints.others_have_all) {
        lies.pause = std::clamp<io::Duration>(2 * lies.pause, least_pause, longest_pause);
        lies.again_at = env_.main_loop().now() + lies.pause;
      }
      quarantined_[tp] = std::move(lies);
    }
    co_return PartitionRef(Outage{opened.error().text});
  }
  dirs_.assign(tp, topic->id);
  note_lack(tp, *topic, opened->report, place->folder);
  const RecoveryReport& report = opened->report;
  if (place->hints.others_have_all) {
    log_.warn(
        "{} was damaged here: it is cut at offset {}, {} bytes, and copied again from broker {}",
        tp.to_string(), report.end_offset, report.bytes_cut, partition.leader);
  }
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

io::Task<void> PartitionTable::open_one(std::shared_ptr<const Image> image, const Opening& one) {
  const auto before = one.place->outage();
  *one.place = co_await open(image, one.topic, one.index);
  opening_.advance();
  tell({one.topic->name, one.index}, before.get(), one.place->outage().get());
}

io::Task<void> PartitionTable::tell_image(std::shared_ptr<const Image> image,
                                          std::shared_ptr<const TopicImage> topic,
                                          const Topic& partitions) {
  const LogConfig config = config_of(*topic);
  for (size_t i = 0; i < partitions.size(); ++i) {
    if (i % slice == slice - 1) co_await io::yield(env_.main_loop());
    if (partitions[i]) co_await partitions[i].follow(image, topic, config);
  }
}

// Those that are open follow at once; nobody sees the others before they are open, have followed
// too, and are known to be here.
io::Task<void> PartitionTable::follow_topics(std::shared_ptr<const Image> image, Topics topics,
                                             Table next) {
  std::vector<Opening> to_open;
  for (const auto& topic : topics) {
    Topic& partitions = next[topic->name];
    partitions.resize(topic->partitions.size());
    co_await tell_image(image, topic, partitions);
    for (size_t i = 0; i < partitions.size(); ++i) {
      if (partitions[i]) continue;
      if (!topic->partitions[i].has_replica(self_)) {
        partitions[i] = PartitionRef(ErrorCode::not_leader_or_follower);
        continue;
      }
      to_open.push_back({topic, static_cast<PartitionIndex>(i), &partitions[i]});
    }
  }
  const size_t width = table_.load()->empty() ? at_once_alone : opened_at_once;
  opening_.begin("opens partitions", to_open.size(), env_.main_loop().now());
  const auto piece = [&](size_t i) { return open_one(image, to_open[i]); };
  co_await io::in_parallel(env_.main_loop(), to_open.size(), width, piece);
  opening_.end();
  for (size_t i = 0; i < to_open.size(); ++i) {
    if (i % slice == slice - 1) co_await io::yield(env_.main_loop());
    const auto& [topic, index, place] = to_open[i];
    if (*place) co_await place->follow(image, topic, config_of(*topic));
  }
  // A partition that is lost before this is written would come back empty; what cannot be written
  // is tried again with the next checkpoint.
  auto saved = co_await save_assignments();
  if (!saved) log_.error("where partitions are cannot be noted: {}", saved.error().text);
  for (const auto& [topic, index, place] : to_open) {
    if (*place) dirs_.opened({topic->name, index});
  }
  table_.store(std::make_shared<const Table>(std::move(next)));
  if (to_open.empty()) co_return;
  // What was heard meanwhile was told to those that are in the table.
  if (heard_->number > image->number) {
    const auto heard = heard_;
    for (const auto& topic : topics) {
      const auto now = heard->topics_by_id.find(topic->id);
      if (now != heard->topics_by_id.end()) co_await hear_topic(heard, now->second);
    }
  }
  if (told_opened_) told_opened_();
}

io::Task<void> PartitionTable::hear_topic(std::shared_ptr<const Image> image,
                                          std::shared_ptr<const TopicImage> topic) {
  const auto table = table_.load();
  const auto found = table->find(topic->name);
  if (found == table->end()) co_return;
  Topic partitions = found->second;
  partitions.resize(std::min(partitions.size(), topic->partitions.size()));
  // Of another topic that has had its name.
  for (PartitionRef& partition : partitions) {
    if (partition && partition.topic_id() != topic->id) partition = PartitionRef();
  }
  co_await tell_image(image, topic, partitions);
}

io::Task<void> PartitionTable::hear(std::shared_ptr<const Image> image) {
  const auto before = std::exchange(heard_, image);
  size_t looked_at = 0;
  for (const auto& topic : changed_between(*before, *image)) {
    if (++looked_at % slice == 0) co_await io::yield(env_.main_loop());
    co_await hear_topic(image, topic);
  }
}

io::Task<Result<void>> PartitionTable::save_assignments() {
  const auto turn = co_await writing_.lock();
  auto work = dirs_.assignments_to_save();
  if (!work) co_return Result<void>{};
  auto saved = co_await save_followed();
  if (saved) saved = co_await env_.disk.aside(std::move(work));
  dirs_.saved(saved);
  co_return saved;
}

// REQUIRES: writing_ is held.
io::Task<Result<void>> PartitionTable::save_followed() {
  const auto now = position_ ? position_() : std::nullopt;
  if (!now || dirs_.distrusts() || now == dirs_.followed()) co_return Result<void>{};
  auto saved = co_await env_.disk.aside(dirs_.followed_to_save(*now));
  if (saved) dirs_.saved_followed(*now);
  co_return saved;
}

io::Task<void> PartitionTable::drop(std::shared_ptr<const TopicImage> topic, Topic partitions) {
  for (size_t i = 0; i < partitions.size(); ++i) {
    const TopicPartition tp{topic->name, static_cast<PartitionIndex>(i)};
    dirs_.forget(tp, topic->id);
    may_lack_.erase(tp);
    quarantined_.erase(tp);
    in_the_way_.erase(tp);
    if (!partitions[i]) continue;
    auto erased = co_await partitions[i].erase();
    if (!erased) log_.error("{}: {}", tp.to_string(), erased.error().text);
  }
}

io::Task<void> PartitionTable::close_for_renaming(std::shared_ptr<const TopicImage> topic,
                                                  Topic partitions) {
  for (size_t i = 0; i < partitions.size(); ++i) {
    const TopicPartition tp{topic->name, static_cast<PartitionIndex>(i)};
    quarantined_.erase(tp);
    in_the_way_.erase(tp);
    const auto folder = dirs_.folder_of(tp);
    std::optional<LogDirs::Offsets> known;
    if (const PartitionRef& partition = partitions[i]; partition && folder) {
      const auto marks = co_await partition.marks();
      known = {marks.recovery_point, marks.log_start, marks.high_watermark, marks.source};
      auto closed = co_await partition.close();
      // What it leaves is found out when it is opened again.
      if (!closed) log_.warn("{}: {}", tp.to_string(), closed.error().text);
      io::Loop& loop = partition.loop();
      co_await io::call_on(loop, forget_files(files_.at(&loop), *folder));
    }
    dirs_.closed(tp, known);
  }
}

PartitionTable::Topics PartitionTable::to_move(const Image& image) const {
  Topics topics;
  for (const auto& [name, topic] : image.topics) {
    if (!topic->renamed_from.empty() && !moved_.contains(topic->id)) topics.push_back(topic);
  }
  return topics;
}

// Whether checkpoints speak of any by its old name.
bool PartitionTable::adopt_names(const Image& image) {
  bool adopted = false;
  for (const auto& topic : to_move(image)) {
    if (!dirs_.adopt_name(*topic, image.find(topic->renamed_from))) continue;
    checkpointed_still_.insert(topic->renamed_from);
    adopted = true;
  }
  return adopted;
}

// Those that could not be moved before, and have been now.
io::Task<PartitionTable::Topics> PartitionTable::move_renamed(std::shared_ptr<const Image> image) {
  const Topics topics = to_move(*image);
  if (topics.empty()) co_return Topics{};
  auto not_moved = std::make_shared<NotMoved>();
  auto work = [&disk = env_.disk, dirs = dirs_.present(), topics, not_moved]() -> Result<void> {
    *not_moved = move_folders(disk, dirs, topics);
    return {};
  };
  (void)co_await env_.disk.aside(std::move(work));
  const NotMoved before = std::exchange(not_moved_, std::move(*not_moved));
  Topics late;
  for (const auto& topic : topics) {
    if (not_moved_.contains(topic->id)) continue;
    moved_.insert(topic->id);
    if (before.contains(topic->id)) late.push_back(topic);
  }
  co_return late;
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
  const std::vector<Unheld> unheld = take_unheld(*before, *image, next);
  // Gone from sight before their logs close.
  if (!dropped.empty() || !unheld.empty()) table_.store(std::make_shared<const Table>(next));
  for (auto& [topic, partitions] : dropped) {
    const bool is_renamed = image->find(topic->id) != nullptr;
    if (is_renamed) {
      co_await close_for_renaming(topic, std::move(partitions));
    } else {
      co_await drop(topic, std::move(partitions));
    }
  }
  std::vector<Unheld> doomed;
  for (const Unheld& one : unheld) {
    const bool is_doomed = co_await doom_unheld(one);
    if (is_doomed) doomed.push_back(one);
  }
  tell_of_forgotten(image);
  const bool adopted = adopt_names(*image);
  forget_all_beyond(*image);
  co_await bury(image);
  for (const auto& [topic, index, partition] : doomed) {
    dirs_.unassign({topic->name, index}, topic->id);
  }
  if (!doomed.empty()) (void)co_await save_assignments();  // before their files go
  Topics changed = co_await move_renamed(image);
  if (!dropped.empty() || !unheld.empty() || adopted) {
    co_await remove(dirs_.take_removable(), nullptr);
    for (const auto& [name, topic] : before->topics) {
      if (image->find(name) != topic.get()) checkpointed_still_.insert(name);
    }
    // On a full disk it may have to wait for the room that the deleted topic gives back, and only
    // a new topic of its name must.
    auto noted = co_await checkpoint();
    if (!noted && !io::lacks_room(noted.error())) co_return noted;
  }
  for (const auto& [name, topic] : image->topics) {
    const auto known = before->topics.find(name);
    const bool is_new = known == before->topics.end() || known->second->id != topic->id;
    if (!is_new || !checkpointed_still_.contains(name)) continue;
    auto noted = co_await checkpoint();
    if (!noted) co_return noted;
    break;
  }
  const Topics moved = changed;
  for (const auto& topic : changed_between(*before, *image)) {
    if (std::ranges::find(moved, topic) == moved.end()) changed.push_back(topic);
  }
  co_await follow_topics(image, std::move(changed), std::move(next));
  const bool are_all_aside = doomed.size() == unheld.size() && to_bury(*image).empty();
  if (are_all_aside) dirs_.trust();
  followed_ = std::move(image);
  co_return Result<void>{};
}

io::Task<void> PartitionTable::open_repaired() {
  const auto turn = co_await following_.lock();
  std::set<std::string> topics;
  auto image = followed_;
  for (const auto& [tp, lies] : quarantined_) {
    if (is_to_be_copied_again(*image, tp, lies)) topics.insert(tp.topic);
    if (has_quarantine(env_.disk, lies.folder) || !topics.insert(tp.topic).second) continue;
    log_.info("topic {} has been repaired: opening it", tp.topic);
  }
  for (const auto& topic : co_await move_renamed(image)) topics.insert(topic->name);
  for (const TopicPartition& tp : in_the_way_) topics.insert(tp.topic);
  if (topics.empty()) co_return;
  Topics repaired;
  for (const std::string& name : topics) repaired.push_back(image->topics.at(name));
  co_await follow_topics(image, std::move(repaired), *table_.load());
}

PartitionRef PartitionTable::find(const std::string& topic, PartitionIndex index) const {
  auto table = table_.load();
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
  auto table = table_.load();
  auto found = table->find(topic);
  if (found == table->end()) return {};
  Topic partitions = found->second;
  std::erase_if(partitions, [](const PartitionRef& partition) { return !partition; });
  return partitions;
}

std::vector<PartitionRef> PartitionTable::all() const {
  auto table = table_.load();
  std::vector<PartitionRef> everything;
  for (const auto& [name, partitions] : *table) {
    for (const auto& partition : partitions) {
      if (partition) everything.push_back(partition);
    }
  }
  return everything;
}

std::vector<PartitionTable::Offline> PartitionTable::offline() const {
  auto table = table_.load();
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
  const auto written = co_await write_checkpoints();
  if (!written) co_return written;
  const auto saved = co_await save_assignments();
  co_return saved;
}

io::Task<Result<void>> PartitionTable::write_checkpoints() {
  // From here on, so that what was gathered earlier is not written later.
  const auto turn = co_await writing_.lock();
  const auto gone = checkpointed_still_;  // more may follow while this is written
  std::map<TopicPartition, LogDirs::Offsets> open;
  std::vector<std::pair<PartitionRef, uint64_t>> doubting;
  size_t looked_at = 0;
  for (auto& partition : all()) {
    if (++looked_at % slice == 0) co_await io::yield(env_.main_loop());
    TopicPartition tp = partition.name();
    auto marks = co_await partition.marks();
    if (find(tp.topic, tp.partition) != partition) continue;  // deleted meanwhile
    open[tp] = {marks.recovery_point, marks.log_start, marks.high_watermark, marks.source};
    if (marks.doubts_checkpoint) doubting.emplace_back(partition, marks.cuts);
  }
  io::doing("checkpoints");
  auto written = co_await env_.disk.aside(dirs_.checkpoints_to_write(open));
  if (!written) co_return written;
  written = co_await save_followed();
  if (!written) co_return written;
  for (const auto& name : gone) checkpointed_still_.erase(name);
  for (const auto& [partition, cuts] : doubting) co_await partition.checkpointed(cuts);
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
    Logger(LogComponent::partitions, partition.name().to_string())
        .error("retention failed: {}", done.error().text);
  }
}

namespace {

using Names = std::set<std::string>;

Names names_of_partitions(const Image& image) {
  Names names;
  for (const auto& [name, topic] : image.topics) {
    for (PartitionIndex i = 0; i < std::ssize(topic->partitions); ++i) {
      names.insert(TopicPartition{name, i}.to_string());
    }
  }
  return names;
}

io::Task<void> sync_one(const PartitionRef& partition, Names& synced) {
  auto flushed = co_await partition.sync();
  if (flushed) synced.insert(partition.name().to_string());
}

io::Task<void> close_one(const PartitionRef& partition, const Names& synced, Names& not_closed) {
  io::doing("closing partitions");
  const std::string name = partition.name().to_string();
  auto closed = co_await partition.close();
  if (closed && synced.contains(name)) not_closed.erase(name);
}

}  // namespace

io::Task<void> PartitionTable::end_waits() {
  for (auto& partition : all()) co_await partition.end_waits();
}

io::Task<void> PartitionTable::refuse_all() {
  for (auto& partition : all()) co_await partition.refuse_all();
}

io::Task<void> PartitionTable::close() {
  const auto turn = co_await following_.lock();
  auto everything = all();
  // What is not open, or does not close, is not covered by the mark of a clean stop.
  Names not_closed = names_of_partitions(*followed_), synced;
  not_closed.merge(names_of_partitions(*image_.load()));
  Names untold;
  for (const auto& [tp, topic] : may_lack_) untold.insert(tp.to_string());
  io::Loop& loop = env_.main_loop();
  const auto sync = [&](size_t i) { return sync_one(everything[i], synced); };
  co_await io::in_parallel(loop, everything.size(), at_once_alone, sync);
  auto written = co_await checkpoint();
  const auto close = [&](size_t i) { return close_one(everything[i], synced, not_closed); };
  co_await io::in_parallel(loop, everything.size(), at_once_alone, close);
  table_.store(std::make_shared<const Table>());
  not_closed.merge(untold);
  if (written) dirs_.leave_clean_marks(image_.load()->starts_of(self_), not_closed);
}

io::Task<void> PartitionTable::abandon() {
  const auto turn = co_await following_.lock();
  for (auto& partition : all()) (void)co_await partition.close();
  table_.store(std::make_shared<const Table>());
}

}  // namespace isthmus::broker
