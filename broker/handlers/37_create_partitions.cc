// CreatePartitions: more of them, never fewer.
#include "broker/controller/topic_plans.h"
#include "broker/handlers/admin_work.h"
#include "broker/handlers/handlers.h"
#include "broker/link/switchovers.h"
#include "kafka/gen/create_partitions.h"

namespace isthmus::broker {

namespace {

using kafka::ErrorCode;

io::Task<Result<void>> grow(Context& context, std::string name, int32_t count, bool only_check,
                            TopicChanges::Turn turn) {
  auto decide = [&](const Image& image) { return plan_partitions(image, name, count); };
  if (only_check) co_return context.controller.check(decide);
  auto done = co_await context.switchovers.topic_changes().make(decide, turn);
  co_return done;
}

using Response = kafka::CreatePartitionsResponse;

io::Task<void> grow_all(Context& context, kafka::CreatePartitionsRequest message,
                        std::shared_ptr<Response> response) {
  const auto turn = turn_of(context, message.timeout_ms);
  for (size_t i = 0; i < message.topics.size(); ++i) {
    const auto& topic = message.topics[i];
    auto done = co_await grow(context, topic.name, topic.count, message.validate_only, turn);
    auto& result = response->results[i];
    result.error_code = ErrorCode::none;
    if (!done) refuse(result, done.error());
  }
}

io::Task<Response> grow_in_time(Context& context, kafka::CreatePartitionsRequest message) {
  auto response = std::make_shared<Response>();
  for (const auto& topic : message.topics) {
    auto& result = response->results.emplace_back();
    result.name = topic.name;
    result.error_code = ErrorCode::request_timed_out;
  }
  const int32_t timeout_ms = message.timeout_ms;
  co_await wait_for_work(context, timeout_ms, grow_all(context, std::move(message), response));
  co_return *response;
}

io::Task<Response> on_main(Context& context, kafka::CreatePartitionsRequest message,
                           std::shared_ptr<server::ConnectionContext>) {
  auto response =
      co_await io::call_on(context.env.main_loop(), grow_in_time(context, std::move(message)));
  co_return response;
}

}  // namespace

io::Task<server::Reply> create_partitions(Context& context, server::Request request) {
  return answer<kafka::CreatePartitionsRequest, on_main>(context, std::move(request));
}

}  // namespace isthmus::broker
