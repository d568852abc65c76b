#include "client/metadata.h"

#include <algorithm>
#include <unordered_set>

namespace isthmus::client {

namespace {

bool is_older(const LeaderInfo& told, const LeaderInfo& known) {
  return told.epoch >= 0 && told.epoch < known.epoch;
}

}  // namespace

void Metadata::update(const kafka::MetadataResponse& response, bool complete) {
  if (response.cluster_id) cluster_id_ = *response.cluster_id;
  controller_ = response.controller_id;
  // An empty list comes from a broker that is starting: what was known stays of use.
  if (!response.brokers.empty()) brokers_.clear();
  for (const auto& broker : response.brokers) {
    learn_broker({broker.node_id, {broker.host, static_cast<uint16_t>(broker.port)}, broker.rack});
  }
  std::unordered_set<std::string> listed;
  for (const auto& topic : response.topics) {
    if (!topic.name) continue;
    listed.insert(*topic.name);
    update_topic(topic);
  }
  if (!complete) return;
  std::vector<std::string> gone;
  for (const auto& [name, topic] : topics_) {
    if (!listed.contains(name)) gone.push_back(name);
  }
  for (const auto& name : gone) forget_topic(name);
}

void Metadata::update_topic(const kafka::MetadataResponse::MetadataResponseTopic& from) {
  if (from.error_code == kafka::ErrorCode::unknown_topic_or_partition) {
    return forget_topic(*from.name);
  }
  if (from.error_code != kafka::ErrorCode::none) return;
  auto known = topics_.find(*from.name);
  if (known != topics_.end() && known->second.id != from.topic_id) {
    forget_topic(*from.name);  // deleted and created again: its epochs begin anew
    known = topics_.end();
  }
  TopicInfo topic{*from.name, from.topic_id, from.is_internal, {}};
  for (const auto& partition : from.partitions) {
    PartitionInfo info{{partition.leader_id, partition.leader_epoch},
                       partition.replica_nodes,
                       partition.isr_nodes};
    if (known != topics_.end()) {
      const auto before = known->second.partitions.find(partition.partition_index);
      const bool stale =
          before != known->second.partitions.end() && is_older(info.leader, before->second.leader);
      if (stale) info = before->second;
    }
    topic.partitions.emplace(partition.partition_index, std::move(info));
  }
  if (known != topics_.end() && known->second == topic) return;
  ++changes_;
  if (!topic.id.is_zero()) names_[topic.id] = topic.name;
  topics_.insert_or_assign(topic.name, std::move(topic));
}

void Metadata::forget_topic(const std::string& name) {
  const auto found = topics_.find(name);
  if (found == topics_.end()) return;
  ++changes_;
  names_.erase(found->second.id);
  topics_.erase(found);
}

bool Metadata::learn_leader(const TopicPartition& partition, LeaderInfo leader) {
  const auto topic = topics_.find(partition.topic);
  if (topic == topics_.end()) return false;
  const auto known = topic->second.partitions.find(partition.partition);
  if (known == topic->second.partitions.end()) return false;
  LeaderInfo& now = known->second.leader;
  if (leader.epoch <= now.epoch) return false;
  now = leader;
  ++changes_;
  return true;
}

// A name with a zero byte would be looked up as another one than it is checked against.
void Metadata::learn_broker(BrokerInfo broker) {
  if (broker.address.host.contains('\0')) return;
  const NodeId id = broker.id;
  brokers_.insert_or_assign(id, std::move(broker));
}

const BrokerInfo* Metadata::broker(NodeId id) const {
  const auto found = brokers_.find(id);
  return found == brokers_.end() ? nullptr : &found->second;
}

const TopicInfo* Metadata::topic(const std::string& name) const {
  const auto found = topics_.find(name);
  return found == topics_.end() ? nullptr : &found->second;
}

const std::string* Metadata::name_of(const Uuid& topic_id) const {
  const auto found = names_.find(topic_id);
  return found == names_.end() ? nullptr : &found->second;
}

std::optional<LeaderInfo> Metadata::leader_of(const TopicPartition& partition) const {
  const TopicInfo* info = topic(partition.topic);
  if (info == nullptr) return std::nullopt;
  const auto found = info->partitions.find(partition.partition);
  if (found == info->partitions.end()) return std::nullopt;
  return found->second.leader;
}

}  // namespace isthmus::client
