#include "broker/controller/topic_plans.h"

#include <algorithm>
#include <utility>

#include "broker/controller/elections.h"
#include "broker/controller/placement.h"
#include "broker/controller/topic_config.h"
#include "kafka/errors.h"

namespace isthmus::broker {

using kafka::ErrorCode;

namespace {

std::unexpected<Error> being_moved(const std::string& name) {
  return refuse(ErrorCode::policy_violation, name + " is being switched over to another site");
}

Result<TopicImage> own_topic(const Image& image, const std::string& name) {
  const TopicImage* topic = image.find(name);
  if (topic == nullptr) {
    return refuse(ErrorCode::unknown_topic_or_partition, "no topic " + name);
  }
  if (topic->is_mirror()) {
    return refuse(ErrorCode::policy_violation, name + " is written by " + to_string(topic->writer) +
                                                   ": change it at its source");
  }
  if (topic->writer.nobody() != nullptr) return being_moved(name);
  if (topic->writer.is_aside()) {
    return refuse(ErrorCode::policy_violation,
                  name + " was set aside: it can be read, and deleted");
  }
  return *topic;
}

const TopicImage* colliding(const Image& image, const std::string& name) {
  if (name.find_first_of("._") == std::string::npos) return nullptr;
  for (const auto& [other, topic] : image.topics) {
    if (kafka::do_names_collide(name, other)) return topic.get();
  }
  return nullptr;
}

// Of a new partition. The `nth` of those that somebody has said the replicas of, or as its topic is
// placed.
Result<std::vector<NodeId>> replicas_of(const Image& image, const TopicImage& topic, int32_t index,
                                        const std::vector<std::vector<NodeId>>& assignments,
                                        int32_t nth) {
  if (assignments.empty() && topic.replication_factor == 0)
    return everywhere(image, topic.id, index);
  if (assignments.empty()) {
    return spread(image, topic.replication_factor, topic.id, index);
  }
  const std::vector<NodeId>& said = assignments[static_cast<size_t>(nth)];
  if (auto ok = check_assignment(image, said); !ok) return fail(ok.error());
  if (said.size() != assignments.front().size()) {
    return refuse(ErrorCode::invalid_replica_assignment,
                  "all partitions of a topic have equally many replicas");
  }
  return said;
}

}  // namespace

Result<void> check_topic_name(const std::string& name) {
  if (kafka::is_topic_name(name)) return {};
  return refuse(ErrorCode::invalid_topic_exception,
                "a topic's name has 1 to 249 of the characters a-z, A-Z, 0-9, '.', '_' and '-'");
}

Result<Plan> plan_create_topic(const Image& image, const NewTopic& wish) {
  if (auto ok = check_topic_name(wish.name); !ok) return fail(ok.error());
  if (image.find(wish.name) != nullptr) {
    return refuse(ErrorCode::topic_already_exists, "topic " + wish.name + " exists already");
  }
  // A mirror has the names that its source has.
  if (const TopicImage* other = wish.writer.is_clients() ? colliding(image, wish.name) : nullptr) {
    return refuse(ErrorCode::invalid_topic_exception,
                  wish.name + " collides with topic " + other->name +
                      ": names that differ in '.' and '_' only are one in metrics");
  }
  if (const TopicImage* other = image.find(wish.id)) {
    return refuse(ErrorCode::invalid_request,
                  "topic id " + wish.id.to_string() + " belongs to topic " + other->name);
  }
  if (image.deleted.contains(wish.id)) {
    // A mirror that was deleted and comes again: what is left of it would be taken for its own.
    return refuse(ErrorCode::leader_not_available,
                  "topic id " + wish.id.to_string() +
                      " was deleted here, and something of it is left in a log directory: try "
                      "again when that is removed, soon, or when a directory that is away is back");
  }
  if (wish.partitions < 1 || wish.partitions > max_partitions_per_topic) {
    return refuse(ErrorCode::invalid_partitions,
                  "a topic has 1 to " + std::to_string(max_partitions_per_topic) + " partitions");
  }
  for (const auto& [name, value] : wish.configs) {
    // A mirror takes what its source has, even where this release does not know the key.
    if (!wish.writer.is_clients()) continue;
    if (auto ok = check_topic_config(name, value); !ok) {
      return refuse(ErrorCode::invalid_config, ok.error().text);
    }
  }
  if (!wish.assignments.empty() && std::ssize(wish.assignments) != wish.partitions) {
    return refuse(ErrorCode::invalid_replica_assignment,
                  "it names the replicas of " + std::to_string(wish.assignments.size()) + " of " +
                      std::to_string(wish.partitions) + " partitions");
  }
  TopicImage topic;
  topic.replication_factor = wish.assignments.empty()
                                 ? wish.replication_factor
                                 : static_cast<int16_t>(wish.assignments.front().size());
  topic.name = wish.name;
  topic.id = wish.id;
  topic.configs = wish.configs;
  topic.writer = wish.writer;
  topic.version = MetadataStore::absent;
  Plan plan;
  for (int32_t i = 0; i < wish.partitions; ++i) {
    const bool has_epoch = i < std::ssize(wish.leader_epochs);
    auto replicas = replicas_of(image, topic, i, wish.assignments, i);
    if (!replicas) return fail(replicas.error());
    PartitionImage partition =
        place(plan, image, std::move(*replicas), has_epoch ? wish.leader_epochs[i] : 0);
    if (topic.is_mirror()) partition.mirror_state = MirrorState::initializing;
    topic.partitions.push_back(std::move(partition));
  }
  plan.create(topic);
  return plan;
}

Result<Plan> plan_forget_deleted(const Image& image, const std::vector<DeletedTopic>& topics) {
  Plan plan;
  for (const DeletedTopic& topic : topics) {
    const auto deleted = image.deleted.find(topic.id);
    const bool same = deleted != image.deleted.end() && deleted->second.version == topic.version;
    if (same) plan.forget(topic);
  }
  return plan;
}

Result<Plan> plan_delete_topic(const Image& image, const std::string& name) {
  const TopicImage* topic = image.find(name);
  if (topic == nullptr) {
    return refuse(ErrorCode::unknown_topic_or_partition, "no topic " + name);
  }
  if (topic->writer.nobody() != nullptr) return being_moved(name);
  if (is_internal(name)) {
    return refuse(ErrorCode::invalid_topic_exception, name + " belongs to the cluster");
  }
  Plan plan;
  plan.remove(*topic);
  if (image.deleted.size() >= max_deleted_topics) {
    const auto age = [](const auto& entry) { return entry.second.version; };
    plan.forget(std::ranges::min_element(image.deleted, {}, age)->second);
  }
  return plan;
}

bool is_standby(const Image& image) {
  bool mirrors = false;
  for (const auto& [name, topic] : image.topics) {
    if (is_internal(name)) continue;
    // What a way back has exported is written by nobody.
    const bool is_export = name.find(".diverged.") != std::string::npos;
    if (topic->writer.is_clients() && !is_export) return false;
    mirrors = mirrors || topic->is_mirror();
  }
  return mirrors;
}

Result<Plan> plan_partitions(const Image& image, const std::string& name, int32_t count,
                             const std::vector<std::vector<NodeId>>& assignments) {
  const auto before = own_topic(image, name);
  if (!before) return fail(before.error());
  TopicImage topic = *before;
  auto have = static_cast<int32_t>(topic.partitions.size());
  if (count <= have || count > max_partitions_per_topic) {
    return refuse(ErrorCode::invalid_partitions,
                  name + " has " + std::to_string(have) + " partitions, which can only grow, to " +
                      std::to_string(max_partitions_per_topic) + " at most");
  }
  // Of the generation of the others: a site that had such a partition before a failover, and
  // follows it now, never sees its epoch go back.
  LeaderEpoch generation = 0;
  for (const auto& partition : topic.partitions) {
    generation = std::max(generation, epoch_in_force(partition, image) >> election_bits);
  }
  if (!assignments.empty() && std::ssize(assignments) != count - have) {
    return refuse(ErrorCode::invalid_replica_assignment,
                  "it names the replicas of " + std::to_string(assignments.size()) + " of " +
                      std::to_string(count - have) + " new partitions");
  }
  // As many as the others have, as in Kafka.
  const PartitionImage& first = topic.partitions.front();
  const size_t factor = first.replicas.size() - first.adding.size();
  if (!assignments.empty() && assignments.front().size() != factor) {
    return refuse(ErrorCode::invalid_replica_assignment,
                  "the partitions of " + name + " have " + std::to_string(factor) + " replicas");
  }
  Plan plan;
  for (int32_t i = have; i < count; ++i) {
    auto replicas = replicas_of(image, topic, i, assignments, i - have);
    if (!replicas) return fail(replicas.error());
    topic.partitions.push_back(
        place(plan, image, std::move(*replicas), generation << election_bits));
  }
  plan.change(*before, topic);
  return plan;
}

Result<Plan> plan_configs(const Image& image, const std::string& name, const ConfigChanges& changes,
                          bool replace_all) {
  const auto before = own_topic(image, name);
  if (!before) return fail(before.error());
  TopicImage topic = *before;
  if (replace_all) topic.configs.clear();
  for (const auto& [key, value] : changes) {
    if (!value) {
      topic.configs.erase(key);
      continue;
    }
    if (auto ok = check_topic_config(key, *value); !ok) {
      return refuse(ErrorCode::invalid_config, ok.error().text);
    }
    topic.configs[key] = *value;
  }
  for (auto& partition : topic.partitions) settle_elr(topic, partition);
  Plan plan;
  plan.change(*before, topic);
  return plan;
}

}  // namespace isthmus::broker
