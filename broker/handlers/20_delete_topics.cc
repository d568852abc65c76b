// DeleteTopics, by name or (since version 6) by id. Whoever may not describe a topic does not learn
// the name behind its id; whoever may is told of one that is not there, as in Kafka.
#include "broker/controller/topic_plans.h"
#include "broker/handlers/admin_work.h"
#include "broker/handlers/handlers.h"
#include "broker/link/switchovers.h"
#include "kafka/gen/delete_topics.h"

namespace isthmus::broker {

namespace {

using kafka::ErrorCode;
using Request = kafka::DeleteTopicsRequest;
using Answer = kafka::DeleteTopicsResponse::DeletableTopicResult;

bool may_delete(const Rights& rights, const std::string& topic) {
  constexpr auto any = kafka::need<Request>(AclOperation::remove, ResourceType::cluster);
  constexpr auto this_one = kafka::need<Request>(AclOperation::remove, ResourceType::topic);
  return rights.may_on_cluster(any) || rights.may(this_one, topic);
}

io::Task<Answer> delete_one(Context& context, std::optional<std::string> name, Uuid id,
                            TopicChanges::Turn turn, const Rights& rights) {
  constexpr auto to_describe = kafka::need<Request>(AclOperation::describe, ResourceType::topic);
  Answer answer;
  answer.topic_id = id;
  answer.name = name;
  if (!name) {
    auto image = context.controller.snapshot();
    const TopicImage* topic = image->find(id);
    if (topic == nullptr) {
      answer.error_code = ErrorCode::unknown_topic_id;
      co_return answer;
    }
    answer.name = topic->name;
  }
  std::string wanted = *answer.name;
  if (!may_delete(rights, wanted)) {
    const bool sees = rights.may(to_describe, wanted);
    if (sees && context.controller.snapshot()->find(wanted) == nullptr) {
      answer.error_code = ErrorCode::unknown_topic_or_partition;
      co_return answer;
    }
    if (!name && !sees) answer.name.reset();
    refuse(answer, kafka::error_of(ErrorCode::topic_authorization_failed,
                                   "not authorized to delete this topic"));
    co_return answer;
  }
  auto decide = [&wanted](const Image& image) { return plan_delete_topic(image, wanted); };
  auto done = co_await context.switchovers.topic_changes().make(decide, turn);
  if (!done) refuse(answer, done.error());
  co_return answer;
}

using Response = kafka::DeleteTopicsResponse;

io::Task<void> delete_all(Context& context, std::shared_ptr<Response> response,
                          TopicChanges::Turn turn, Rights rights) {
  for (size_t i = 0; i < response->responses.size(); ++i) {
    const Answer& wanted = response->responses[i];
    auto answer = co_await delete_one(context, wanted.name, wanted.topic_id, turn, rights);
    response->responses[i] = std::move(answer);
  }
}

io::Task<Response> delete_in_time(Context& context, Request message, Rights rights) {
  auto response = std::make_shared<Response>();
  auto add = [&response](std::optional<std::string> name, const Uuid& id) {
    auto& answer = response->responses.emplace_back();
    answer.name = std::move(name);
    answer.topic_id = id;
    answer.error_code = ErrorCode::request_timed_out;
  };
  for (auto& topic : message.topics) add(topic.name, topic.topic_id);
  for (auto& name : message.topic_names) add(name, Uuid{});
  const auto turn = turn_of(context, message.timeout_ms);
  auto work = delete_all(context, response, turn, std::move(rights));
  co_await wait_for_work(context, message.timeout_ms, std::move(work));
  co_return *response;
}

io::Task<Response> on_main(Context& context, Request message,
                           std::shared_ptr<server::ConnectionContext> connection) {
  auto work = delete_in_time(context, std::move(message), context.rights_of(*connection));
  auto response = co_await io::call_on(context.env.main_loop(), std::move(work));
  co_return response;
}

}  // namespace

io::Task<server::Reply> delete_topics(Context& context, server::Request request) {
  return answer<Request, on_main>(context, std::move(request));
}

}  // namespace isthmus::broker
