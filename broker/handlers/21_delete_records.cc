// DeleteRecords: moves the start of a log forward; -1 means up to the high watermark. Not of the
// cluster's own topics, as in Kafka: who cuts __consumer_offsets cuts what groups have committed.
#include "broker/controller/topic_plans.h"
#include "broker/handlers/handlers.h"
#include "broker/replica/fence_wait.h"
#include "kafka/gen/delete_records.h"

namespace isthmus::broker {

namespace {

using kafka::ErrorCode;
using Answer = kafka::DeleteRecordsResponse::DeleteRecordsPartitionResult;

io::Task<Answer> delete_before(PartitionRef partition, PartitionIndex index, Offset offset,
                               io::Instant waits_until) {
  Answer answer;
  answer.partition_index = index;
  answer.low_watermark = -1;
  if (!partition) {
    answer.error_code = partition.absence();
    co_return answer;
  }
  co_await partition.fence_ended(waits_until);
  auto start = co_await partition.delete_records(ClientWriter{}, offset);
  if (start) {
    answer.low_watermark = *start;
  } else {
    answer.error_code = error_code(start.error());
  }
  co_return answer;
}

io::Task<kafka::DeleteRecordsResponse> delete_all(Context& context,
                                                  kafka::DeleteRecordsRequest message,
                                                  std::shared_ptr<server::ConnectionContext> from) {
  const io::Instant waits_until = from->loop->now() + fence_wait_of(message.timeout_ms);
  constexpr auto needed =
      kafka::need<kafka::DeleteRecordsRequest>(AclOperation::remove, ResourceType::topic);
  const Rights rights = context.rights_of(*from);
  kafka::DeleteRecordsResponse response;
  for (const auto& topic : message.topics) {
    const bool may = rights.may(needed, topic.name);
    auto& answers = response.topics.emplace_back();
    answers.name = topic.name;
    for (const auto& wanted : topic.partitions) {
      if (!may || is_internal(topic.name)) {
        const ErrorCode error =
            may ? ErrorCode::invalid_topic_exception : ErrorCode::topic_authorization_failed;
        answers.partitions.push_back({wanted.partition_index, -1, error});
        continue;
      }
      auto partition = context.partitions.find(topic.name, wanted.partition_index);
      auto answer = co_await delete_before(std::move(partition), wanted.partition_index,
                                           wanted.offset, waits_until);
      answers.partitions.push_back(std::move(answer));
    }
  }
  co_return response;
}

}  // namespace

io::Task<server::Reply> delete_records(Context& context, server::Request request) {
  return answer<kafka::DeleteRecordsRequest, delete_all>(context, std::move(request));
}

}  // namespace isthmus::broker
