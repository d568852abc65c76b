// DeleteRecords: moves the start of a log forward; -1 means up to the high watermark. Answered when
// nobody in the ISR has anything below it: else the next leader would bring it back. (Kafka waits
// for all replicas that live, also for those that have a broken disk.) Not of the cluster's own
// topics, as in Kafka: who cuts __consumer_offsets cuts what groups have committed.
#include "broker/controller/topic_plans.h"
#include "broker/handlers/handlers.h"
#include "broker/replica/fence_wait.h"
#include "kafka/gen/delete_records.h"

namespace isthmus::broker {

namespace {

using kafka::ErrorCode;
using Answer = kafka::DeleteRecordsResponse::DeleteRecordsPartitionResult;

struct Deletion {
  PartitionRef partition;
  Answer* answer = nullptr;  // REQUIRES: of no vector that grows
};

// At the leader. Followers hear of it with what they fetch next.
io::Task<void> delete_before(Deletion deletion, Offset offset, io::Instant waits_until) {
  const auto& [partition, answer] = deletion;
  if (!partition) {
    answer->error_code = partition.absence();
    co_return;
  }
  co_await partition.fence_ended(waits_until);
  auto start = co_await partition.delete_records(ClientWriter{}, offset);
  if (start) {
    answer->low_watermark = *start;
  } else {
    answer->error_code = error_code(start.error());
  }
}

// Whoever may be elected has nothing of it any more.
io::Task<void> await_deletion(Deletion deletion, io::Instant deadline) {
  const auto& [partition, answer] = deletion;
  if (answer->error_code != ErrorCode::none) co_return;
  auto lowest = co_await partition.deleted(answer->low_watermark, deadline);
  answer->low_watermark = lowest.value_or(-1);
  if (!lowest) answer->error_code = error_code(lowest.error());
}

io::Task<kafka::DeleteRecordsResponse> delete_all(Context& context,
                                                  kafka::DeleteRecordsRequest message,
                                                  std::shared_ptr<server::ConnectionContext> from) {
  const io::Instant waits_until = from->loop->now() + fence_wait_of(message.timeout_ms);
  constexpr auto needed =
      kafka::need<kafka::DeleteRecordsRequest>(AclOperation::remove, ResourceType::topic);
  const Rights rights = context.rights_of(*from);
  kafka::DeleteRecordsResponse response;
  std::vector<Deletion> deletions;
  response.topics.reserve(message.topics.size());
  for (const auto& topic : message.topics) {
    const bool may = rights.may(needed, topic.name);
    auto& answers = response.topics.emplace_back();
    answers.name = topic.name;
    answers.partitions.reserve(topic.partitions.size());
    for (const auto& wanted : topic.partitions) {
      auto& answer = answers.partitions.emplace_back();
      answer = {wanted.partition_index, -1, ErrorCode::none};
      if (!may || is_internal(topic.name)) {
        answer.error_code =
            may ? ErrorCode::invalid_topic_exception : ErrorCode::topic_authorization_failed;
        continue;
      }
      deletions.push_back({context.partitions.find(topic.name, wanted.partition_index), &answer});
      co_await delete_before(deletions.back(), wanted.offset, waits_until);
    }
  }
  for (const Deletion& deletion : deletions) co_await await_deletion(deletion, waits_until);
  co_return response;
}

}  // namespace

io::Task<server::Reply> delete_records(Context& context, server::Request request) {
  return answer<kafka::DeleteRecordsRequest, delete_all>(context, std::move(request));
}

}  // namespace isthmus::broker
