#include "broker/controller/elections.h"

#include <map>

#include "base/log.h"
#include "kafka/errors.h"

namespace isthmus::broker {

using kafka::ErrorCode;

bool contains(const std::vector<NodeId>& nodes, NodeId node) {
  return std::ranges::find(nodes, node) != nodes.end();
}

bool serves(const Image& image, NodeId node) {
  const auto broker = image.brokers.find(node);
  return broker != image.brokers.end() && !broker->second.fenced;
}

bool is_drained(const Image& image, NodeId node) {
  const auto broker = image.brokers.find(node);
  return broker != image.brokers.end() && broker->second.drain != BrokerDrain::none;
}

NodeId first_serving(const Image& image, const std::vector<NodeId>& replicas,
                     const std::vector<NodeId>& among) {
  const auto may_lead = [&](NodeId node) { return contains(among, node) && serves(image, node); };
  const auto should_lead = [&](NodeId node) { return may_lead(node) && !is_drained(image, node); };
  const auto best = std::ranges::find_if(replicas, should_lead);
  if (best != replicas.end()) return *best;
  const auto found = std::ranges::find_if(replicas, may_lead);
  return found == replicas.end() ? -1 : *found;
}

void lead(Plan& plan, PartitionImage& partition, NodeId leader, const Image& image) {
  if (leader == partition.leader) return;
  lead_anew(plan, partition, leader, image);
}

void lead_anew(Plan& plan, PartitionImage& partition, NodeId leader, const Image& image) {
  const LeaderEpoch next = epoch_in_force(partition, image) + 1;
  partition.leader = leader;
  put_epoch(partition, next, image);
  if (leader >= 0) plan.rely_on(leader, image);
}

void elect(Plan& plan, PartitionImage& partition, const Image& image) {
  NodeId next = first_serving(image, partition.replicas, partition.isr);
  if (next < 0 && partition.isr.empty()) {
    next = first_serving(image, partition.replicas, partition.elr);
    if (next >= 0) {
      partition.isr = {next};
      std::erase(partition.elr, next);
    }
  }
  lead(plan, partition, next, image);
}

void settle_elr(const TopicImage& topic, PartitionImage& partition) {
  const bool are_enough = std::ssize(partition.isr) >= min_insync_replicas(topic, partition);
  if (are_enough) partition.elr.clear();
}

namespace {

NodeId preferred_of(const PartitionImage& partition) {
  return partition.replicas.empty() ? -1 : partition.replicas.front();
}

// Whether it can lead, and another does.
bool is_passed_over(const Image& image, const PartitionImage& partition) {
  const NodeId preferred = preferred_of(partition);
  return partition.leader >= 0 && partition.leader != preferred &&
         contains(partition.isr, preferred) && serves(image, preferred) &&
         !is_drained(image, preferred);
}

template <typename Wanted>
Plan prefer_where(const Image& image, int most, Wanted wanted) {
  Plan plan;
  int moved = 0;
  change_partitions(plan, image, [&](const TopicImage&, PartitionImage& partition, PartitionIndex) {
    if ((most >= 0 && moved >= most) || !is_passed_over(image, partition)) return;
    if (!wanted(preferred_of(partition))) return;
    lead(plan, partition, preferred_of(partition), image);
    ++moved;
  });
  return plan;
}

}  // namespace

Result<Plan> plan_prefer(const Image& image, int most) {
  return prefer_where(image, most, [](NodeId) { return true; });
}

Result<Plan> plan_balance(const Image& image, int percentage, int most) {
  struct Share {
    int64_t should = 0, lacks = 0;
  };
  std::map<NodeId, Share> shares;
  for (const auto& [name, topic] : image.topics) {
    for (const PartitionImage& partition : topic->partitions) {
      Share& share = shares[preferred_of(partition)];
      ++share.should;
      share.lacks += partition.leader != preferred_of(partition);
    }
  }
  return prefer_where(image, most, [&](NodeId node) {
    const Share& share = shares[node];
    return share.lacks * 100 > share.should * percentage;
  });
}

Result<Plan> plan_relieve(const Image& image, int most) {
  Plan plan;
  const bool is_due = std::ranges::any_of(
      image.brokers, [&](const auto& entry) { return is_drained(image, entry.first); });
  if (!is_due) return plan;
  int moved = 0;
  change_partitions(plan, image, [&](const TopicImage&, PartitionImage& partition, PartitionIndex) {
    if ((most >= 0 && moved >= most) || !is_drained(image, partition.leader)) return;
    const NodeId next = first_serving(image, partition.replicas, partition.isr);
    if (next < 0 || is_drained(image, next)) return;
    lead(plan, partition, next, image);
    ++moved;
  });
  return plan;
}

namespace {

Result<void> prefer(Plan& plan, PartitionImage& partition, const Image& image) {
  const NodeId preferred = preferred_of(partition);
  if (partition.leader == preferred && preferred >= 0) {
    return kafka::refuse(ErrorCode::election_not_needed,
                         "its preferred leader, broker " + std::to_string(preferred) + ", leads");
  }
  if (!contains(partition.isr, preferred) || !serves(image, preferred)) {
    return kafka::refuse(
        ErrorCode::preferred_leader_not_available,
        "broker " + std::to_string(preferred) + ", its preferred leader, is not in sync");
  }
  lead(plan, partition, preferred, image);
  return {};
}

}  // namespace

Result<void> elect_anybody(Plan& plan, PartitionImage& partition, const Image& image,
                           Election& election) {
  const NodeId leader = partition.leader;
  const bool has_failed = leader >= 0 && election.failed_in == epoch_in_force(partition, image);
  election.has_lost = false;
  if (leader >= 0 && !has_failed) {
    return kafka::refuse(ErrorCode::election_not_needed,
                         "broker " + std::to_string(leader) + " leads it");
  }
  PartitionImage next = partition;
  if (has_failed) {
    std::erase(next.isr, leader);
    std::erase(next.elr, leader);
  }
  elect(plan, next, image);
  if (next.leader < 0) {
    std::vector<NodeId> settled = next.replicas;
    std::erase_if(settled, [&](NodeId node) {
      return contains(next.adding, node) || (has_failed && node == leader);
    });
    const NodeId heir = first_serving(image, next.replicas, settled);
    if (heir < 0) {
      return kafka::refuse(ErrorCode::eligible_leaders_not_available,
                           has_failed ? "the disk of its leader, broker " + std::to_string(leader) +
                                            ", has failed, and no other of its replicas serves"
                                      : "none of its replicas serves");
    }
    next.isr = {heir};
    next.elr.clear();
    // From the one before, whose epoch is the last that was in force.
    next.leader = partition.leader;
    next.leader_epoch = partition.leader_epoch;
    next.recorded_at_start = partition.recorded_at_start;
    lead(plan, next, heir, image);
    election.has_lost = true;
  }
  partition = std::move(next);
  return {};
}

Result<Plan> plan_elections(const Image& image, std::vector<Election>& elections, bool unclean) {
  Plan plan;
  std::map<Uuid, TopicImage> changed;
  for (Election& election : elections) {
    const TopicImage* topic = image.find(election.topic);
    if (topic == nullptr || election.index < 0 || election.index >= std::ssize(topic->partitions)) {
      election.outcome =
          kafka::refuse(ErrorCode::unknown_topic_or_partition,
                        "no partition " + election.topic + "-" + std::to_string(election.index));
      continue;
    }
    PartitionImage& partition = changed.try_emplace(topic->id, *topic)
                                    .first->second.partitions[static_cast<size_t>(election.index)];
    election.outcome =
        unclean ? elect_anybody(plan, partition, image, election) : prefer(plan, partition, image);
  }
  for (const auto& [id, topic] : changed) plan.change(*image.find(id), topic);
  return plan;
}

void tell_of_unclean(const Image& image, const std::vector<Election>& elections, const char* why) {
  for (const Election& election : elections) {
    const TopicImage* topic = image.find(election.topic);
    if (!election.outcome || !election.has_lost || topic == nullptr) continue;
    const auto& partition = topic->partitions.at(static_cast<size_t>(election.index));
    Logger(LogComponent::controller, "cluster")
        .warn(
            "{}-{}: UNCLEAN election, {}: leader={} epoch={} leads with what it has, and what it "
            "lacks "
            "of what was acknowledged is lost",
            election.topic, election.index, why, partition.leader,
            epoch_in_force(partition, image));
  }
}

bool may_lose(const TopicImage& topic) {
  const auto said = topic.configs.find("unclean.leader.election.enable");
  return said != topic.configs.end() && said->second == "true";
}

Result<Plan> plan_unclean(const Image& image, const GivenUp& is_given_up, int most,
                          std::vector<Election>& elected) {
  Plan plan;
  elected.clear();
  change_partitions(plan, image,
                    [&](const TopicImage& topic, PartitionImage& partition, PartitionIndex index) {
                      if (partition.leader >= 0 || !may_lose(topic) || std::ssize(elected) >= most)
                        return;
                      const bool is_waited_for = !partition.isr.empty() || !partition.elr.empty();
                      if (is_waited_for && !is_given_up(topic, index)) return;
                      Election election{topic.name, index};
                      if (elect_anybody(plan, partition, image, election))
                        elected.push_back(std::move(election));
                    });
  return plan;
}

}  // namespace isthmus::broker
