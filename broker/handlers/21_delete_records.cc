// DeleteRecords: moves the start of a log forward; -1 means up to the high watermark. Not of the
// cluster's own topics, as in Kafka: who cuts __consumer_offsets cuts what groups have committed.
#include "broker/controller/topic_plans.h"
#include "broker/handlers/handlers.h"
#include "kafka/gen/delete_records.h"

namespace isthmus::broker {

namespace {

using kafka::ErrorCode;
using Answer = kafka::DeleteRecordsResponse::DeleteRecordsPartitionResult;

io::Task<Answer> delete_before(std::shared_ptr<Partition> partition, PartitionIndex index,
                               Offset offset, io::Instant now) {
  Answer answer;
  answer.partition_index = index;
  answer.low_watermark = -1;
  if (auto refusal = partition->gate().admit_client(now)) {
    answer.error_code = refusal->code;
    co_return answer;
  }
  Offset before = offset == -1 ? partition->high_watermark() : offset;
  auto done = partition->delete_records_before(before);
  if (!done) {
    answer.error_code = error_code(done.error());
    co_return answer;
  }
  answer.low_watermark = partition->log().start_offset();
  co_return answer;
}

io::Task<kafka::DeleteRecordsResponse> delete_all(Context& context,
                                                  kafka::DeleteRecordsRequest message,
                                                  std::shared_ptr<server::ConnectionContext> from) {
  kafka::DeleteRecordsResponse response;
  for (const auto& topic : message.topics) {
    auto& answers = response.topics.emplace_back();
    answers.name = topic.name;
    for (const auto& wanted : topic.partitions) {
      auto partition = context.partitions.find(topic.name, wanted.partition_index);
      const bool internal = is_internal(topic.name);
      if (internal || !partition) {
        const ErrorCode why = internal
                                  ? ErrorCode::invalid_topic_exception
                                  : context.partitions.absence(topic.name, wanted.partition_index);
        answers.partitions.push_back({wanted.partition_index, -1, why});
        continue;
      }
      io::Loop& loop = partition->loop();
      auto answer =
          co_await io::call_on(loop, delete_before(std::move(partition), wanted.partition_index,
                                                   wanted.offset, from->loop->now()));
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
