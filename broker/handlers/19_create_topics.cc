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
using Request = kafka::CreateTopicsRequest;
using Wanted = Request::CreatableTopic;
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

void describe_configs(const NewTopic& topic, const LogConfig& defaults, Answer& answer) {
  answer.num_partitions = topic.partitions;
  answer.replication_factor = 1;
  auto& configs = answer.configs.emplace();
  for (const auto& key : topic_config_keys()) {
    auto set = topic.configs.find(std::string(key.name));
    const bool is_set = set != topic.configs.end();
    auto& config = configs.emplace_back();
    config.name = key.name;
    config.value = is_set ? set->second : default_value(key, defaults);
    config.config_source = is_set ? kafka::ConfigSource::topic : kafka::ConfigSource::default_value;
  }
}

io::Task<Answer> create_one(Context& context, Wanted wanted, bool validate_only,
                            TopicChanges::Turn turn, const Rights& rights) {
  constexpr auto to_see = kafka::need<Request>(AclOperation::describe_configs, ResourceType::topic);
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
  auto image = context.controller.snapshot();
  if (const TopicImage* topic = image->find(wanted.name)) {
    answer.topic_id = topic->id;
  }
  if (rights.may(to_see, wanted.name)) {
    describe_configs(*wish, context.partitions.defaults(), answer);
  } else {
    answer.configs.reset();
    answer.topic_config_error_code = ErrorCode::topic_authorization_failed;
  }
  warn_of_configs(wish->name, wish->configs);
  co_return answer;
}

using Response = kafka::CreateTopicsResponse;

bool may_create(const Rights& rights, const std::string& topic) {
  constexpr auto any = kafka::need<Request>(AclOperation::create, ResourceType::cluster);
  constexpr auto this_one = kafka::need<Request>(AclOperation::create, ResourceType::topic);
  return rights.may_on_cluster(any) || rights.may(this_one, topic);
}

io::Task<void> create_all(Context& context, Request message, std::shared_ptr<Response> response,
                          Rights rights) {
  const auto turn = turn_of(context, message.timeout_ms);
  std::multiset<std::string> names;
  for (const auto& topic : message.topics) names.insert(topic.name);
  for (size_t i = 0; i < message.topics.size(); ++i) {
    if (!may_create(rights, message.topics[i].name)) {
      refuse(response->topics[i], kafka::error_of(ErrorCode::topic_authorization_failed,
                                                  "not authorized to create this topic"));
      continue;
    }
    if (names.count(message.topics[i].name) > 1) {
      refuse(response->topics[i],
             kafka::error_of(ErrorCode::invalid_request, "named more than once in one request"));
      continue;
    }
    auto answer =
        co_await create_one(context, message.topics[i], message.validate_only, turn, rights);
    response->topics[i] = std::move(answer);
  }
}

io::Task<Response> create_in_time(Context& context, Request message, Rights rights) {
  auto response = std::make_shared<Response>();
  for (const auto& topic : message.topics) {
    auto& answer = response->topics.emplace_back();
    answer.name = topic.name;
    answer.error_code = ErrorCode::request_timed_out;
  }
  const int32_t timeout_ms = message.timeout_ms;
  auto work = create_all(context, std::move(message), response, std::move(rights));
  co_await wait_for_work(context, timeout_ms, std::move(work));
  co_return *response;
}

io::Task<Response> on_main(Context& context, Request message,
                           std::shared_ptr<server::ConnectionContext> connection) {
  auto work = create_in_time(context, std::move(message), context.rights_of(*connection));
  auto response = co_await io::call_on(context.env.main_loop(), std::move(work));
  co_return response;
}

}  // namespace

io::Task<server::Reply> create_topics(Context& context, server::Request request) {
  return answer<Request, on_main>(context, std::move(request));
}

}  // namespace isthmus::broker
