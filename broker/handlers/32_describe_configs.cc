// DescribeConfigs of topics and of the broker. Tools judge a topic by its cleanup.policy, and the
// broker's release by options such as inter.broker.protocol.version, so both are answered in full.
#include <algorithm>

#include "broker/controller/topic_config.h"
#include "broker/handlers/config_apis.h"
#include "broker/handlers/handlers.h"
#include "kafka/gen/describe_configs.h"

namespace isthmus::broker {

namespace {

using kafka::ErrorCode;
using Answer = kafka::DescribeConfigsResponse::DescribeConfigsResult;
using Resource = kafka::DescribeConfigsRequest::DescribeConfigsResource;
using Entry = kafka::DescribeConfigsResponse::DescribeConfigsResourceResult;

// Kafka takes an empty list as it takes none at all: everything.
bool wanted(const Resource& resource, std::string_view name) {
  const auto& keys = resource.configuration_keys;
  return !keys || keys->empty() || std::ranges::find(*keys, name) != keys->end();
}

void describe_topic(Context& context, const TopicImage& topic, const Resource& resource,
                    Answer& answer) {
  LogConfig config = log_config(context.partitions.defaults(), topic.configs);
  for (const auto& key : topic_config_keys()) {
    if (!wanted(resource, key.name)) continue;
    bool overridden = topic.configs.contains(std::string(key.name));
    Entry entry;
    entry.name = key.name;
    entry.value = effective_value(key, config, topic.configs);
    entry.config_source =
        overridden ? kafka::ConfigSource::topic : kafka::ConfigSource::default_value;
    entry.config_type = key.type;
    entry.documentation = std::string(key.text);
    answer.configs.push_back(std::move(entry));
  }
}

void describe_broker(Context& context, const Resource& resource, Answer& answer) {
  LogConfig config = context.partitions.defaults();
  for (const auto& key : topic_config_keys()) {
    if (key.broker_option.empty() || !wanted(resource, key.broker_option)) continue;
    Entry entry;
    entry.name = key.broker_option;
    entry.value = effective_value(key, config, {});
    entry.read_only = true;  // options of the broker's YAML
    entry.config_source = kafka::ConfigSource::static_broker;
    entry.config_type = key.type;
    answer.configs.push_back(std::move(entry));
  }
}

Answer describe(Context& context, const Resource& resource) {
  Answer answer;
  answer.resource_type = resource.resource_type;
  answer.resource_name = resource.resource_name;
  auto image = context.image.load();
  switch (resource.resource_type) {
    case ConfigResource::topic: {
      const TopicImage* topic = image->find(resource.resource_name);
      if (topic != nullptr) {
        describe_topic(context, *topic, resource, answer);
        return answer;
      }
      answer.error_code = ErrorCode::unknown_topic_or_partition;
      return answer;
    }
    case ConfigResource::broker: describe_broker(context, resource, answer); return answer;
    default:
      answer.error_code = ErrorCode::invalid_request;
      answer.error_message = "only topics and brokers have configs here";
      return answer;
  }
}

io::Task<kafka::DescribeConfigsResponse> describe_all(Context& context,
                                                      kafka::DescribeConfigsRequest message,
                                                      std::shared_ptr<server::ConnectionContext>) {
  kafka::DescribeConfigsResponse response;
  for (const auto& resource : message.resources) {
    response.results.push_back(describe(context, resource));
  }
  co_return response;
}

}  // namespace

io::Task<server::Reply> describe_configs(Context& context, server::Request request) {
  return answer<kafka::DescribeConfigsRequest, describe_all>(context, std::move(request));
}

}  // namespace isthmus::broker
