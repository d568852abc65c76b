// CreateTopics. Without a replication factor or an assignment every broker has all of a topic, also
// those that join later; with one it stays so.
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

// As Kafka has it: a replica list for each partition, from 0 on, and then neither a number of
// partitions nor a factor.
Result<void> take_assignments(const Wanted& wanted, NewTopic& wish) {
  if (wanted.num_partitions != -1 || wanted.replication_factor != -1) {
    return refuse(ErrorCode::invalid_request,
                  "beside an assignment of replicas the number of partitions and the replication "
                  "factor are -1");
  }
  wish.partitions = static_cast<int32_t>(wanted.assignments.size());
  wish.assignments.resize(wanted.assignments.size());
  for (const auto& assignment : wanted.assignments) {
    const PartitionIndex index = assignment.partition_index;
    const bool is_next = index >= 0 && index < wish.partitions &&
                         wish.assignments[static_cast<size_t>(index)].empty();
    if (!is_next || assignment.broker_ids.empty()) {
      return refuse(ErrorCode::invalid_replica_assignment,
                    "each partition from 0 on is assigned once, to at least one broker");
    }
    wish.assignments[static_cast<size_t>(index)] = assignment.broker_ids;
  }
  return {};
}

Result<NewTopic> wish_of(Context& context, const Wanted& wanted) {
  NewTopic wish;
  wish.name = wanted.name;
  wish.partitions = wanted.num_partitions;
  if (!wanted.assignments.empty()) {
    if (auto ok = take_assignments(wanted, wish); !ok) return fail(ok.error());
  } else if (wanted.replication_factor != -1) {
    if (wanted.replication_factor < 1) {
      return refuse(ErrorCode::invalid_replication_factor,
                    "the replication factor is a number from 1 on, or -1 for all brokers");
    }
    wish.replication_factor = wanted.replication_factor;
  }
  if (wish.partitions == -1) wish.partitions = context.config.broker.num_partitions;
  for (const auto& config : wanted.configs) {
    if (config.value) wish.configs[config.name] = *config.value;
  }
  add_defaults(context, wish);
  return wish;
}

void describe_configs(const NewTopic& topic, const Image& image, const LogConfig& defaults,
                      Answer& answer) {
  answer.num_partitions = topic.partitions;
  const TopicImage* created = image.find(topic.name);
  const size_t factor = created != nullptr && !created->partitions.empty()
                            ? created->partitions.front().replicas.size()
                        : !topic.assignments.empty() ? topic.assignments.front().size()
                        : topic.replication_factor > 0
                            ? static_cast<size_t>(topic.replication_factor)
                            : image.brokers.size();
  answer.replication_factor = static_cast<int16_t>(factor);
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
    if (!validate_only) warn_of_configs(*topic);
  }
  if (rights.may(to_see, wanted.name)) {
    describe_configs(*wish, *image, context.partitions.defaults(), answer);
  } else {
    answer.configs.reset();
    answer.topic_config_error_code = ErrorCode::topic_authorization_failed;
  }
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
