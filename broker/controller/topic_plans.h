// What the controller decides about topics: pure functions from the image and a wish to the records
// to be written, or to the Kafka error that says why not.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "base/error.h"
#include "broker/image/image.h"
#include "broker/image/records.h"
#include "kafka/topic_names.h"

namespace isthmus::broker {

struct NewTopic {
  std::string name;
  int32_t partitions = 1;
  std::map<std::string, std::string> configs;
  Uuid id;
  // Where records come that have epochs already: those of the partitions they come from, so that
  // no batch is of a later epoch than its partition.
  std::vector<LeaderEpoch> leader_epochs;
  TopicWriter writer;
  // Replicas of each partition; 0: every broker has all of it, also those that join later.
  int16_t replication_factor = 0;
  // Who has each partition, if its creator has said so: as many as there are partitions.
  std::vector<std::vector<NodeId>> assignments;
};

// Of which a folder may be left. Beyond it the oldest is forgotten, and what is left of that one is
// a stranger's: it stays.
constexpr size_t max_deleted_topics = 10'000;

Result<void> check_topic_name(const std::string& name);
using kafka::is_internal;

// Whether this cluster only has what links bring. A topic that a client's question founds here
// would travel home, over the link that runs the other way, and close the name to those who write
// there.
bool is_standby(const Image& image);

// An id that was deleted is refused while the image knows it as such (DeletedTopic):
// LEADER_NOT_AVAILABLE, try again.
Result<Plan> plan_create_topic(const Image& image, const NewTopic& wish);
Result<Plan> plan_delete_topic(const Image& image, const std::string& name);
// Nothing is left of these.
Result<Plan> plan_forget_deleted(const Image& image, const std::vector<DeletedTopic>& topics);
// Partitions only ever grow. `assignments`: who has the new ones, if somebody has said so.
Result<Plan> plan_partitions(const Image& image, const std::string& name, int32_t count,
                             const std::vector<std::vector<NodeId>>& assignments = {});
// Sets the keys that have a value, and removes those that have none.
using ConfigChanges = std::map<std::string, std::optional<std::string>>;
Result<Plan> plan_configs(const Image& image, const std::string& name, const ConfigChanges& changes,
                          bool replace_all);

}  // namespace isthmus::broker
