// The configs that a topic may have: Kafka's names, types, ranges, defaults and meanings. One table
// with one row per key serves CreateTopics, AlterConfigs, DescribeConfigs, links and the log
// itself.
//
// Where a topic does not say, the broker's option of the matching name does, and where there is
// none, Kafka's default. Keys that Isthmus does not act on are kept and shown, so that templates
// and other clusters' topics are taken as they are; their text says so. Pure functions.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "broker/log/config.h"
#include "kafka/gen/config_type.h"

namespace isthmus::broker {

// What a value may be, besides being of its type.
struct AllowedValues {
  int64_t min = INT64_MIN;
  int64_t max = INT64_MAX;
  std::string_view one_of = {};  // with commas between them; of a list, what its items may be
};

// What the log does with a key; nothing for those that are only kept.
struct LogEffect {
  std::string (*show)(const LogConfig&) = nullptr;
  void (*set)(LogConfig&, const std::string&) = nullptr;
};

struct TopicConfigKey {
  using Type = kafka::ConfigType;
  std::string_view name;
  Type type;
  std::string_view kafkas_default;
  AllowedValues allowed;
  std::string_view broker_option;  // Kafka's synonym, of which a topic's value is the override
  LogEffect effect;
  std::string_view text;
};

std::span<const TopicConfigKey> topic_config_keys();
const TopicConfigKey* find_topic_config(std::string_view name);

using ConfigMap = std::map<std::string, std::string>;

// An error says which key is wrong and what would be right.
Result<void> check_topic_config(const std::string& name, const std::string& value);

// What is taken but promises more than this cluster can do, one sentence each.
std::vector<std::string> config_warnings(const ConfigMap& configs, int32_t replicas);

// What the log of a topic with these configs goes by; `defaults` are the broker's.
LogConfig log_config(const LogConfig& defaults, const ConfigMap& configs);

// The value in force of one key where the topic does not say.
std::string default_value(const TopicConfigKey& key, const LogConfig& defaults);

}  // namespace isthmus::broker
