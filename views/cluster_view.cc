#include "views/cluster_view.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "views/words.h"

namespace isthmus::views {
namespace {

using kafka::MetadataResponse;
using Nodes = std::set<NodeId>;
using Brokers = std::map<NodeId, BrokerHealth>;
using ToldOfPartitions = std::map<std::string, const SiteAnswer::SitePartition*>;

bool is_among(const std::vector<NodeId>& nodes, NodeId node) {
  return std::ranges::find(nodes, node) != nodes.end();
}

std::string address_text(const std::string& host, int32_t port) {
  if (host.empty()) return {};
  return io::Address{host, static_cast<uint16_t>(port)}.to_string();
}

void add_told(Brokers& brokers, const SiteAnswer& site) {
  for (const auto& told : site.brokers) {
    BrokerHealth& broker = brokers[told.node_id];
    broker.address = address_text(told.host, told.port);
    broker.rack = told.rack;
    broker.starts = told.starts;
    broker.drain = told.drain;
    if (!told.fenced) {
      broker.state = BrokerState::serving;
    } else {
      broker.state = told.running ? BrokerState::starting : BrokerState::fenced;
    }
  }
}

// What clients are told. Who serves by the other answer may not have a listener of this name.
void add_listed(Brokers& brokers, const MetadataResponse& metadata) {
  for (const auto& listed : metadata.brokers) {
    BrokerHealth& broker = brokers[listed.node_id];
    broker.address = address_text(listed.host, listed.port);
    broker.rack = listed.rack.value_or("");
    if (broker.state == BrokerState::away) broker.state = BrokerState::serving;
  }
}

Brokers brokers_in(const ClusterAnswers& answers) {
  Brokers brokers;
  if (answers.site) add_told(brokers, *answers.site);
  add_listed(brokers, answers.metadata);
  const NodeId seat = answers.site ? answers.site->controller_id : -1;
  const NodeId controller = seat >= 0 ? seat : answers.metadata.controller_id;
  for (auto& [node, broker] : brokers) broker.controller = node == controller;
  return brokers;
}

std::string name_of(const std::string& topic, PartitionIndex index) {
  return topic + "-" + std::to_string(index);
}

ToldOfPartitions told_of_partitions(const ClusterAnswers& answers) {
  ToldOfPartitions told;
  if (!answers.site) return told;
  for (const auto& topic : answers.site->topics) {
    for (const auto& p : topic.partitions) told[name_of(topic.name, p.index)] = &p;
  }
  return told;
}

PartitionHealth health_of(const ClusterAnswers& answers, const ToldOfPartitions& told,
                          const std::string& topic,
                          const MetadataResponse::MetadataResponsePartition& from) {
  PartitionHealth health;
  health.name = name_of(topic, from.partition_index);
  health.leader = from.leader_id;
  health.isr = from.isr_nodes;
  health.replicas = from.replica_nodes;
  health.offline_at = from.offline_replicas;
  if (const auto said = answers.min_insync_replicas.find(topic);
      said != answers.min_insync_replicas.end()) {
    health.min_insync_replicas = said->second;
  }
  if (const auto more = told.find(health.name); more != told.end()) {
    health.elr = more->second->elr;
    health.adding = more->second->adding;
    health.bytes_to_go = std::max<int64_t>(0, more->second->bytes_to_go);
    if (more->second->min_insync_replicas >= 0) {
      health.min_insync_replicas = more->second->min_insync_replicas;
    }
  }
  return health;
}

void count(ClusterView& view, PartitionHealth health) {
  view.partitions += 1;
  view.leaderless += health.is_leaderless();
  view.joining += !health.adding.empty();
  view.bytes_to_go += health.bytes_to_go;
  view.below_min_isr += health.is_below_min_isr();
  view.under_replicated += health.is_under_replicated();
  view.unknown_min_isr += health.is_under_replicated() && !health.min_insync_replicas;
  if (!health.is_whole()) view.not_whole.push_back(std::move(health));
}

void count(Brokers& brokers, const PartitionHealth& health) {
  for (const NodeId node : health.replicas) {
    brokers[node].replicas += 1;
    brokers[node].in_sync += is_among(health.isr, node);
  }
  if (health.leader >= 0) brokers[health.leader].leads += 1;
}

std::string numbers_of(const Nodes& nodes) { return fmt::format("{}", fmt::join(nodes, ", ")); }

std::string first_of(const std::vector<const PartitionHealth*>& partitions) {
  constexpr size_t most_named = 3;
  std::vector<std::string> names;
  for (const auto* partition : partitions) {
    if (names.size() == most_named) break;
    names.push_back(partition->name);
  }
  if (partitions.size() > most_named) names.emplace_back("...");
  return fmt::format("{}", fmt::join(names, ", "));
}

const char* are(size_t n) { return n == 1 ? "is" : "are"; }

// Whoever is not in sync: to be started, or to be looked at.
std::string next_for_missing(const ClusterView& view,
                             const std::vector<const PartitionHealth*>& partitions) {
  Nodes down, late;
  for (const auto* partition : partitions) {
    for (const NodeId node : partition->replicas) {
      if (is_among(partition->isr, node)) continue;
      const BrokerHealth* broker = view.broker(node);
      const bool serves = broker != nullptr && broker->state == BrokerState::serving;
      (serves ? late : down).insert(node);
    }
  }
  std::string next;
  if (!down.empty()) next = "bring back " + numbers_of(down) + ", and let it catch up";
  if (late.empty()) return next;
  if (!next.empty()) next += "; ";
  return next + numbers_of(late) +
         " serves and is behind: it catches up by itself; if not, see its log and its disk";
}

// Kafka calls a replica offline also where its broker is gone.
Nodes failed_at(const ClusterView& view, const std::vector<const PartitionHealth*>& partitions) {
  Nodes failed;
  for (const auto* partition : partitions) {
    for (const NodeId node : partition->offline_at) {
      const BrokerHealth* broker = view.broker(node);
      const bool serves = broker != nullptr && broker->state == BrokerState::serving;
      if (serves) failed.insert(node);
    }
  }
  return failed;
}

std::string next_for_failed(const ClusterView& view,
                            const std::vector<const PartitionHealth*>& partitions) {
  const std::string next = "see the log and the disk of " + numbers_of(failed_at(view, partitions));
  if (!view.tells_of_all) return next;
  return next + ", with isthmus partition describe " + partitions.front()->name;
}

std::string next_for_leaderless(const ClusterView& view,
                                const std::vector<const PartitionHealth*>& partitions) {
  Nodes may_lead;
  std::vector<const PartitionHealth*> failed;
  for (const auto* partition : partitions) {
    may_lead.insert(partition->isr.begin(), partition->isr.end());
    may_lead.insert(partition->elr.begin(), partition->elr.end());
    if (!failed_at(view, {partition}).empty()) failed.push_back(partition);
  }
  for (const NodeId node : failed_at(view, failed)) may_lead.erase(node);
  const std::string disks = failed.empty() ? "" : next_for_failed(view, failed);
  if (may_lead.empty()) return disks.empty() ? "bring back its replicas" : disks;
  return (disks.empty() ? "" : disks + "; ") + "bring back " + numbers_of(may_lead) +
         ": only who was in sync may lead, and the first that serves does";
}

Finding finding_of(const BrokerHealth& broker) {
  const std::string name = "broker " + std::to_string(broker.node);
  switch (broker.state) {
    case BrokerState::starting:
      return {Verdict::warn, name + " starts, or stops: it leads nothing",
              "wait; its log and its /readyz say what for"};
    case BrokerState::fenced:
      return {Verdict::warn, name + " is fenced: its process is gone, or has lost ZooKeeper",
              "start it; the end of its log says why it ended"};
    case BrokerState::away:
      return {Verdict::warn, name + " has replicas, and the cluster does not tell of it",
              "start it; the end of its log says why it ended"};
    case BrokerState::serving: break;
  }
  return {Verdict::ok, name + " serves", ""};
}

}  // namespace

std::string_view to_string(BrokerState state) {
  switch (state) {
    case BrokerState::serving: return "serving";
    case BrokerState::starting: return "starting";
    case BrokerState::fenced: return "fenced";
    case BrokerState::away: return "away";
  }
  return "?";
}

const BrokerHealth* ClusterView::broker(NodeId node) const {
  const auto found = std::ranges::find(brokers, node, &BrokerHealth::node);
  return found == brokers.end() ? nullptr : &*found;
}

size_t ClusterView::not_serving() const {
  return static_cast<size_t>(std::ranges::count_if(
      brokers, [](const BrokerHealth& b) { return b.state != BrokerState::serving; }));
}

ClusterView view_cluster(const ClusterAnswers& answers) {
  ClusterView view;
  view.name = answers.site ? answers.site->name : answers.name;
  view.id = answers.metadata.cluster_id.value_or("");
  view.number = answers.site ? answers.site->number : ClusterNumber{0};
  view.tells_of_all = answers.site && !answers.site->brokers.empty();
  Brokers brokers = brokers_in(answers);
  const ToldOfPartitions told = told_of_partitions(answers);
  for (const auto& topic : answers.metadata.topics) {
    if (!topic.name) continue;
    view.topics += 1;
    for (const auto& partition : topic.partitions) {
      PartitionHealth health = health_of(answers, told, *topic.name, partition);
      count(brokers, health);
      count(view, std::move(health));
    }
  }
  for (auto& [node, broker] : brokers) {
    broker.node = node;
    view.brokers.push_back(std::move(broker));
  }
  return view;
}

std::vector<std::string> under_replicated_topics(const MetadataResponse& metadata) {
  std::vector<std::string> names;
  for (const auto& topic : metadata.topics) {
    const bool is_whole = std::ranges::all_of(topic.partitions, [](const auto& p) {
      return p.isr_nodes.size() >= p.replica_nodes.size();
    });
    if (!is_whole && topic.name) names.push_back(*topic.name);
  }
  return names;
}

std::string summary(const ClusterView& view) {
  if (view.is_whole()) return "OK";
  std::vector<std::string> why;
  if (const size_t away = view.not_serving(); away > 0) {
    why.push_back(
        fmt::format("{} of {} not serving", away, count_of(view.brokers.size(), "broker")));
  }
  if (!view.not_whole.empty()) {
    why.push_back(fmt::format("{} of {} not whole", view.not_whole.size(),
                              count_of(view.partitions, "partition")));
  }
  return fmt::format("DEGRADED: {}", fmt::join(why, ", "));
}

std::vector<Finding> findings_of(const ClusterView& view) {
  std::vector<Finding> findings;
  for (const BrokerHealth& broker : view.brokers) {
    if (broker.state != BrokerState::serving) findings.push_back(finding_of(broker));
  }
  std::vector<const PartitionHealth*> leaderless, failed, below, under;
  for (const PartitionHealth& partition : view.not_whole) {
    auto* kind = &under;
    if (partition.is_below_min_isr()) kind = &below;
    if (partition.is_failed()) kind = &failed;
    if (partition.is_leaderless()) kind = &leaderless;
    kind->push_back(&partition);
  }
  if (!under.empty()) {
    findings.push_back(
        {Verdict::warn,
         fmt::format("{} {} served, with fewer replicas in sync than there are: {}",
                     count_of(under.size(), "partition"), are(under.size()), first_of(under)),
         next_for_missing(view, under)});
  }
  if (!below.empty()) {
    findings.push_back(
        {Verdict::stop,
         fmt::format("{} {} below min.insync.replicas, read but not written with acks=all: {}",
                     count_of(below.size(), "partition"), are(below.size()), first_of(below)),
         next_for_missing(view, below)});
  }
  if (!failed.empty()) {
    findings.push_back(
        {Verdict::stop,
         fmt::format("{} {} read but not written, the disk of the leader has failed: {}",
                     count_of(failed.size(), "partition"), are(failed.size()), first_of(failed)),
         next_for_failed(view, failed)});
  }
  if (!leaderless.empty()) {
    findings.push_back({Verdict::stop,
                        fmt::format("{} {} without a leader, neither read nor written: {}",
                                    count_of(leaderless.size(), "partition"),
                                    are(leaderless.size()), first_of(leaderless)),
                        next_for_leaderless(view, leaderless)});
  }
  return findings;
}

}  // namespace isthmus::views
