#include "tests/sim/step_judge.h"

#include <algorithm>

#include "base/check.h"
#include "broker/replica/partition_table.h"

namespace isthmus::sim {

namespace {

bool runs_on(SimProcess& process, const io::Loop& loop) {
  return std::ranges::find(process.env().loops, &loop) != process.env().loops.end();
}

std::string range(Offset from, Offset to) {
  return std::to_string(from) + " to " + std::to_string(to);
}

}  // namespace

std::string StepJudge::Where::to_string() const {
  return site.name() + " " + partition.name().to_string() + ": ";
}

StepJudge::StepJudge(Stage& stage) : stage_(stage) {
  stage_.world().after_each_step([this] { look(); });
  stage_.ledger().on_promise(
      [this](const TopicPartition& partition, Offset offset) { check_promise(partition, offset); });
}

StepJudge::~StepJudge() {
  stage_.world().after_each_step(nullptr);
  stage_.ledger().on_promise(nullptr);
}

void StepJudge::watch(Cluster& cluster, size_t copies) {
  watched_.push_back({.cluster = &cluster, .copies = copies, .is_judged = true, .histories = {}});
}

StepJudge::Watched& StepJudge::of(const Cluster& cluster) {
  const auto found = std::ranges::find(watched_, &cluster, &Watched::cluster);
  CHECK(found != watched_.end(), "a cluster that is watched");
  return *found;
}

void StepJudge::look_away(const Cluster& cluster) { of(cluster).is_judged = false; }

void StepJudge::watch_again(const Cluster& cluster) {
  Watched& watched = of(cluster);
  watched.is_judged = true;
  for (auto& [name, history] : watched.histories) {
    history.batches.clear();
    history.safe_end = 0;
  }
  seen_.clear();
}

ReplicaFiles& StepJudge::in(Files& files, Site& site) {
  return files.try_emplace(&site, site.host().disk()).first->second;
}

void StepJudge::look() {
  const io::Loop* ran = stage_.world().schedule().ran();
  if (ran == nullptr || !stage_.content()) return;
  for (Watched& watched : watched_) {
    for (size_t i = 0; i < watched.cluster->size(); ++i) {
      Site& site = (*watched.cluster)[i];
      SimProcess* process = site.process();
      if (process == nullptr || !process->running() || !runs_on(*process, *ran)) continue;
      if (watched.is_judged) {
        look_at(watched, site, *ran);
      } else {
        note_safe(site, *ran);
      }
      return;
    }
  }
}

// Its clients may still write, and are promised what is safe there.
void StepJudge::note_safe(Site& site, const io::Loop& ran) {
  const broker::PartitionTable* table = site.broker().partitions();
  if (table == nullptr) return;
  for (const broker::PartitionRef& ref : table->all()) {
    if (&ref.loop() != &ran || ref.partition_ == nullptr) continue;
    Offset& safe = safe_[ref.partition_->name()];
    safe = std::max(safe, ref.partition_->describe().high_watermark);
  }
}

void StepJudge::look_at(Watched& watched, Site& site, const io::Loop& ran) {
  const broker::PartitionTable* table = site.broker().partitions();
  if (table == nullptr) return;
  for (const broker::PartitionRef& ref : table->all()) {
    if (&ref.loop() == &ran) look_at(watched, site, ref.partition_);
  }
}

void StepJudge::look_at(Watched& watched, Site& site,
                        std::shared_ptr<const broker::Partition> partition) {
  Seen& seen = seen_[partition.get()];
  // Another may have been made where one was.
  const bool is_fresh = seen.partition.expired();
  if (is_fresh) seen = {.partition = partition, .epoch = -1, .high_watermark = -1};
  const View view = partition->describe();
  const bool is_same = view.leader_epoch == seen.epoch &&
                       view.high_watermark == seen.high_watermark &&
                       view.end_offset >= view.high_watermark;
  if (is_same) return;
  History& history = watched.histories[partition->name()];
  if (history.topic != partition->topic_id()) {
    history = History{};
    history.topic = partition->topic_id();
  }
  const Where where{watched, site, *partition, history};
  look_at_epoch(where, view, seen);
  look_at_watermark(where, view, is_fresh ? view.start_offset : seen.high_watermark);
  seen.epoch = view.leader_epoch;
  seen.high_watermark = view.high_watermark;
}

void StepJudge::look_at_epoch(const Where& where, const View& view, const Seen& seen) {
  if (view.leader_epoch < seen.epoch) {
    stage_.judge().broken("leader epochs never go back",
                          where.to_string() + std::to_string(seen.epoch) + ", then " +
                              std::to_string(view.leader_epoch));
  }
  if (view.leader_epoch != seen.epoch && where.partition.history().leads) {
    look_at_leader(where, view);
  }
}

void StepJudge::look_at_leader(const Where& where, const View& view) {
  History& history = where.history;
  const auto [led, is_first] = history.leaders.try_emplace(view.leader_epoch, where.site.process());
  if (led->second != where.site.process()) {
    stage_.judge().broken("a partition has one writer in a leader epoch",
                          where.to_string() + "epoch " + std::to_string(view.leader_epoch) +
                              ", in which another run of a broker leads, or has led");
  }
  // One that hears late of its time leads nobody any more.
  if (!is_first || view.leader_epoch <= history.latest) return;
  history.latest = view.leader_epoch;
  if (view.end_offset < history.safe_end) {
    stage_.judge().broken("who leads has all that was safe before",
                          where.to_string() + "it ends at " + std::to_string(view.end_offset) +
                              ", safe is what lies below " + std::to_string(history.safe_end));
    return;
  }
  const auto has =
      in(files_, where.site).batches(where.partition.name(), view.start_offset, history.safe_end);
  auto one = has.begin();
  for (auto safe = history.batches.lower_bound(view.start_offset); safe != history.batches.end();
       ++safe) {
    while (one != has.end() && one->base < safe->first) ++one;
    const bool is_there = one != has.end() && one->base == safe->first &&
                          one->next == safe->second.next && one->hash == safe->second.hash;
    if (is_there) continue;
    stage_.judge().broken("who leads has all that was safe before",
                          where.to_string() + "not " + range(safe->first, safe->second.next));
    return;
  }
}

void StepJudge::look_at_watermark(const Where& where, const View& view, Offset before) {
  const Offset now = view.high_watermark;
  if (now < before) {
    stage_.judge().broken(
        "a replica's high watermark never goes back",
        where.to_string() + std::to_string(before) + ", then " + std::to_string(now));
  }
  if (view.end_offset < now) {
    stage_.judge().broken("what is safe is there", where.to_string() + "it ends at " +
                                                       std::to_string(view.end_offset) + " below " +
                                                       std::to_string(now));
  }
  // What begins anew, or later than it did, has nothing below that.
  const Offset from = std::max(before, view.start_offset);
  if (now <= from || !stage_.content()) return;
  const auto batches = in(files_, where.site).batches(where.partition.name(), from, now);
  if (batches.empty() || batches.back().next < now) {
    stage_.judge().broken("what is safe is there",
                          where.to_string() + "not all of " + range(from, now) + " on its disk");
    return;
  }
  for (const FiledBatch& batch : batches) compare(where, batch);
  // A follower knows it of a leader, which may not have been looked at.
  where.history.safe_end = std::max(where.history.safe_end, now);
  Offset& safe = safe_[where.partition.name()];
  safe = std::max(safe, now);
  if (where.partition.history().leads) count_copies(where, from, now);
}

void StepJudge::compare(const Where& where, const FiledBatch& batch) {
  const auto same = [&batch](const FiledBatch& other) {
    return other.next == batch.next && other.hash == batch.hash;
  };
  const std::string what = where.to_string() + range(batch.base, batch.next);
  const auto [known, is_new] = where.history.batches.try_emplace(batch.base, batch);
  if (!same(known->second)) {
    stage_.judge().broken("replicas are equal up to the high watermark", what);
  }
  if (!is_new || !compares_) return;
  for (Watched& other : watched_) {
    const auto there = other.histories.find(where.partition.name());
    const bool is_comparable = &other != &where.watched && other.is_judged &&
                               there != other.histories.end() &&
                               there->second.topic == where.history.topic;
    if (!is_comparable) continue;
    const auto twin = there->second.batches.find(batch.base);
    if (twin == there->second.batches.end() || same(twin->second)) continue;
    stage_.judge().broken("sites are equal where both have what is safe", what);
  }
}

void StepJudge::count_copies(const Where& where, Offset from, Offset to) {
  size_t copies = 0;
  Cluster& cluster = *where.watched.cluster;
  for (size_t i = 0; i < cluster.size() && copies < where.watched.copies; ++i) {
    const auto has = in(copies_, cluster[i]).batches(where.partition.name(), from, to);
    const bool lasts =
        !has.empty() && has.back().next >= to && std::ranges::all_of(has, &FiledBatch::durable);
    copies += lasts || excused_.contains(&cluster[i]) ? 1 : 0;
  }
  if (copies >= where.watched.copies) return;
  stage_.judge().broken("what is safe is durable at a majority",
                        where.to_string() + range(from, to) + " at " + std::to_string(copies) +
                            " machines, not " + std::to_string(where.watched.copies));
}

// Who reads learns of what is safe, and who writes too.
void StepJudge::check_promise(const TopicPartition& partition, Offset offset) {
  const auto safe = safe_.find(partition);
  if (safe != safe_.end() && offset < safe->second) return;
  if (std::ranges::none_of(watched_, &Watched::is_judged)) return;
  stage_.judge().broken("what is promised is safe",
                        partition.to_string() + " offset " + std::to_string(offset) +
                            ", safe is what lies below " +
                            std::to_string(safe == safe_.end() ? 0 : safe->second));
}

}  // namespace isthmus::sim
