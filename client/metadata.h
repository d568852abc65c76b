// Metadata: what a cluster has told us about itself: its id, its brokers, and who leads what.
//
// A picture put together from many answers, some of them old: a broker that has not heard of an
// election yet names the leader before it. So a partition's leader is replaced only by one of the
// same or a later epoch, as long as the topic's id stays the same (KIP-320).
//
// No I/O here: client/cluster.h asks, and keeps one. Any single loop.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/ids.h"
#include "io/stream.h"
#include "kafka/gen/metadata.h"

namespace isthmus::client {

struct BrokerInfo {
  NodeId id = -1;
  io::Address address;
  std::optional<std::string> rack;
  friend bool operator==(const BrokerInfo&, const BrokerInfo&) = default;
};

struct LeaderInfo {
  NodeId node = -1;        // -1 = none at present
  LeaderEpoch epoch = -1;  // -1 = the broker is too old to say
  friend bool operator==(const LeaderInfo&, const LeaderInfo&) = default;
};

struct PartitionInfo {
  LeaderInfo leader;
  std::vector<NodeId> replicas;
  std::vector<NodeId> in_sync;
  friend bool operator==(const PartitionInfo&, const PartitionInfo&) = default;
};

struct TopicInfo {
  std::string name;
  Uuid id;  // zero = the broker is too old to say
  bool internal = false;
  std::map<PartitionIndex, PartitionInfo> partitions;
  friend bool operator==(const TopicInfo&, const TopicInfo&) = default;
};

class Metadata {
 public:
  // `complete`: the answer lists all topics, so that those it does not list are gone. Topics that
  // it reports as unknown are gone in any case; those with another error keep what was known.
  void update(const kafka::MetadataResponse& response, bool complete);

  // What a produce or fetch answer said in passing (KIP-951). False if we knew as much.
  bool learn_leader(const TopicPartition& partition, LeaderInfo leader);
  void learn_broker(BrokerInfo broker);

  // Counts what has changed in the topics, so that one can see whether an answer brought news.
  uint64_t changes() const { return changes_; }

  const std::string& cluster_id() const { return cluster_id_; }
  NodeId controller() const { return controller_; }  // -1 = unknown
  void forget_controller() { controller_ = -1; }
  const std::map<NodeId, BrokerInfo>& brokers() const { return brokers_; }
  const BrokerInfo* broker(NodeId id) const;
  const std::unordered_map<std::string, TopicInfo>& topics() const { return topics_; }
  const TopicInfo* topic(const std::string& name) const;
  const std::string* name_of(const Uuid& topic_id) const;
  // nullopt for a partition that is not known; its node is -1 while it has no leader.
  std::optional<LeaderInfo> leader_of(const TopicPartition& partition) const;

 private:
  void update_topic(const kafka::MetadataResponse::MetadataResponseTopic& from);
  void forget_topic(const std::string& name);

  uint64_t changes_ = 0;
  std::string cluster_id_;
  NodeId controller_ = -1;
  std::map<NodeId, BrokerInfo> brokers_;
  std::unordered_map<std::string, TopicInfo> topics_;
  std::unordered_map<Uuid, std::string> names_;
};

}  // namespace isthmus::client
