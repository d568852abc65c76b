// Who leads what this broker was asked for and does not lead: the answers of Produce and Fetch say
// so, with the address (KIP-951), and a client need not ask for metadata first. By the image in
// force; where that knows no other leader, nothing is said.
#pragma once

#include <algorithm>
#include <optional>
#include <string>

#include "broker/image/image.h"
#include "kafka/errors.h"

namespace isthmus::broker {

inline bool is_about_leadership(kafka::ErrorCode error) {
  return error == kafka::ErrorCode::not_leader_or_follower ||
         error == kafka::ErrorCode::fenced_leader_epoch ||
         error == kafka::ErrorCode::unknown_leader_epoch;
}

// `answer` is a partition's, with current_leader; the address is that of the listener where the
// client has asked.
template <typename Response, typename Answer>
void hint_at_leader(const Image& image, const TopicImage* topic, PartitionIndex index, NodeId self,
                    const std::string& listener, Response& response, Answer& answer) {
  if (topic == nullptr || index < 0 || index >= std::ssize(topic->partitions)) return;
  const PartitionImage& partition = topic->partitions[static_cast<size_t>(index)];
  if (partition.leader < 0 || partition.leader == self) return;
  const auto broker = image.brokers.find(partition.leader);
  if (broker == image.brokers.end()) return;
  const BrokerEndpoint* endpoint = broker->second.endpoint(listener);
  if (endpoint == nullptr) return;
  answer.current_leader.leader_id = partition.leader;
  answer.current_leader.leader_epoch = epoch_in_force(partition, image);
  const auto is_same = [&](const auto& known) { return known.node_id == partition.leader; };
  if (std::ranges::any_of(response.node_endpoints, is_same)) return;
  auto& told = response.node_endpoints.emplace_back();
  told.node_id = partition.leader;
  told.host = endpoint->address.host;
  told.port = endpoint->address.port;
  if (!broker->second.rack.empty()) told.rack = broker->second.rack;
}

}  // namespace isthmus::broker
