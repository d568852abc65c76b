// CreatePartitions: more of them, never fewer.
#include "broker/controller/topic_plans.h"
#include "broker/handlers/handlers.h"
#include "broker/link/switchovers.h"
#include "kafka/gen/create_partitions.h"

namespace isthmus::broker {

namespace {

using kafka::ErrorCode;

io::Task<Result<void>> grow(Context& context, std::string name, int32_t count, bool only_check) {
  if (context.switchovers.fenced()) {
    co_return kafka::refuse(ErrorCode::leader_not_available,
                            "a switchover is under way: try again in a moment");
  }
  auto decide = [&](const Image& image) { return plan_partitions(image, name, count); };
  if (only_check) co_return context.controller.check(decide);
  auto done = co_await context.controller.update(decide);
  co_return done;
}

io::Task<kafka::CreatePartitionsResponse> grow_all(Context& context,
                                                   kafka::CreatePartitionsRequest message,
                                                   std::shared_ptr<server::ConnectionContext>) {
  kafka::CreatePartitionsResponse response;
  for (const auto& topic : message.topics) {
    auto done = co_await io::call_on(context.env.main_loop(),
                                     grow(context, topic.name, topic.count, message.validate_only));
    auto& result = response.results.emplace_back();
    result.name = topic.name;
    if (!done) refuse(result, done.error());
  }
  co_return response;
}

}  // namespace

io::Task<server::Reply> create_partitions(Context& context, server::Request request) {
  return answer<kafka::CreatePartitionsRequest, grow_all>(context, std::move(request));
}

}  // namespace isthmus::broker
