#include "broker/image/image.h"

#include <algorithm>
#include <charconv>

namespace isthmus::broker {

const TopicImage* Image::find(const std::string& topic) const {
  auto found = topics.find(topic);
  return found == topics.end() ? nullptr : found->second.get();
}

const TopicImage* Image::find(const Uuid& id) const {
  auto found = topics_by_id.find(id);
  return found == topics_by_id.end() ? nullptr : found->second.get();
}

int64_t Image::epoch_of(const std::string& link) const {
  auto found = links.find(link);
  return found == links.end() ? 0 : found->second.epoch;
}

const BrokerEndpoint* BrokerImage::endpoint(const std::string& listener) const {
  const auto found = std::ranges::find(endpoints, listener, &BrokerEndpoint::listener);
  return found == endpoints.end() ? nullptr : &*found;
}

const BrokerEndpoint* BrokerImage::endpoint_for_brokers() const {
  const auto found = std::ranges::find_if(endpoints, &BrokerEndpoint::for_brokers);
  return found == endpoints.end() ? nullptr : &*found;
}

int32_t Image::starts_of(NodeId broker) const {
  auto found = brokers.find(broker);
  return found == brokers.end() ? 0 : found->second.starts;
}

int min_insync_replicas(const TopicImage& topic, const PartitionImage& partition) {
  const size_t held = partition.replicas.size() - partition.adding.size();
  const int replicas = std::max(1, static_cast<int>(held));
  const auto said = topic.configs.find("min.insync.replicas");
  if (said == topic.configs.end()) return replicas / 2 + 1;
  int count = 1;  // also for what a mirror brought that is no number
  std::from_chars(said->second.data(), said->second.data() + said->second.size(), count);
  return std::clamp(count, 1, replicas);
}

bool is_counted_on(const PartitionImage& partition, NodeId node, bool all) {
  const auto is_node = [node](NodeId member) { return member == node; };
  const auto counted =
      std::ranges::count_if(partition.isr, is_node) + std::ranges::count_if(partition.elr, is_node);
  if (counted == 0) return false;
  const auto others = std::ssize(partition.isr) + std::ssize(partition.elr) - counted;
  return others > 0 || (all && partition.replicas.size() > 1);
}

LeaderEpoch epoch_in_force(const PartitionImage& partition, const Image& image) {
  const int32_t starts = image.starts_of(partition.leader);
  return partition.leader_epoch + std::max(0, starts - partition.recorded_at_start);
}

void put_epoch(PartitionImage& partition, LeaderEpoch epoch, const Image& image) {
  partition.leader_epoch = epoch;
  partition.recorded_at_start = image.starts_of(partition.leader);
}

LeaderEpoch next_generation(LeaderEpoch epoch) {
  return ((epoch >> election_bits) + 1) << election_bits;
}

}  // namespace isthmus::broker
