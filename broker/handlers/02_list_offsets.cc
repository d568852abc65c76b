// ListOffsets: where a partition begins and ends, and where a time is found in it.
#include "broker/handlers/handlers.h"
#include "kafka/gen/list_offsets.h"

namespace isthmus::broker {

namespace {

using kafka::ErrorCode;
using Answer = kafka::ListOffsetsResponse::ListOffsetsPartitionResponse;

io::Task<Answer> look_up(PartitionRef partition, PartitionIndex index, OffsetQuery query) {
  Answer answer;
  answer.partition_index = index;
  if (!partition) {
    answer.error_code = partition.absence();
    co_return answer;
  }
  auto listed = co_await partition.list_offset(query);
  if (!listed) {
    answer.error_code = error_code(listed.error());
    co_return answer;
  }
  answer.offset = listed->offset;
  answer.timestamp = listed->timestamp;
  answer.leader_epoch = listed->leader_epoch;
  co_return answer;
}

io::Task<kafka::ListOffsetsResponse> list(Context& context, kafka::ListOffsetsRequest message,
                                          std::shared_ptr<server::ConnectionContext>) {
  kafka::ListOffsetsResponse response;
  for (const auto& topic : message.topics) {
    auto& answers = response.topics.emplace_back();
    answers.name = topic.name;
    for (const auto& wanted : topic.partitions) {
      OffsetQuery query;
      query.timestamp = wanted.timestamp;
      query.current_leader_epoch = wanted.current_leader_epoch;
      query.read_committed = message.isolation_level == 1;
      auto answer = co_await look_up(context.partitions.find(topic.name, wanted.partition_index),
                                     wanted.partition_index, query);
      answers.partitions.push_back(std::move(answer));
    }
  }
  co_return response;
}

}  // namespace

io::Task<server::Reply> list_offsets(Context& context, server::Request request) {
  return answer<kafka::ListOffsetsRequest, list>(context, std::move(request));
}

}  // namespace isthmus::broker
