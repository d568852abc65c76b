// DeleteTopics, by name or (since version 6) by id.
#include "broker/controller/topic_plans.h"
#include "broker/handlers/handlers.h"
#include "kafka/gen/delete_topics.h"

namespace isthmus::broker {

namespace {

using kafka::ErrorCode;
using Answer = kafka::DeleteTopicsResponse::DeletableTopicResult;

io::Task<Answer> delete_one(Context& context, std::optional<std::string> name, Uuid id) {
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
  auto decide = [&wanted](const Image& image) { return plan_delete_topic(image, wanted); };
  auto done = co_await context.controller.update(decide);
  if (!done) refuse(answer, done.error());
  co_return answer;
}

io::Task<kafka::DeleteTopicsResponse> delete_all(Context& context,
                                                 kafka::DeleteTopicsRequest message) {
  kafka::DeleteTopicsResponse response;
  for (const auto& topic : message.topics) {
    auto answer = co_await delete_one(context, topic.name, topic.topic_id);
    response.responses.push_back(std::move(answer));
  }
  for (const auto& name : message.topic_names) {
    auto answer = co_await delete_one(context, name, Uuid{});
    response.responses.push_back(std::move(answer));
  }
  co_return response;
}

io::Task<kafka::DeleteTopicsResponse> on_main(Context& context, kafka::DeleteTopicsRequest message,
                                              std::shared_ptr<server::ConnectionContext>) {
  auto response =
      co_await io::call_on(context.env.main_loop(), delete_all(context, std::move(message)));
  co_return response;
}

}  // namespace

io::Task<server::Reply> delete_topics(Context& context, server::Request request) {
  return answer<kafka::DeleteTopicsRequest, on_main>(context, std::move(request));
}

}  // namespace isthmus::broker
