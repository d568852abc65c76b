#include "broker/controller/reassignment.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "broker/controller/elections.h"
#include "broker/controller/placement.h"
#include "kafka/errors.h"

namespace isthmus::broker {

using kafka::ErrorCode;

namespace {

using Nodes = std::vector<NodeId>;

// In the order of `from`.
Nodes without(const Nodes& from, const Nodes& those) {
  Nodes rest;
  for (NodeId node : from) {
    if (!contains(those, node)) rest.push_back(node);
  }
  return rest;
}

// Whether enough have what was acknowledged when these are gone; `after`: as it is then.
bool may_go(const TopicImage& topic, const PartitionImage& partition, const Nodes& gone,
            const PartitionImage& after) {
  const auto counts = [&](NodeId node) {
    return contains(partition.isr, node) || contains(partition.elr, node);
  };
  if (std::ranges::none_of(gone, counts)) return true;
  const auto stay = std::ssize(without(partition.isr, gone));
  return stay >= min_insync_replicas(topic, after);
}

void let_go(Plan& plan, const TopicImage& topic, PartitionImage& partition, const Nodes& gone,
            const Image& image) {
  partition.replicas = without(partition.replicas, gone);
  partition.isr = without(partition.isr, gone);
  partition.elr = without(partition.elr, gone);
  settle_elr(topic, partition);
  NodeId leader = partition.leader;
  if (contains(gone, leader)) leader = first_serving(image, partition.replicas, partition.isr);
  lead_anew(plan, partition, leader, image);
}

Result<void> take_back(Plan& plan, const TopicImage& topic, PartitionImage& partition,
                       const Nodes& gone, const Image& image) {
  PartitionImage after = partition;
  after.replicas = without(partition.replicas, partition.adding);
  after.adding.clear();
  if (!may_go(topic, partition, gone, after)) {
    return kafka::refuse(ErrorCode::invalid_replica_assignment,
                         "too few of the replicas that would stay are in sync: bring those back, "
                         "or wait until the reassignment is completed");
  }
  partition.adding = without(partition.adding, gone);
  if (!gone.empty()) let_go(plan, topic, partition, gone, image);
  return {};
}

}  // namespace

Result<void> begin_reassignment(Plan& plan, const TopicImage& topic, PartitionImage& partition,
                                const std::vector<NodeId>& target, const Image& image) {
  const Nodes gone = without(partition.adding, target);
  if (auto done = take_back(plan, topic, partition, gone, image); !done) return done;
  const Nodes settled = without(partition.replicas, partition.adding);
  partition.adding = without(target, settled);
  partition.removing = without(settled, target);
  partition.replicas = target;
  std::ranges::copy(partition.removing, std::back_inserter(partition.replicas));
  complete_reassignment(plan, topic, partition, image);
  return {};
}

void complete_reassignment(Plan& plan, const TopicImage& topic, PartitionImage& partition,
                           const Image& image) {
  if (!partition.is_reassigned()) return;
  const bool have_all_come = std::ranges::all_of(
      partition.adding, [&](NodeId node) { return contains(partition.isr, node); });
  PartitionImage after = partition;
  after.replicas = without(partition.replicas, partition.removing);
  after.adding.clear();
  if (!have_all_come || !may_go(topic, partition, partition.removing, after)) return;
  partition.adding.clear();
  const Nodes gone = std::exchange(partition.removing, {});
  if (gone.empty()) {
    settle_elr(topic, partition);
  } else {
    let_go(plan, topic, partition, gone, image);
  }
}

namespace {

std::string name_of(const Reassignment& wish) {
  return wish.topic + "-" + std::to_string(wish.index);
}

Result<void> reassign_one(Plan& plan, const TopicImage& topic, PartitionImage& partition,
                          const Reassignment& wish, bool may_change_factor, const Image& image) {
  if (!wish.replicas) {
    if (!partition.is_reassigned()) {
      return kafka::refuse(ErrorCode::no_reassignment_in_progress,
                           "nothing is under way for " + name_of(wish));
    }
    const Nodes gone = partition.adding;
    auto done = take_back(plan, topic, partition, gone, image);
    if (done) partition.removing.clear();
    return done;
  }
  if (auto ok = check_assignment(image, *wish.replicas); !ok) return ok;
  const size_t factor = partition.replicas.size() - partition.adding.size();
  if (!may_change_factor && wish.replicas->size() != factor) {
    return kafka::refuse(ErrorCode::invalid_replication_factor,
                         name_of(wish) + " has " + std::to_string(factor) +
                             " replicas, and the request keeps it from having others");
  }
  return begin_reassignment(plan, topic, partition, *wish.replicas, image);
}

// Whether it stays a topic that all brokers have all of.
bool is_everywhere(const Image& image, const TopicImage& topic) {
  return std::ranges::all_of(topic.partitions, [&](const PartitionImage& partition) {
    const Nodes target = without(partition.replicas, partition.removing);
    return std::ranges::all_of(image.brokers, [&](const auto& entry) {
      return entry.second.drain == BrokerDrain::replicas || contains(target, entry.first);
    });
  });
}

bool is_any_under_way(const TopicImage& topic) {
  return std::ranges::any_of(topic.partitions, &PartitionImage::is_reassigned);
}

// `is_first`: nothing was under way.
void note_factor(const Image& image, TopicImage& topic, const PartitionImage& partition,
                 int16_t factor, bool is_first) {
  if (topic.replication_factor == 0 && is_everywhere(image, topic)) return;
  if (is_first) topic.factor_before = topic.replication_factor;
  if (!partition.is_reassigned()) topic.factor_before = -1;
  topic.replication_factor = factor;
}

// Where all is taken back and nothing was completed meanwhile, the topic is again what it was: also
// one that all brokers have, those that join included.
void take_back_factor(TopicImage& topic) {
  if (topic.factor_before < 0 || is_any_under_way(topic)) return;
  topic.replication_factor = std::exchange(topic.factor_before, int16_t{-1});
}

}  // namespace

Result<Plan> plan_reassignments(const Image& image, std::vector<Reassignment>& reassignments,
                                bool may_change_factor) {
  Plan plan;
  std::map<Uuid, TopicImage> changed;
  for (Reassignment& wish : reassignments) {
    const TopicImage* topic = image.find(wish.topic);
    if (topic == nullptr || wish.index < 0 || wish.index >= std::ssize(topic->partitions)) {
      wish.outcome =
          kafka::refuse(ErrorCode::unknown_topic_or_partition, "no partition " + name_of(wish));
      continue;
    }
    TopicImage& next = changed.try_emplace(topic->id, *topic).first->second;
    PartitionImage& partition = next.partitions[static_cast<size_t>(wish.index)];
    const bool is_first = !is_any_under_way(next);
    wish.outcome = reassign_one(plan, *topic, partition, wish, may_change_factor, image);
    if (!wish.outcome) continue;
    if (wish.replicas) {
      note_factor(image, next, partition, static_cast<int16_t>(wish.replicas->size()), is_first);
    } else {
      take_back_factor(next);
    }
  }
  for (const auto& [id, topic] : changed) plan.change(*image.find(id), topic);
  return plan;
}

}  // namespace isthmus::broker
