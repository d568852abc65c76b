// CreateTopics. The replication factor and assignment of a cluster of one broker can only be
// itself.
#include <set>

#include "broker/controller/topic_config.h"
#include "broker/handlers/admin_work.h"
#include "broker/handlers/config_apis.h"
#include "broker/handlers/handlers.h"
#include "broker/handlers/topic_creation.h"
#include "kafka/gen/create_topics.h"

namespace isthmus::broker {

namespace {

using kafka::ErrorCode;
using Wanted = kafka::CreateTopicsRequest::CreatableTopic;
using Answer = kafka::CreateTopicsResponse::CreatableTopicResult;

Result<NewTopic> wish_of(Context& context, const Wanted& wanted) {
  NewTopic wish;
  wish.name = wanted.name;
  wish.partitions = wanted.num_partitions;
  if (!wanted.assignments.empty()) {
    NodeId self = context.image.load()->node_id;
    for (const auto& assignment : wanted.assignments) {
      if (assignment.broker_ids != std::vector<int32_t>{self}) {
        return refuse(ErrorCode::invalid_replica_assignment,
                      "the only broker of this cluster is " + std::to_string(self));
      }
    }
    wish.partitions = static_cast<int32_t>(wanted.assignments.size());
  } else if (wanted.replication_factor != -1 && wanted.replication_factor != 1) {
    return refuse(ErrorCode::invalid_replication_factor,
                  "this cluster has one broker: the replication factor is 1 (or -1)");
  }
  if (wish.partitions == -1) wish.partitions = context.config.broker.num_partitions;
  for (const auto& config : wanted.configs) {
    if (config.value) wish.configs[config.name] = *config.value;
  }
  return wish;
}

io::Task<Answer> create_one(Context& context, Wanted wanted, bool validate_only,
                            TopicChanges::Turn turn) {
  Answer answer;
  answer.name = wanted.name;
  auto wish = wish_of(context, wanted);
  Result<void> done = {};
  if (!wish) {
    done = fail(wish.error());
  } else if (is_internal(wish->name) && wish->name != offsets_topic) {
    done = fail(kafka::error_of(ErrorCode::invalid_topic_exception,
                                wish->name + " belongs to the cluster"));
  } else if (validate_only) {
    NewTopic trial = *wish;
    context.env.random.fill(trial.id.bytes);
    done = context.controller.check(
        [&](const Image& image) { return plan_create_topic(image, trial); });
  } else {
    done = co_await create_topic(context, *wish, turn);
  }
  if (!done) {
    refuse(answer, done.error());
    co_return answer;
  }
  answer.num_partitions = wish->partitions;
  answer.replication_factor = 1;
  auto image = context.controller.snapshot();
  if (const TopicImage* topic = image->find(wanted.name)) {
    answer.topic_id = topic->id;
  }
  auto& configs = answer.configs.emplace();
  const LogConfig& defaults = context.partitions.defaults();
  for (const auto& key : topic_config_keys()) {
    auto set = wish->configs.find(std::string(key.name));
    const bool is_set = set != wish->configs.end();
    auto& config = configs.emplace_back();
    config.name = key.name;
    config.value = is_set ? set->second : default_value(key, defaults);
    config.config_source = is_set ? kafka::ConfigSource::topic : kafka::ConfigSource::default_value;
  }
  warn_of_configs(wish->name, wish->configs);
  co_return answer;
}

using Response = kafka::CreateTopicsResponse;

io::Task<void> create_all(Context& context, kafka::CreateTopicsRequest message,
                          std::shared_ptr<Response> response) {
  const auto turn = turn_of(context, message.timeout_ms);
  std::multiset<std::string> names;
  for (const auto& topic : message.topics) names.insert(topic.name);
  for (size_t i = 0; i < message.topics.size(); ++i) {
    if (names.count(message.topics[i].name) > 1) {
      refuse(response->topics[i],
             kafka::error_of(ErrorCode::invalid_request, "named more than once in one request"));
      continue;
    }
    auto answer = co_await create_one(context, message.topics[i], message.validate_only, turn);
    response->topics[i] = std::move(answer);
  }
}

io::Task<Response> create_in_time(Context& context, kafka::CreateTopicsRequest message) {
  auto response = std::make_shared<Response>();
  for (const auto& topic : message.topics) {
    auto& answer = response->topics.emplace_back();
    answer.name = topic.name;
    answer.error_code = ErrorCode::request_timed_out;
  }
  const int32_t timeout_ms = message.timeout_ms;
  co_await wait_for_work(context, timeout_ms, create_all(context, std::move(message), response));
  co_return *response;
}

io::Task<Response> on_main(Context& context, kafka::CreateTopicsRequest message,
                           std::shared_ptr<server::ConnectionContext>) {
  auto response =
      co_await io::call_on(context.env.main_loop(), create_in_time(context, std::move(message)));
  co_return response;
}

}  // namespace

io::Task<server::Reply> create_topics(Context& context, server::Request request) {
  return answer<kafka::CreateTopicsRequest, on_main>(context, std::move(request));
}

}  // namespace isthmus::broker
