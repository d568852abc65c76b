#include "broker/backup/rebuild.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <tuple>

#include "base/leader_epoch.h"
#include "broker/image/records.h"

namespace isthmus::broker {

namespace {

constexpr int max_incarnation = 127;
constexpr LeaderEpoch last_generation = generation_of(INT32_MAX);
constexpr LeaderEpoch elections_since_export = 1 << 16;  // more than ever were

using Surveys = std::map<NodeId, const LogSurvey*>;

Result<Surveys> by_node(const Image& image, const std::vector<LogSurvey>& surveys) {
  Surveys all;
  for (const LogSurvey& survey : surveys) {
    if (survey.cluster_id != image.cluster_id.to_string()) {
      return fail(fmt::format("the logs of node {} belong to cluster {}, the export is of {}",
                              survey.node, survey.cluster_id, image.cluster_id.to_string()));
    }
    if (!all.emplace(survey.node, &survey).second) {
      return fail(fmt::format("node {} was surveyed twice", survey.node));
    }
  }
  return all;
}

// Everybody who may have what was acknowledged has to be asked: also who had no replica when the
// export was written, as partitions may have been moved there since.
Result<void> check_all_known(const Image& image, const Surveys& surveys,
                             const std::set<NodeId>& without) {
  std::map<NodeId, size_t> unknown;
  const auto is_unknown = [&](NodeId node) {
    return !surveys.contains(node) && !without.contains(node);
  };
  for (const auto& [node, broker] : image.brokers) {
    if (is_unknown(node)) unknown[node] = 0;
  }
  for (const auto& [name, topic] : image.topics) {
    for (const PartitionImage& partition : topic->partitions) {
      for (NodeId node : partition.replicas) {
        if (is_unknown(node)) ++unknown[node];
      }
    }
  }
  if (unknown.empty()) return {};
  const auto& [node, count] =
      *std::ranges::max_element(unknown, {}, [](const auto& entry) { return entry.second; });
  const std::string what =
      count > 0 ? fmt::format("has replicas of {} partitions", count) : "may have got replicas";
  return fail(
      fmt::format("node {} {}, and nothing is known of its logs: run `isthmus metadata survey` "
                  "there and give its file with --logs; --without {} if its disks are gone, and "
                  "with them what it alone had",
                  node, what, node));
}

class Rebuilding {
 public:
  Rebuilding(const Image& image, const Surveys& surveys, const std::set<NodeId>& without)
      : image_(image), surveys_(surveys), without_(without) {}

  Result<Plan> run();
  std::vector<std::string> notes;

 private:
  struct Copy {
    NodeId node = -1;
    const SurveyedLog* log = nullptr;
  };
  Result<void> set_right(const TopicImage& topic, PartitionIndex index, PartitionImage& partition);
  std::vector<Copy> copies_of(const TopicImage& topic, PartitionIndex index) const;
  std::vector<NodeId> nodes_by_preference(const PartitionImage& partition) const;
  Result<NodeId> choose(const TopicPartition& name, const std::vector<Copy>& copies);
  Result<void> pass_over(const TopicPartition& name, const Copy& damaged, const Copy& best);
  Result<LeaderEpoch> next_epoch(const TopicImage& topic, PartitionIndex index,
                                 LeaderEpoch before) const;
  LeaderEpoch highest(const TopicImage& topic, PartitionIndex index) const;
  bool is_alone() const;
  void put_brokers(Plan& plan) const;
  void name_strangers();

  const Image& image_;
  const Surveys& surveys_;
  const std::set<NodeId>& without_;
};

// Of equal ones the preferred leader's is the first.
std::vector<NodeId> Rebuilding::nodes_by_preference(const PartitionImage& partition) const {
  std::vector<NodeId> nodes;
  std::ranges::copy_if(partition.replicas, std::back_inserter(nodes),
                       [&](NodeId node) { return surveys_.contains(node); });
  for (const auto& [node, survey] : surveys_) {
    if (!partition.has_replica(node)) nodes.push_back(node);
  }
  return nodes;
}

// At whatever nodes they are: the export does not know where partitions were moved since.
std::vector<Rebuilding::Copy> Rebuilding::copies_of(const TopicImage& topic,
                                                    PartitionIndex index) const {
  std::vector<Copy> copies;
  for (NodeId node : nodes_by_preference(topic.partitions[static_cast<size_t>(index)])) {
    const SurveyedLog* log = surveys_.at(node)->find(topic.id, index);
    if (log != nullptr) copies.push_back({node, log});
  }
  return copies;
}

// -1: there is no copy.
Result<NodeId> Rebuilding::choose(const TopicPartition& name, const std::vector<Copy>& copies) {
  if (copies.empty()) {
    notes.push_back(name.to_string() +
                    ": no broker has a log of it: nobody leads it until an operator elects one");
    return -1;
  }
  // One that is damaged leads when it was repaired, if nobody else has it.
  const auto rank = [](const Copy& copy) {
    return std::tuple{!copy.log->is_damaged, copy.log->last_epoch, copy.log->end};
  };
  const Copy& best = *std::ranges::max_element(copies, {}, rank);
  if (best.log->is_damaged) {
    notes.push_back(
        fmt::format("{}: the log at node {} is damaged, and there is no better one: it "
                    "leads when it was repaired",
                    name.to_string(), best.node));
  }
  for (const Copy& copy : copies) {
    if (!copy.log->is_damaged || copy.node == best.node) continue;
    if (auto done = pass_over(name, copy, best); !done) return fail(done.error());
  }
  return best.node;
}

// What stands behind the damage is of an epoch that the log has heard of, at most.
Result<void> Rebuilding::pass_over(const TopicPartition& name, const Copy& damaged,
                                   const Copy& best) {
  const SurveyedLog& log = *damaged.log;
  const LeaderEpoch epoch = std::max(log.last_epoch, log.highest_epoch);
  const Offset end = std::max(log.end, log.known_end);
  if (std::tuple{epoch, end} <= std::tuple{best.log->last_epoch, best.log->end}) return {};
  const std::string what = fmt::format(
      "{}: the damaged log at node {} may reach to epoch {}, offset {}, that of node {} ends at "
      "epoch {}, offset {}",
      name.to_string(), damaged.node, epoch, end, best.node, best.log->last_epoch, best.log->end);
  if (!without_.contains(damaged.node)) {
    return fail(
        fmt::format("{}: repair it first, with `isthmus partition repair {}` there, and "
                    "survey it again; --without {} if it is to be passed over, with what "
                    "it alone has",
                    what, name.to_string(), damaged.node));
  }
  notes.push_back(what + ": it is passed over, with what it alone has");
  return {};
}

LeaderEpoch Rebuilding::highest(const TopicImage& topic, PartitionIndex index) const {
  LeaderEpoch highest = -1;
  for (const auto& [node, survey] : surveys_) {
    const SurveyedLog* log = survey->find(topic.id, index);
    if (log != nullptr) highest = std::max({highest, log->highest_epoch, log->last_epoch});
  }
  return highest;
}

Result<LeaderEpoch> Rebuilding::next_epoch(const TopicImage& topic, PartitionIndex index,
                                           LeaderEpoch before) const {
  const TopicPartition name{topic.name, index};
  if (generation_of(before) >= last_generation) {
    return fail(name.to_string() + ": no generation of leader epochs is left");
  }
  if (!topic.is_mirror()) return next_generation(before);
  // A mirror stays in its source's generation. Its batches have the source's epochs, so no log
  // tells of the elections that were held here since the export: their epochs are leapt over.
  const LeaderEpoch after = before + elections_since_export;
  if (generation_of(after) != generation_of(before)) {
    return fail(name.to_string() + ": too few leader epochs are left in its source's generation");
  }
  return after;
}

Result<void> Rebuilding::set_right(const TopicImage& topic, PartitionIndex index,
                                   PartitionImage& partition) {
  const TopicPartition name{topic.name, index};
  const auto copies = copies_of(topic, index);
  auto leader = choose(name, copies);
  if (!leader) return fail(leader.error());
  const LeaderEpoch before = std::max(epoch_in_force(partition, image_), highest(topic, index));
  auto epoch = next_epoch(topic, index, before);
  if (!epoch) return fail(epoch.error());
  // Who is no replica would delete its log as soon as it starts.
  for (const Copy& copy : copies) {
    if (partition.has_replica(copy.node)) continue;
    partition.replicas.push_back(copy.node);
    notes.push_back(
        fmt::format("{}: node {} has a log of it, offsets {} to {}, and the export "
                    "knows of no replica there: it is one now",
                    name.to_string(), copy.node, copy.log->start, copy.log->end));
  }
  partition.elr.clear();
  // Of several, it leads as soon as it serves; one that is alone is asked by nobody.
  if (is_alone() && partition.leader >= 0) {
    partition.isr = {partition.leader};
  } else {
    partition.isr.clear();
    if (*leader >= 0) partition.isr = {*leader};
    partition.leader = -1;
  }
  put_epoch(partition, *epoch, image_);
  return {};
}

bool Rebuilding::is_alone() const {
  return image_.brokers.size() == 1 && std::ranges::all_of(surveys_, [&](const auto& entry) {
           return image_.brokers.contains(entry.first);
         });
}

void Rebuilding::name_strangers() {
  for (const auto& [node, survey] : surveys_) {
    for (const SurveyedLog& log : survey->logs) {
      const TopicImage* topic = image_.find(log.topic_id);
      const bool is_known = topic != nullptr && log.name.partition >= 0 &&
                            log.name.partition < std::ssize(topic->partitions);
      if (is_known || image_.deleted.contains(log.topic_id)) continue;
      notes.push_back(
          fmt::format("{} at node {}, topic id {}, offsets {} to {}, is not known to the export: "
                      "it stays where "
                      "it is; a topic of its name would have it moved aside, and never removed",
                      log.name.to_string(), node, log.topic_id.to_string(), log.start, log.end));
    }
  }
}

// Those that have joined since, too: else nobody would have them drained, or removed.
void Rebuilding::put_brokers(Plan& plan) const {
  auto brokers = image_.brokers;
  for (const auto& [node, survey] : surveys_) brokers[node].directory_id = survey->directory_id;
  for (auto& [node, broker] : brokers) {
    broker.fenced = true;
    plan.put_broker(node, broker);
  }
}

Result<Plan> Rebuilding::run() {
  Plan plan;
  if (!is_alone()) put_brokers(plan);
  int incarnation = image_.incarnation;
  for (const auto& [node, survey] : surveys_) {
    incarnation = std::max(incarnation, survey->incarnation);
  }
  if (incarnation >= max_incarnation) return fail("no incarnation of the cluster is left");
  Image next = image_;
  next.incarnation = static_cast<int8_t>(incarnation + 1);
  plan.put_cluster(next);
  for (const auto& [name, topic] : image_.topics) {
    TopicImage changed = *topic;
    for (size_t i = 0; i < changed.partitions.size(); ++i) {
      auto done = set_right(*topic, static_cast<PartitionIndex>(i), changed.partitions[i]);
      if (!done) return fail(done.error());
    }
    plan.change(*topic, changed);
  }
  name_strangers();
  return plan;
}

}  // namespace

Result<Rebuilt> rebuild(const MetadataFile& file, const std::vector<LogSurvey>& surveys,
                        const std::set<NodeId>& without) {
  auto image = image_of(file);
  if (!image) return fail(image.error());
  auto known = by_node(**image, surveys);
  if (!known) return fail(known.error());
  if (auto all = check_all_known(**image, *known, without); !all) return fail(all.error());
  Rebuilding rebuilding(**image, *known, without);
  auto plan = rebuilding.run();
  if (!plan) return fail(plan.error());
  std::map<std::string, Slice> records;
  for (const auto& record : file.records) {
    if (record.value) records[record.key] = *record.value;
  }
  for (auto& put : plan->puts) {
    if (put.value) records[put.key] = std::move(*put.value);
  }
  Rebuilt rebuilt;
  std::vector<MetadataStore::Change> changes;
  for (auto& [key, value] : records) {
    changes.push_back({key, value, 1});
    rebuilt.puts.push_back({key, std::move(value)});
  }
  auto after = broker::apply(Image{}, changes);
  if (!after) return fail(after.error());
  rebuilt.cluster_name = (*after)->cluster_name;
  rebuilt.cluster_number = (*after)->cluster_number;
  rebuilt.incarnation = (*after)->incarnation;
  rebuilt.topics = (*after)->topics.size();
  for (const auto& [name, topic] : (*after)->topics) rebuilt.partitions += topic->partitions.size();
  rebuilt.notes = std::move(rebuilding.notes);
  return rebuilt;
}

}  // namespace isthmus::broker
