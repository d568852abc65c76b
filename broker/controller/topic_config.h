// The configs that a topic may have: Kafka's names, units and meanings; where a topic does not say,
// the broker's option of the matching name is the default. One table serves CreateTopics,
// AlterConfigs, DescribeConfigs and the log itself.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/error.h"
#include "broker/log/config.h"
#include "kafka/gen/config_type.h"

namespace isthmus::broker {

struct TopicConfigKey {
  using Type = kafka::ConfigType;
  std::string_view name;
  Type type;
  std::string_view broker_option;  // the synonym whose value is the default
  std::string_view text;
};

std::span<const TopicConfigKey> topic_config_keys();
const TopicConfigKey* find_topic_config(std::string_view name);

using ConfigMap = std::map<std::string, std::string>;

// An error says which key is wrong and what would be right.
Result<void> check_topic_config(const std::string& name, const std::string& value);

// What the log of a topic with these configs goes by; `defaults` are the broker's.
LogConfig log_config(const LogConfig& defaults, const ConfigMap& configs);

// The value in force of one key, as DescribeConfigs shows it.
std::string effective_value(const TopicConfigKey& key, const LogConfig& config,
                            const ConfigMap& overrides);

}  // namespace isthmus::broker
