// ClusterView: what one cluster says of its brokers and partitions, and what follows: what is not
// whole, and what an operator does about it. Pure; made from an answer to Metadata, and from one to
// DescribeSite where the cluster gives it. A foreign Kafka does not: what only that tells (starts,
// fenced brokers, the ELR) is not known then.
#pragma once

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "kafka/gen/metadata.h"
#include "views/readiness.h"
#include "views/site_answer.h"

namespace isthmus::views {

struct ClusterAnswers {
  std::string name;  // as the command's user calls it
  kafka::MetadataResponse metadata;
  std::optional<SiteAnswer> site;
  // By topic, of a foreign Kafka; of those that are asked for only.
  std::map<std::string, int32_t> min_insync_replicas;
};

enum class BrokerState : uint8_t {
  serving,
  starting,  // its process runs, and leads nothing: it starts, or stops
  fenced,    // its process is gone, or cannot be seen
  away,      // has replicas, and the cluster does not tell of it
};
std::string_view to_string(BrokerState state);

struct BrokerHealth {
  NodeId node = -1;
  std::string address;  // of the listener that was asked; empty: it has none of that name
  std::string rack;
  std::optional<int32_t> starts;
  BrokerState state = BrokerState::away;
  bool controller = false;
  kafka::BrokerDrain drain = kafka::BrokerDrain::none;
  size_t leads = 0, in_sync = 0, replicas = 0;  // partitions

  size_t behind() const { return replicas - in_sync; }
};

struct PartitionHealth {
  std::string name;  // orders-3
  NodeId leader = -1;
  std::vector<NodeId> isr, replicas;
  std::vector<NodeId> elr;         // who may lead while nobody is in sync
  std::vector<NodeId> offline_at;  // whose disk has failed it
  std::optional<int32_t> min_insync_replicas;
  std::vector<NodeId> adding;  // of the replicas: they come
  int64_t bytes_to_go = 0;     // until those have all, as far as whoever was asked knows

  bool is_leaderless() const { return leader < 0; }
  bool is_below_min_isr() const {
    return min_insync_replicas && std::ssize(isr) < *min_insync_replicas;
  }
  bool is_under_replicated() const { return isr.size() < replicas.size(); }
  // Its leader's disk has failed it: what was safe is read, and nothing is written.
  bool is_failed() const { return std::ranges::find(offline_at, leader) != offline_at.end(); }
  bool is_whole() const {
    return !is_leaderless() && !is_failed() && !is_below_min_isr() && !is_under_replicated();
  }
};

struct ClusterView {
  std::string name;
  std::string id;
  ClusterNumber number = 0;           // 0 = a foreign cluster
  bool tells_of_all = false;          // of fenced brokers too, of starts and ELRs
  std::vector<BrokerHealth> brokers;  // in order of their node ids
  size_t topics = 0, partitions = 0;
  // A partition without a leader is counted in all three. As Kafka's kafka-topics.sh does.
  size_t under_replicated = 0, below_min_isr = 0, leaderless = 0;
  size_t joining = 0;          // partitions with replicas that are being added
  int64_t bytes_to_go = 0;     // of these
  size_t unknown_min_isr = 0;  // of the under-replicated: nobody has told their min.insync.replicas
  std::vector<PartitionHealth> not_whole;

  const BrokerHealth* broker(NodeId node) const;
  size_t not_serving() const;
  bool is_whole() const { return not_serving() == 0 && not_whole.empty(); }
};

ClusterView view_cluster(const ClusterAnswers& answers);
// "OK", or "DEGRADED: " and why.
std::string summary(const ClusterView& view);

// Those of whose topics a foreign Kafka is asked for min.insync.replicas.
std::vector<std::string> under_replicated_topics(const kafka::MetadataResponse& metadata);

// What is wrong, the worst last, each with what to do next; each partition in one of them only.
std::vector<Finding> findings_of(const ClusterView& view);

}  // namespace isthmus::views
