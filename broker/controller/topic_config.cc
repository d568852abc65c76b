#include "broker/controller/topic_config.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace isthmus::broker {

namespace {

using Type = TopicConfigKey::Type;

// As Kafka reads numbers: blanks around them do not count.
std::string_view trimmed(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

template <typename Number>
std::optional<Number> number(std::string_view text) {
  text = trimmed(text);
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// A LogConfig's number under a key. A value that does not parse, as a mirror may have, changes
// nothing.
template <auto Member>
constexpr LogEffect number_in_log() {
  using Number = std::remove_reference_t<decltype(std::declval<LogConfig&>().*Member)>;
  return {[](const LogConfig& c) { return std::to_string(c.*Member); },
          [](LogConfig& c, const std::string& value) {
            c.*Member = number<Number>(value).value_or(c.*Member);
          }};
}

constexpr LogEffect cleanup_policy{[](const LogConfig& c) -> std::string {
                                     if (!c.compact) return "delete";
                                     return c.delete_old ? "compact,delete" : "compact";
                                   },
                                   [](LogConfig& c, const std::string& value) {
                                     c.delete_old = value.find("delete") != std::string::npos;
                                     c.compact = value.find("compact") != std::string::npos;
                                   }};

constexpr LogEffect timestamp_type{
    [](const LogConfig& c) -> std::string {
      return c.timestamp_type == kafka::TimestampType::create_time ? "CreateTime" : "LogAppendTime";
    },
    [](LogConfig& c, const std::string& value) {
      c.timestamp_type = value == "LogAppendTime" ? kafka::TimestampType::log_append_time
                                                  : kafka::TimestampType::create_time;
    }};

constexpr std::string_view endless = "9223372036854775807";
constexpr LogEffect none = {};
constexpr AllowedValues any = {};

// name, type, Kafka's default, what it may be, synonym, effect, text
constexpr TopicConfigKey keys[] = {
    {"cleanup.policy",
     Type::list,
     "delete",
     {.one_of = "compact,delete"},
     "log.cleanup.policy",
     cleanup_policy,
     "delete: old segments go; compact: the latest value of each key stays."},
    {"compression.gzip.level",
     Type::int32,
     "-1",
     {-1, 9},
     "compression.gzip.level",
     none,
     "Kept and shown: batches are stored as they come."},
    {"compression.lz4.level",
     Type::int32,
     "9",
     {1, 17},
     "compression.lz4.level",
     none,
     "Kept and shown: batches are stored as they come."},
    {"compression.type",
     Type::string,
     "producer",
     {.one_of = "uncompressed,zstd,lz4,snappy,gzip,producer"},
     "compression.type",
     none,
     "Kept and shown: batches are stored as they come, which is what producer means."},
    {"compression.zstd.level",
     Type::int32,
     "3",
     {-131072, 22},
     "compression.zstd.level",
     none,
     "Kept and shown: batches are stored as they come."},
    {"delete.retention.ms",
     Type::int64,
     "86400000",
     {.min = 0},
     "log.cleaner.delete.retention.ms",
     none,
     "Kept and shown: nothing is compacted yet."},
    {"file.delete.delay.ms",
     Type::int64,
     "60000",
     {.min = 0},
     "log.segment.delete.delay.ms",
     none,
     "Kept and shown: a removed segment's file goes when its last reader has."},
    {"flush.messages",
     Type::int64,
     endless,
     {.min = 1},
     "log.flush.interval.messages",
     none,
     "Kept and shown: the broker's durability says when records are synced."},
    {"flush.ms",
     Type::int64,
     endless,
     {.min = 0},
     "log.flush.interval.ms",
     none,
     "Kept and shown: the broker's durability says when records are synced."},
    {"follower.replication.throttled.replicas", Type::list, "", any, "", none,
     "Kept and shown: whatever is being added to a broker is held back there."},
    {"index.interval.bytes",
     Type::int32,
     "4096",
     {.min = 0},
     "log.index.interval.bytes",
     none,
     "Kept and shown: an index has an entry about every 4096 bytes."},
    {"leader.replication.throttled.replicas", Type::list, "", any, "", none,
     "Kept and shown: whatever is being added to a broker is held back there."},
    {"local.retention.bytes",
     Type::int64,
     "-2",
     {.min = -2},
     "log.local.retention.bytes",
     none,
     "Kept and shown: all that is kept is local."},
    {"local.retention.ms",
     Type::int64,
     "-2",
     {.min = -2},
     "log.local.retention.ms",
     none,
     "Kept and shown: all that is kept is local."},
    {"max.compaction.lag.ms",
     Type::int64,
     endless,
     {.min = 1},
     "log.cleaner.max.compaction.lag.ms",
     none,
     "Kept and shown: nothing is compacted yet."},
    {"max.message.bytes",
     Type::int32,
     "1048588",
     {.min = 0},
     "message.max.bytes",
     number_in_log<&LogConfig::max_message_bytes>(),
     "The largest batch that is taken, after compression."},
    {"message.timestamp.after.max.ms",
     Type::int64,
     "3600000",
     {.min = 0},
     "log.message.timestamp.after.max.ms",
     number_in_log<&LogConfig::timestamp_after_max_ms>(),
     "How far ahead of the broker's clock a record's timestamp may lie."},
    {"message.timestamp.before.max.ms",
     Type::int64,
     endless,
     {.min = 0},
     "log.message.timestamp.before.max.ms",
     number_in_log<&LogConfig::timestamp_before_max_ms>(),
     "How far behind the broker's clock a record's timestamp may lie."},
    {"message.timestamp.type",
     Type::string,
     "CreateTime",
     {.one_of = "CreateTime,LogAppendTime"},
     "log.message.timestamp.type",
     timestamp_type,
     "Whose clock gives a record its time: the producer's or the broker's."},
    {"min.cleanable.dirty.ratio",
     Type::real,
     "0.5",
     {0, 1},
     "log.cleaner.min.cleanable.ratio",
     none,
     "Kept and shown: nothing is compacted yet."},
    {"min.compaction.lag.ms",
     Type::int64,
     "0",
     {.min = 0},
     "log.cleaner.min.compaction.lag.ms",
     none,
     "Kept and shown: nothing is compacted yet."},
    {"min.insync.replicas",
     Type::int32,
     "1",
     {.min = 1},
     "min.insync.replicas",
     none,
     "How many replicas must have a record before acks=all is answered; never more than there "
     "are. Where a topic does not say, a majority of them."},
    {"preallocate", Type::boolean, "false", any, "log.preallocate", none,
     "Kept and shown: segments grow as they are written."},
    {"remote.log.copy.disable", Type::boolean, "false", any, "", none,
     "Kept and shown: there is no remote storage."},
    {"remote.log.delete.on.disable", Type::boolean, "false", any, "", none,
     "Kept and shown: there is no remote storage."},
    {"remote.storage.enable",
     Type::boolean,
     "false",
     {.one_of = "false"},
     "",
     none,
     "There is no remote storage."},
    {"retention.bytes", Type::int64, "-1", any, "log.retention.bytes",
     number_in_log<&LogConfig::retention_bytes>(),
     "Above this size per partition the oldest segments go; below 0: no limit."},
    {"retention.ms",
     Type::int64,
     "604800000",
     {.min = -1},
     "log.retention.ms",
     number_in_log<&LogConfig::retention_ms>(),
     "Segments whose newest record is older go; -1: never."},
    {"segment.bytes",
     Type::int32,
     "1073741824",
     {.min = 1 << 20},
     "log.segment.bytes",
     number_in_log<&LogConfig::segment_bytes>(),
     "Size at which a segment is closed and a new one begun."},
    {"segment.index.bytes",
     Type::int32,
     "10485760",
     {.min = 4},
     "log.index.size.max.bytes",
     none,
     "Kept and shown: an index grows as it needs to."},
    {"segment.jitter.ms",
     Type::int64,
     "0",
     {.min = 0},
     "log.roll.jitter.ms",
     none,
     "Kept and shown."},
    {"segment.ms",
     Type::int64,
     "604800000",
     {.min = 1},
     "log.roll.ms",
     number_in_log<&LogConfig::segment_ms>(),
     "Age at which a segment is closed, even if it is small."},
    {"unclean.leader.election.enable", Type::boolean, "false", any,
     "unclean.leader.election.enable", none,
     "true: the topic rather loses records than waits for who has them. Where nobody of ISR and "
     "ELR "
     "is left, or comes back within five minutes, a replica leads with what it has; the log says "
     "so."},
};

bool is_one_of(std::string_view value, std::string_view list) {
  for (size_t at = 0; at <= list.size();) {
    const size_t end = std::min(list.find(',', at), list.size());
    if (list.substr(at, end - at) == value) return true;
    at = end + 1;
  }
  return false;
}

bool are_all_of(std::string_view values, std::string_view list) {
  for (size_t at = 0; at <= values.size();) {
    const size_t end = std::min(values.find(',', at), values.size());
    if (!is_one_of(trimmed(values.substr(at, end - at)), list)) return false;
    at = end + 1;
  }
  return true;
}

template <typename Number>
bool is_number_in(std::string_view value, const AllowedValues& allowed) {
  const auto parsed = number<Number>(value);
  if (!parsed) return false;
  if constexpr (std::is_floating_point_v<Number>) {
    return *parsed >= static_cast<Number>(allowed.min) &&
           *parsed <= static_cast<Number>(allowed.max);
  } else {
    return *parsed >= allowed.min && *parsed <= allowed.max;
  }
}

bool is_allowed(const TopicConfigKey& key, std::string_view value) {
  const std::string_view choices = key.allowed.one_of;
  switch (key.type) {
    case Type::boolean:
      if (value != "true" && value != "false") return false;
      return choices.empty() || is_one_of(value, choices);
    case Type::int32: return is_number_in<int32_t>(value, key.allowed);
    case Type::int64: return is_number_in<int64_t>(value, key.allowed);
    case Type::real: return is_number_in<double>(value, key.allowed);
    case Type::list: return choices.empty() || are_all_of(value, choices);
    default: return choices.empty() || is_one_of(value, choices);
  }
}

std::string what_is_allowed(const TopicConfigKey& key) {
  const bool is_number =
      key.type == Type::int32 || key.type == Type::int64 || key.type == Type::real;
  if (is_number) {
    const bool is_int = key.type == Type::int32;
    const int64_t low = is_int ? std::max<int64_t>(key.allowed.min, INT32_MIN) : key.allowed.min;
    const int64_t high = is_int ? std::min<int64_t>(key.allowed.max, INT32_MAX) : key.allowed.max;
    return "a number from " + std::to_string(low) + " to " + std::to_string(high);
  }
  if (!key.allowed.one_of.empty()) {
    return (key.type == Type::list ? "a list of " : "one of ") + std::string(key.allowed.one_of);
  }
  return key.type == Type::boolean ? "true or false" : "a text";
}

}  // namespace

std::span<const TopicConfigKey> topic_config_keys() { return keys; }

const TopicConfigKey* find_topic_config(std::string_view name) {
  auto found = std::ranges::find(keys, name, &TopicConfigKey::name);
  return found == std::end(keys) ? nullptr : found;
}

Result<void> check_topic_config(const std::string& name, const std::string& value) {
  const TopicConfigKey* key = find_topic_config(name);
  if (key == nullptr) return fail("unknown topic config " + name);
  if (is_allowed(*key, value)) return {};
  return fail(name + " is " + what_is_allowed(*key) + ", not \"" + value + "\"");
}

std::vector<std::string> config_warnings(const ConfigMap& configs, int32_t replicas) {
  std::vector<std::string> warnings;
  auto wanted = configs.find("min.insync.replicas");
  if (wanted != configs.end() && number<int32_t>(wanted->second).value_or(1) > replicas) {
    warnings.push_back("min.insync.replicas is " + wanted->second + ", but there " +
                       (replicas == 1 ? "is 1 replica" : "are " + std::to_string(replicas)) +
                       ": acks=all waits for no more");
  }
  return warnings;
}

LogConfig log_config(const LogConfig& defaults, const ConfigMap& configs) {
  LogConfig c = defaults;
  for (const auto& [name, value] : configs) {
    const TopicConfigKey* key = find_topic_config(name);
    if (key != nullptr && key->effect.set != nullptr) key->effect.set(c, value);
  }
  return c;
}

std::string default_value(const TopicConfigKey& key, const LogConfig& defaults) {
  if (key.effect.show != nullptr) return key.effect.show(defaults);
  return std::string(key.kafkas_default);
}

}  // namespace isthmus::broker
