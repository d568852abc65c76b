// What decisions about the brokers of a cluster share: who may lead, and how a partition is given a
// leader. Pure; parts of a plan, for those who write plans.
#pragma once

#include <algorithm>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "broker/image/image.h"
#include "broker/image/records.h"

namespace isthmus::broker {

bool contains(const std::vector<NodeId>& nodes, NodeId node);
bool serves(const Image& image, NodeId node);
// By an operator's word it leads nothing that another can lead.
bool is_drained(const Image& image, NodeId node);

// The first in the order of `replicas` that is among the others, serves, and is not drained; where
// there is none, one that is. -1: nobody serves.
NodeId first_serving(const Image& image, const std::vector<NodeId>& replicas,
                     const std::vector<NodeId>& among);

// Under an epoch of its own, so that nobody takes what the one before still says for his. The plan
// relies on that the leader is not fenced meanwhile. Nothing, if it leads already.
void lead(Plan& plan, PartitionImage& partition, NodeId leader, const Image& image);
// Also where it leads already.
void lead_anew(Plan& plan, PartitionImage& partition, NodeId leader, const Image& image);

// Out of the ISR; where that is empty, out of the ELR, alone. -1 where nobody of them serves.
void elect(Plan& plan, PartitionImage& partition, const Image& image);

// The ELR ends where enough are in sync: after a change of the ISR, or of min.insync.replicas.
void settle_elr(const TopicImage& topic, PartitionImage& partition);

// Partitions in which `change` changes something are written.
template <typename Change>
void change_partitions(Plan& plan, const Image& image, Change change) {
  for (const auto& [name, topic] : image.topics) {
    // Copied when something of it changes, and not before.
    std::optional<TopicImage> next;
    for (size_t i = 0; i < topic->partitions.size(); ++i) {
      PartitionImage partition = topic->partitions[i];
      change(*topic, partition, static_cast<PartitionIndex>(i));
      if (partition == topic->partitions[i]) continue;
      if (!next) next = *topic;
      // A reassignment that is completed is not to be taken back with the others of its topic.
      if (topic->partitions[i].is_reassigned() && !partition.is_reassigned()) {
        next->factor_before = -1;
      }
      next->partitions[i] = std::move(partition);
    }
    if (next) plan.change(*topic, *next);
  }
}

// Leadership goes to the first of each partition's replicas where that is in sync and serves
// (ElectLeaders, preferred). At most `most` partitions; all, if it is negative.
Result<Plan> plan_prefer(const Image& image, int most);
// The same, where a broker leads less than it should by more than so many of a hundred partitions.
Result<Plan> plan_balance(const Image& image, int percentage, int most);
// Others lead what drained brokers lead, where another is in sync.
Result<Plan> plan_relieve(const Image& image, int most);

// One partition of an ElectLeaders, and what became of it.
struct Election {
  std::string topic;
  PartitionIndex index = -1;
  Result<void> outcome = {};
  // The epoch in which its leader says that it cannot serve it, as its disk has failed; -1: none.
  LeaderEpoch failed_in = -1;
  bool has_lost = false;  // what the new leader lacks of what was acknowledged
};
// With `unclean`, where nobody of ISR and ELR serves, the first replica that does leads with what
// it has: what it lacks is lost. A leader whose disk has failed is replaced so, too.
Result<Plan> plan_elections(const Image& image, std::vector<Election>& elections, bool unclean);

// Part of both, for a plan of others: who leads is replaced only if he has failed.
Result<void> elect_anybody(Plan& plan, PartitionImage& partition, const Image& image,
                           Election& election);

// In the log, of each that has lost something; `why` it was held.
void tell_of_unclean(const Image& image, const std::vector<Election>& elections, const char* why);

// Whether its owner rather loses records than waits (unclean.leader.election.enable).
bool may_lose(const TopicImage& topic);
// Of such topics, what an unclean election gives a leader: where nobody is left to be waited for,
// or nobody of ISR and ELR serves and they are given up (leaderless.h). `elected` has what it was.
using GivenUp = std::function<bool(const TopicImage&, PartitionIndex)>;
Result<Plan> plan_unclean(const Image& image, const GivenUp& is_given_up, int most,
                          std::vector<Election>& elected);

}  // namespace isthmus::broker
