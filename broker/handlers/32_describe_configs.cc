// DescribeConfigs of topics and of the broker. Tools judge a topic by its cleanup.policy, and the
// broker's release by options such as inter.broker.protocol.version, so both are answered in full.
#include <algorithm>

#include "broker/controller/broker_config_plans.h"
#include "broker/controller/topic_config.h"
#include "broker/handlers/config_apis.h"
#include "broker/handlers/handlers.h"
#include "kafka/gen/describe_configs.h"

namespace isthmus::broker {

namespace {

using kafka::ErrorCode;
using Answer = kafka::DescribeConfigsResponse::DescribeConfigsResult;
using Resource = kafka::DescribeConfigsRequest::DescribeConfigsResource;
using Source = kafka::ConfigSource;
using Entry = kafka::DescribeConfigsResponse::DescribeConfigsResourceResult;

struct Asked {
  bool synonyms = false;
  bool documentation = false;
};

// Kafka takes an empty list as it takes none at all: everything.
bool wanted(const Resource& resource, std::string_view name) {
  const auto& keys = resource.configuration_keys;
  return !keys || keys->empty() || std::ranges::find(*keys, name) != keys->end();
}

// What a topic inherits: the broker's option where the YAML says other than Kafka, else the
// default.
Source inherited_from(const TopicConfigKey& key, const LogConfig& defaults) {
  const bool is_kafkas = default_value(key, defaults) == default_value(key, LogConfig{});
  return is_kafkas ? Source::default_value : Source::static_broker;
}

void add_inherited(const TopicConfigKey& key, const LogConfig& defaults, Entry& entry) {
  if (key.broker_option.empty()) return;
  const std::string name(key.broker_option);
  if (inherited_from(key, defaults) == Source::static_broker) {
    entry.synonyms.push_back({name, default_value(key, defaults), Source::static_broker});
  }
  entry.synonyms.push_back({name, default_value(key, LogConfig{}), Source::default_value});
}

Entry describe_key(const TopicConfigKey& key, const ConfigMap& overrides, const LogConfig& defaults,
                   const Asked& asked) {
  auto set = overrides.find(std::string(key.name));
  Entry entry;
  entry.name = key.name;
  entry.value = set != overrides.end() ? set->second : default_value(key, defaults);
  entry.config_source = set != overrides.end() ? Source::topic : inherited_from(key, defaults);
  entry.config_type = key.type;
  if (asked.documentation) entry.documentation = std::string(key.text);
  if (!asked.synonyms) return entry;
  if (set != overrides.end()) {
    entry.synonyms.push_back({entry.name, set->second, Source::topic});
  }
  add_inherited(key, defaults, entry);
  return entry;
}

constexpr const char* min_isr_key = "min.insync.replicas";

// What is in force without a config: no constant, as Kafka's is, but the majority of the replicas.
void put_majority(int64_t count, Entry& entry) {
  entry.value = std::to_string(count);
  if (count == 1) return;
  entry.config_source = Source::static_broker;
  if (!entry.synonyms.empty()) {
    entry.synonyms.insert(entry.synonyms.begin(), {min_isr_key, *entry.value, entry.config_source});
  }
}

void describe_topic(Context& context, const TopicImage& topic, const Resource& resource,
                    const Asked& asked, Answer& answer) {
  const LogConfig& defaults = context.partitions.defaults();
  for (const auto& key : topic_config_keys()) {
    if (!wanted(resource, key.name)) continue;
    Entry entry = describe_key(key, topic.configs, defaults, asked);
    const bool is_majority = key.name == min_isr_key && !topic.configs.contains(min_isr_key) &&
                             !topic.partitions.empty();
    if (is_majority) put_majority(min_insync_replicas(topic, topic.partitions.front()), entry);
    answer.configs.push_back(std::move(entry));
  }
}

// What the broker's YAML or its nature says, beside the defaults of topics: frameworks and tools
// look for these before they create topics or choose what to ask for.
std::vector<Entry> own_options(Context& context) {
  const auto& b = context.config.broker;
  const std::string id = std::to_string(b.node_id);
  std::vector<Entry> all;
  auto add = [&all](const char* name, std::string value, kafka::ConfigType type) {
    auto& entry = all.emplace_back();
    entry.name = name;
    entry.value = std::move(value);
    entry.config_type = type;
  };
  using Type = kafka::ConfigType;
  auto add_number = [&add](const char* name, int64_t value, Type type = Type::int32) {
    add(name, std::to_string(value), type);
  };
  add("auto.create.topics.enable", b.auto_create_topics ? "true" : "false", Type::boolean);
  add("broker.id", id, Type::int32);
  const auto brokers = std::ssize(context.image.load()->brokers);
  add_number("default.replication.factor", b.default_replication_factor.value_or(brokers));
  add("delete.topic.enable", "true", Type::boolean);
  add_number("group.max.session.timeout.ms", b.group_max_session_timeout_ms);
  add_number("group.max.size", b.group_max_size);
  add_number("group.min.session.timeout.ms", b.group_min_session_timeout_ms);
  // Tools tell the release, and with it what they may ask for, by this one.
  add("inter.broker.protocol.version", "4.1-IV1", Type::string);
  add("node.id", id, Type::int32);
  add_number("num.partitions", b.num_partitions);
  add_number("offsets.retention.minutes", b.offsets_retention_minutes);
  add_number("offsets.topic.num.partitions", b.offsets_topic_num_partitions);
  add_number("offsets.topic.replication.factor", brokers, Type::int16);
  add_number("transaction.state.log.min.isr", 1);
  add_number("transaction.state.log.replication.factor", 1, Type::int16);
  return all;
}

void describe_broker(Context& context, const Resource& resource, const Asked& asked,
                     Answer& answer) {
  const LogConfig& defaults = context.partitions.defaults();
  auto all = own_options(context);
  for (const auto& key : topic_config_keys()) {
    if (key.broker_option.empty()) continue;
    Entry entry = describe_key(key, {}, defaults, asked);
    entry.name = key.broker_option;
    if (key.name == min_isr_key) {
      const auto brokers = std::ssize(context.image.load()->brokers);
      put_majority(context.config.broker.min_insync_replicas.value_or(brokers / 2 + 1), entry);
    }
    all.push_back(std::move(entry));
  }
  for (auto& entry : all) {
    if (!wanted(resource, entry.name)) continue;
    entry.read_only = true;  // options of the broker's YAML
    entry.config_source = Source::static_broker;
    answer.configs.push_back(std::move(entry));
  }
}

// What was set at run time; of this broker or another.
void describe_rates(const BrokerImage& broker, const Resource& resource, Answer& answer) {
  const std::pair<const char*, int64_t> rates[] = {{leader_rate_key, broker.leader_rate},
                                                   {follower_rate_key, broker.follower_rate}};
  for (const auto& [name, rate] : rates) {
    if (rate < 0 || !wanted(resource, name)) continue;
    auto& entry = answer.configs.emplace_back();
    entry.name = name;
    entry.value = std::to_string(rate);
    entry.config_source = Source::dynamic_broker;
    entry.config_type = kafka::ConfigType::int64;
  }
}

// The empty name asks for what was set for all brokers at run time: here, nothing ever is.
void describe_named_broker(Context& context, const Resource& resource, const Asked& asked,
                           Answer& answer) {
  if (resource.resource_name.empty()) return;
  const std::string self = std::to_string(context.config.broker.node_id);
  if (resource.resource_name == self) {
    describe_broker(context, resource, asked, answer);
    const auto image = context.image.load();
    const auto known = image->brokers.find(context.config.broker.node_id);
    if (known != image->brokers.end()) describe_rates(known->second, resource, answer);
    return;
  }
  refuse(answer, kafka::error_of(ErrorCode::invalid_request,
                                 "this is broker " + self + ", not " + resource.resource_name));
}

Answer describe(Context& context, const Resource& resource, const Asked& asked,
                const Rights& rights) {
  Answer answer;
  answer.resource_type = resource.resource_type;
  answer.resource_name = resource.resource_name;
  const auto refusal =
      not_authorized<kafka::DescribeConfigsRequest, AclOperation::describe_configs>(
          rights, resource.resource_type, resource.resource_name);
  if (refusal) {
    refuse(answer, *refusal);
    return answer;
  }
  auto image = context.image.load();
  switch (resource.resource_type) {
    case ConfigResource::topic: {
      const TopicImage* topic = image->find(resource.resource_name);
      if (topic != nullptr) {
        describe_topic(context, *topic, resource, asked, answer);
        return answer;
      }
      answer.error_code = ErrorCode::unknown_topic_or_partition;
      return answer;
    }
    case ConfigResource::broker:
      describe_named_broker(context, resource, asked, answer);
      return answer;
    default:
      answer.error_code = ErrorCode::invalid_request;
      answer.error_message = "only topics and brokers have configs here";
      return answer;
  }
}

io::Task<kafka::DescribeConfigsResponse> describe_all(
    Context& context, kafka::DescribeConfigsRequest message,
    std::shared_ptr<server::ConnectionContext> connection) {
  const Rights rights = context.rights_of(*connection);
  kafka::DescribeConfigsResponse response;
  const Asked asked{message.include_synonyms, message.include_documentation};
  for (const auto& resource : message.resources) {
    response.results.push_back(describe(context, resource, asked, rights));
  }
  co_return response;
}

}  // namespace

io::Task<server::Reply> describe_configs(Context& context, server::Request request) {
  return answer<kafka::DescribeConfigsRequest, describe_all>(context, std::move(request));
}

}  // namespace isthmus::broker
