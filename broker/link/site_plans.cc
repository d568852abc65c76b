#include "broker/link/site_plans.h"

#include <algorithm>

#include "kafka/errors.h"
#include "kafka/topic_names.h"

namespace isthmus::broker {

using kafka::ErrorCode;
using Phase = SwitchoverImage::Phase;

std::set<NodeId> serving_brokers(const Image& image, NodeId self) {
  std::set<NodeId> nodes = {self};
  for (const auto& [node, broker] : image.brokers) {
    if (!broker.fenced) nodes.insert(node);
  }
  return nodes;
}

kafka::HoldPartitionsRequest::HoldTopic all_partitions_of(const TopicImage& topic,
                                                          const std::vector<Offset>& ends) {
  kafka::HoldPartitionsRequest::HoldTopic asked;
  asked.topic_id = topic.id;
  for (size_t i = 0; i < topic.partitions.size(); ++i) {
    auto& partition = asked.partitions.emplace_back();
    partition.index = static_cast<PartitionIndex>(i);
    partition.end_offset = i < ends.size() ? ends[i] : -1;
  }
  return asked;
}

Result<HoldsByBroker> ask_leaders(const Image& image, NodeId self,
                                  const kafka::HoldPartitionsRequest& request,
                                  bool without_leaders) {
  kafka::HoldPartitionsRequest part = request;
  part.topics.clear();
  HoldsByBroker asked;
  if (request.whole_site) {
    for (NodeId node : serving_brokers(image, self)) asked[node] = part;
  }
  for (const auto& wanted : request.topics) {
    const TopicImage* topic = image.find(wanted.topic_id);
    if (topic == nullptr) {
      return refuse(ErrorCode::invalid_request, "a topic was deleted meanwhile");
    }
    for (const auto& partition : wanted.partitions) {
      const TopicPartition tp{topic->name, partition.index};
      if (partition.index < 0 || partition.index >= std::ssize(topic->partitions)) {
        return refuse(ErrorCode::invalid_request, tp.to_string() + ": there is no such partition");
      }
      const NodeId leader = topic->partitions[static_cast<size_t>(partition.index)].leader;
      if (leader < 0 && without_leaders) continue;
      if (leader < 0) {
        return refuse(ErrorCode::not_leader_or_follower, tp.to_string() + ": nobody leads it");
      }
      auto& topics = asked.try_emplace(leader, part).first->second.topics;
      if (topics.empty() || topics.back().topic_id != wanted.topic_id) {
        topics.emplace_back().topic_id = wanted.topic_id;
      }
      topics.back().partitions.push_back(partition);
    }
  }
  return asked;
}

HeldTopics held_in(const std::map<NodeId, kafka::HoldPartitionsResponse>& answers,
                   const kafka::HoldPartitionsRequest& request) {
  std::map<std::pair<Uuid, PartitionIndex>, HeldPartition> found;
  for (const auto& [node, answer] : answers) {
    for (const auto& topic : answer.topics) {
      for (const auto& partition : topic.partitions) {
        found[{topic.topic_id, partition.index}] = partition;
      }
    }
  }
  HeldTopics held;
  for (const auto& topic : request.topics) {
    auto& partitions = held[topic.topic_id];
    for (const auto& asked : topic.partitions) {
      const auto answer = found.find({topic.topic_id, asked.index});
      HeldPartition none;
      none.index = asked.index;
      none.offline = true;
      partitions.push_back(answer == found.end() ? none : answer->second);
    }
  }
  return held;
}

Coordinated coordinated_in(const std::map<NodeId, kafka::HoldPartitionsResponse>& answers) {
  Coordinated told;
  for (const auto& [node, answer] : answers) {
    for (const auto& each : answer.coordinated) told.emplace_back(each.index, each.leader_epoch);
  }
  return told;
}

Result<void> check_coordinators(const Image& image, const Coordinated& told) {
  std::map<PartitionIndex, LeaderEpoch> epochs;
  for (const auto& [index, told_epoch] : told) {
    const bool is_first = epochs.emplace(index, told_epoch).second;
    if (is_first) continue;
    return refuse(ErrorCode::not_leader_or_follower,
                  "two brokers coordinate the same groups: one of them is about to stop");
  }
  const TopicImage* topic = image.find(kafka::offsets_topic);
  const size_t count = topic == nullptr ? 0 : topic->partitions.size();
  for (size_t i = 0; i < count; ++i) {
    const TopicPartition tp{topic->name, static_cast<PartitionIndex>(i)};
    const auto found = epochs.find(tp.partition);
    const LeaderEpoch epoch = epoch_in_force(topic->partitions[i], image);
    if (found != epochs.end() && found->second == epoch) continue;
    const bool is_led = topic->partitions[i].leader >= 0;
    return refuse(ErrorCode::not_leader_or_follower,
                  tp.to_string() +
                      (is_led ? ": the coordinator of its groups is being replaced"
                              : ": nobody coordinates its groups") +
                      "; ask again");
  }
  return {};
}

std::map<Uuid, CoordinatorFences::Clients> groups_held(const Image& image) {
  std::map<Uuid, CoordinatorFences::Clients> held;
  for (const auto& [link, record] : image.switchovers) {
    if (record.phase == Phase::handed_over) held[record.id] = CoordinatorFences::Clients::wait;
    if (record.phase == Phase::stepped_down && !record.groups_given) {
      held[record.id] = CoordinatorFences::Clients::are_refused;
    }
  }
  return held;
}

bool was_taken_back(const Image& image, const Uuid& id) {
  return std::ranges::any_of(image.switchovers, [&](const auto& entry) {
    return entry.second.id == id && entry.second.phase == Phase::taken_back;
  });
}

Result<Plan> plan_open_anew(const Image& image, const Reopening& order) {
  Plan plan;
  const auto record = image.switchovers.find(order.link);
  const bool is_written = record != image.switchovers.end() && record->second.id == order.id &&
                          record->second.phase != Phase::wished;
  if (is_written) return plan;
  for (const auto& [name, topic] : image.topics) {
    TopicImage next = *topic;
    const bool all = order.groups && name == kafka::offsets_topic;
    for (size_t i = 0; i < next.partitions.size(); ++i) {
      PartitionImage& partition = next.partitions[i];
      const bool is_held = order.partitions.contains({topic->id, static_cast<PartitionIndex>(i)});
      if (partition.leader != order.self || (!all && !is_held)) continue;
      put_epoch(partition, epoch_in_force(partition, image) + 1, image);
    }
    if (next != *topic) plan.change(*topic, next);
  }
  return plan;
}

}  // namespace isthmus::broker
