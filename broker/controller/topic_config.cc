#include "broker/controller/topic_config.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace isthmus::broker {

namespace {

using Type = TopicConfigKey::Type;

constexpr std::array keys = {
    TopicConfigKey{"cleanup.policy", Type::list, "log.cleanup.policy",
                   "delete: old segments go; compact: the latest value of each key stays."},
    TopicConfigKey{"compression.type", Type::string, "compression.type",
                   "producer: batches are kept as they came, the only value there is."},
    TopicConfigKey{"max.message.bytes", Type::int32, "message.max.bytes",
                   "The largest batch that is taken, after compression."},
    TopicConfigKey{"message.timestamp.after.max.ms", Type::int64,
                   "log.message.timestamp.after.max.ms",
                   "How far ahead of the broker's clock a record's timestamp may lie."},
    TopicConfigKey{"message.timestamp.before.max.ms", Type::int64,
                   "log.message.timestamp.before.max.ms",
                   "How far behind the broker's clock a record's timestamp may lie."},
    TopicConfigKey{"message.timestamp.type", Type::string, "log.message.timestamp.type",
                   "CreateTime or LogAppendTime."},
    TopicConfigKey{"min.insync.replicas", Type::int32, "min.insync.replicas",
                   "How many replicas must have a record before acks=all is answered."},
    TopicConfigKey{"retention.bytes", Type::int64, "log.retention.bytes",
                   "Above this size per partition the oldest segments go; -1: no limit."},
    TopicConfigKey{"retention.ms", Type::int64, "log.retention.ms",
                   "Segments whose newest record is older go; -1: never."},
    TopicConfigKey{"segment.bytes", Type::int32, "log.segment.bytes",
                   "Size at which a segment is closed and a new one begun."},
    TopicConfigKey{"segment.ms", Type::int64, "log.roll.ms",
                   "Age at which a segment is closed, even if it is small."},
};

std::optional<int64_t> integer(const std::string& text) {
  int64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

struct Range {
  std::string_view name;
  int64_t min;
  int64_t max;
};
constexpr std::array ranges = {
    Range{"max.message.bytes", 0, INT32_MAX},
    Range{"message.timestamp.after.max.ms", 0, INT64_MAX},
    Range{"message.timestamp.before.max.ms", 0, INT64_MAX},
    Range{"min.insync.replicas", 1, 1},
    Range{"retention.bytes", -1, INT64_MAX},
    Range{"retention.ms", -1, INT64_MAX},
    Range{"segment.bytes", 14, INT32_MAX},
    Range{"segment.ms", 1, INT64_MAX},
};

Result<void> check_number(const std::string& name, const std::string& value) {
  auto range = std::ranges::find(ranges, name, &Range::name);
  auto number = integer(value);
  if (number && *number >= range->min && *number <= range->max) return {};
  return fail(name + " is a number from " + std::to_string(range->min) + " to " +
              std::to_string(range->max) + ", not \"" + value + "\"");
}

Result<void> one_of(const std::string& name, const std::string& value,
                    std::initializer_list<std::string_view> values) {
  std::string list;
  for (auto v : values) {
    if (v == value) return {};
    list += (list.empty() ? "" : ", ") + std::string(v);
  }
  return fail(name + " is one of " + list + ", not \"" + value + "\"");
}

int64_t number_or(const ConfigMap& configs, const char* name, int64_t otherwise) {
  auto found = configs.find(name);
  if (found == configs.end()) return otherwise;
  return integer(found->second).value_or(otherwise);
}

}  // namespace

std::span<const TopicConfigKey> topic_config_keys() { return keys; }

const TopicConfigKey* find_topic_config(std::string_view name) {
  auto found = std::ranges::find(keys, name, &TopicConfigKey::name);
  return found == keys.end() ? nullptr : &*found;
}

Result<void> check_topic_config(const std::string& name, const std::string& value) {
  const TopicConfigKey* key = find_topic_config(name);
  if (key == nullptr) return fail("unknown topic config " + name);
  if (name == "cleanup.policy") {
    return one_of(name, value, {"delete", "compact", "compact,delete", "delete,compact"});
  }
  if (name == "compression.type") return one_of(name, value, {"producer"});
  if (name == "message.timestamp.type") return one_of(name, value, {"CreateTime", "LogAppendTime"});
  return check_number(name, value);
}

LogConfig log_config(const LogConfig& defaults, const ConfigMap& configs) {
  LogConfig c = defaults;
  c.segment_bytes = static_cast<int32_t>(number_or(configs, "segment.bytes", c.segment_bytes));
  c.segment_ms = number_or(configs, "segment.ms", c.segment_ms);
  c.retention_ms = number_or(configs, "retention.ms", c.retention_ms);
  c.retention_bytes = number_or(configs, "retention.bytes", c.retention_bytes);
  c.max_message_bytes =
      static_cast<int32_t>(number_or(configs, "max.message.bytes", c.max_message_bytes));
  c.timestamp_after_max_ms =
      number_or(configs, "message.timestamp.after.max.ms", c.timestamp_after_max_ms);
  c.timestamp_before_max_ms =
      number_or(configs, "message.timestamp.before.max.ms", c.timestamp_before_max_ms);
  if (auto policy = configs.find("cleanup.policy"); policy != configs.end()) {
    c.delete_old = policy->second.find("delete") != std::string::npos;
    c.compact = policy->second.find("compact") != std::string::npos;
  }
  if (auto type = configs.find("message.timestamp.type"); type != configs.end()) {
    c.timestamp_type = type->second == "LogAppendTime" ? kafka::TimestampType::log_append_time
                                                       : kafka::TimestampType::create_time;
  }
  return c;
}

std::string effective_value(const TopicConfigKey& key, const LogConfig& config,
                            const ConfigMap& overrides) {
  auto set = overrides.find(std::string(key.name));
  if (set != overrides.end()) return set->second;
  if (key.name == "cleanup.policy") return "delete";
  if (key.name == "compression.type") return "producer";
  if (key.name == "max.message.bytes") return std::to_string(config.max_message_bytes);
  if (key.name == "message.timestamp.after.max.ms") {
    return std::to_string(config.timestamp_after_max_ms);
  }
  if (key.name == "message.timestamp.before.max.ms") {
    return std::to_string(config.timestamp_before_max_ms);
  }
  if (key.name == "message.timestamp.type") {
    return config.timestamp_type == kafka::TimestampType::create_time ? "CreateTime"
                                                                      : "LogAppendTime";
  }
  if (key.name == "min.insync.replicas") return "1";
  if (key.name == "retention.bytes") return std::to_string(config.retention_bytes);
  if (key.name == "retention.ms") return std::to_string(config.retention_ms);
  if (key.name == "segment.bytes") return std::to_string(config.segment_bytes);
  return std::to_string(config.segment_ms);
}

}  // namespace isthmus::broker
