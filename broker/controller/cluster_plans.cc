#include "broker/controller/cluster_plans.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "broker/controller/elections.h"
#include "broker/controller/reassignment.h"
#include "kafka/errors.h"

namespace isthmus::broker {

namespace {

// Who is taken out when too few are left has all that was ever acknowledged: nothing is, from then
// on. Where enough are in sync, others fall behind.
void leave_isr(const TopicImage& topic, PartitionImage& partition, NodeId node) {
  // Enough are in sync now, also where min.insync.replicas was lowered since.
  settle_elr(topic, partition);
  if (std::erase(partition.isr, node) == 0) return;
  if (!contains(partition.elr, node)) partition.elr.push_back(node);
  settle_elr(topic, partition);
}

// REQUIRES: the broker is fenced in `image`, and the plan has put it so. `blank`: it has nothing of
// what it had.
void take_out(Plan& plan, const Image& image, NodeId node, bool blank = false) {
  change_partitions(plan, image,
                    [&](const TopicImage& topic, PartitionImage& partition, PartitionIndex) {
                      leave_isr(topic, partition, node);
                      if (blank) std::erase(partition.elr, node);
                      if (partition.leader == node) elect(plan, partition, image);
                    });
}

}  // namespace

Plan plan_start(const Image& image, NodeId node, const BrokerImage& says) {
  Image next = image;
  BrokerImage& broker = next.brokers[node];
  const BrokerImage before = std::exchange(broker, says);
  broker.starts = before.starts + 1;
  broker.version = before.version;
  broker.drain = before.drain;
  broker.leader_rate = before.leader_rate;
  broker.follower_rate = before.follower_rate;
  Plan plan;
  plan.put_broker(node, broker);
  const bool blank = !before.directory_id.is_zero() && before.directory_id != says.directory_id;
  if (broker.fenced) take_out(plan, next, node, blank);
  return plan;
}

std::string missing_directory(const Image& image, NodeId node, const Uuid& directory) {
  const auto known = image.brokers.find(node);
  if (known == image.brokers.end()) return "";
  const Uuid& before = known->second.directory_id;
  if (before.is_zero() || before == directory) return "";
  size_t held = 0, alone = 0;
  std::string first;
  for (const auto& [name, topic] : image.topics) {
    for (size_t i = 0; i < topic->partitions.size(); ++i) {
      const PartitionImage& partition = topic->partitions[i];
      if (!contains(partition.replicas, node)) continue;
      ++held;
      const auto is_other = [node](NodeId other) { return other != node; };
      const bool has_others = std::ranges::any_of(partition.isr, is_other) ||
                              std::ranges::any_of(partition.elr, is_other);
      const bool counts = contains(partition.isr, node) || contains(partition.elr, node);
      if (!counts || has_others) continue;
      if (alone++ == 0) first = name + "-" + std::to_string(i);
    }
  }
  std::string text = "the data of node " + std::to_string(node) + " are in directory " +
                     before.to_string() + ", and the first of log.dirs is another, " +
                     directory.to_string() + ": what it had of " + std::to_string(held) +
                     " partitions is missing, and is copied from the others again";
  if (alone > 0) {
    text += "; of " + std::to_string(alone) + ", " + first +
            " among them, nobody else has all: they have no leader until an unclean election. If "
            "the directory is not lost, stop this broker and bring it back";
  }
  return text;
}

namespace {

struct Loss {
  bool is_all = false;
  bool has_failed = false;  // nothing of it is served
};
using Lost = std::map<std::pair<Uuid, PartitionIndex>, Loss>;

Lost lost_of(const std::vector<DamagedReplica>& damaged) {
  Lost lost;
  for (const DamagedReplica& replica : damaged) {
    Loss& loss = lost[{replica.topic, replica.index}];
    loss.is_all |= replica.all;
    loss.has_failed |= !replica.is_open;
  }
  return lost;
}

void drop(const Lost& lost, const Uuid& topic, PartitionIndex index, PartitionImage& partition,
          NodeId node) {
  const auto found = lost.find({topic, index});
  if (found == lost.end() || !is_counted_on(partition, node, found->second.is_all)) return;
  std::erase(partition.isr, node);
  std::erase(partition.elr, node);
}

}  // namespace

Result<Plan> plan_lose(const Image& image, NodeId node, const std::vector<DamagedReplica>& damaged,
                       std::vector<Election>* unclean) {
  Plan plan;
  if (unclean != nullptr) unclean->clear();
  const Lost lost = lost_of(damaged);
  change_partitions(plan, image,
                    [&](const TopicImage& topic, PartitionImage& partition, PartitionIndex index) {
                      drop(lost, topic.id, index, partition, node);
                      if (partition.leader != node) return;
                      const bool stays = contains(partition.isr, node);
                      if (!stays) return elect(plan, partition, image);
                      const auto loss = lost.find({topic.id, index});
                      const bool has_failed = loss != lost.end() && loss->second.has_failed;
                      if (!may_lose(topic) || !has_failed) return;
                      Election election{topic.name, index};
                      election.failed_in = epoch_in_force(partition, image);
                      // Where nobody else serves, it waits for its disk as any other.
                      if (!elect_anybody(plan, partition, image, election)) return;
                      if (unclean != nullptr) unclean->push_back(std::move(election));
                    });
  return plan;
}

Result<Plan> plan_fence(const Image& image, NodeId node) {
  const auto broker = image.brokers.find(node);
  if (broker == image.brokers.end()) {
    return refuse(kafka::ErrorCode::broker_id_not_registered,
                  "no broker " + std::to_string(node) + " is registered here");
  }
  Plan plan;
  if (broker->second.fenced) return plan;
  Image next = image;
  BrokerImage& fenced = next.brokers[node];
  fenced.fenced = true;
  plan.put_broker(node, fenced);
  take_out(plan, next, node);
  return plan;
}

Result<Plan> plan_unfence(const Image& image, NodeId node, int32_t starts,
                          const std::vector<DamagedReplica>& damaged) {
  const auto broker = image.brokers.find(node);
  if (broker == image.brokers.end() || broker->second.starts != starts) {
    return refuse(kafka::ErrorCode::stale_broker_epoch,
                  "broker " + std::to_string(node) + " has started anew since");
  }
  Plan plan;
  if (!broker->second.fenced) return plan;
  Image next = image;
  BrokerImage& serving = next.brokers[node];
  serving.fenced = false;
  plan.put_broker(node, serving);
  const Lost lost = lost_of(damaged);
  change_partitions(plan, next,
                    [&](const TopicImage& topic, PartitionImage& partition, PartitionIndex index) {
                      drop(lost, topic.id, index, partition, node);
                      if (partition.leader < 0) elect(plan, partition, next);
                    });
  return plan;
}

namespace {

bool may_be_in_sync(const Image& image, const PartitionImage& partition, const InSync& member) {
  return contains(partition.replicas, member.node) && serves(image, member.node) &&
         image.starts_of(member.node) == member.starts;
}

}  // namespace

Result<Plan> plan_isr(const Image& image, NodeId leader, const std::vector<IsrChange>& changes) {
  std::map<Uuid, TopicImage> changed;
  Plan plan;
  for (const IsrChange& change : changes) {
    const TopicImage* topic = image.find(change.topic);
    if (topic == nullptr || change.index < 0 || change.index >= std::ssize(topic->partitions)) {
      continue;
    }
    const PartitionImage& known = topic->partitions[change.index];
    if (known.leader != leader || epoch_in_force(known, image) != change.leader_epoch) continue;
    if (known.version != change.version) continue;
    const bool may_all = std::ranges::all_of(
        change.isr, [&](const InSync& member) { return may_be_in_sync(image, known, member); });
    const bool leads_on = std::ranges::find(change.isr, leader, &InSync::node) != change.isr.end();
    if (!may_all || !leads_on) continue;
    TopicImage& next = changed.try_emplace(topic->id, *topic).first->second;
    PartitionImage& partition = next.partitions[static_cast<size_t>(change.index)];
    const std::vector<NodeId> before = std::exchange(partition.isr, {});
    // In the order of the replicas: the same set is the same record.
    for (NodeId node : partition.replicas) {
      const bool is_in = std::ranges::find(change.isr, node, &InSync::node) != change.isr.end();
      if (is_in) {
        partition.isr.push_back(node);
        std::erase(partition.elr, node);
        plan.rely_on(node, image);
      } else if (contains(before, node) && !contains(partition.elr, node)) {
        partition.elr.push_back(node);
      }
    }
    settle_elr(*topic, partition);
    complete_reassignment(plan, *topic, partition, image);
    const bool is_completed = known.is_reassigned() && !partition.is_reassigned();
    if (is_completed) next.factor_before = -1;  // not to be taken back with others
  }
  for (const auto& [id, topic] : changed) plan.change(*image.find(id), topic);
  return plan;
}

}  // namespace isthmus::broker
