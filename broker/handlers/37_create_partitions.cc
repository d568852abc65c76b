// CreatePartitions: more of them, never fewer.
#include "broker/controller/topic_plans.h"
#include "broker/handlers/admin_work.h"
#include "broker/handlers/handlers.h"
#include "broker/link/switchovers.h"
#include "kafka/gen/create_partitions.h"

namespace isthmus::broker {

namespace {

using kafka::ErrorCode;

using Assignments = std::vector<std::vector<NodeId>>;

io::Task<Result<void>> grow(Context& context, std::string name, int32_t count,
                            Assignments assignments, bool only_check, TopicChanges::Turn turn) {
  auto decide = [&](const Image& image) {
    return plan_partitions(image, name, count, assignments);
  };
  if (only_check) co_return context.controller.check(decide);
  auto done = co_await context.switchovers.topic_changes().make(decide, turn);
  co_return done;
}

using Request = kafka::CreatePartitionsRequest;
using Response = kafka::CreatePartitionsResponse;

io::Task<void> grow_all(Context& context, Request message, std::shared_ptr<Response> response,
                        Rights rights) {
  constexpr auto needed = kafka::need<Request>(AclOperation::alter, ResourceType::topic);
  const auto turn = turn_of(context, message.timeout_ms);
  for (size_t i = 0; i < message.topics.size(); ++i) {
    const auto& topic = message.topics[i];
    auto& result = response->results[i];
    if (!rights.may(needed, topic.name)) {
      refuse(result, kafka::error_of(ErrorCode::topic_authorization_failed,
                                     "not authorized to alter this topic"));
      continue;
    }
    Assignments assignments;
    if (topic.assignments) {
      for (const auto& assignment : *topic.assignments) {
        assignments.push_back(assignment.broker_ids);
      }
    }
    auto done = co_await grow(context, topic.name, topic.count, std::move(assignments),
                              message.validate_only, turn);
    result.error_code = ErrorCode::none;
    if (!done) refuse(result, done.error());
  }
}

io::Task<Response> grow_in_time(Context& context, Request message, Rights rights) {
  auto response = std::make_shared<Response>();
  for (const auto& topic : message.topics) {
    auto& result = response->results.emplace_back();
    result.name = topic.name;
    result.error_code = ErrorCode::request_timed_out;
  }
  const int32_t timeout_ms = message.timeout_ms;
  auto work = grow_all(context, std::move(message), response, std::move(rights));
  co_await wait_for_work(context, timeout_ms, std::move(work));
  co_return *response;
}

io::Task<Response> on_main(Context& context, Request message,
                           std::shared_ptr<server::ConnectionContext> connection) {
  auto work = grow_in_time(context, std::move(message), context.rights_of(*connection));
  auto response = co_await io::call_on(context.env.main_loop(), std::move(work));
  co_return response;
}

}  // namespace

io::Task<server::Reply> create_partitions(Context& context, server::Request request) {
  return answer<Request, on_main>(context, std::move(request));
}

}  // namespace isthmus::broker
