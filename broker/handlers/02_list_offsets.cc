// ListOffsets: where a partition begins and ends, and where a time is found in it.
#include "broker/handlers/handlers.h"
#include "kafka/gen/list_offsets.h"

namespace isthmus::broker {

namespace {

using kafka::ErrorCode;
// Of partitions, between which others go on.
constexpr size_t slice = 200;

using Answer = kafka::ListOffsetsResponse::ListOffsetsPartitionResponse;

// A special time that the request's version does not have is refused, as in Kafka.
bool is_in_version(int64_t timestamp, int16_t version) {
  constexpr int64_t first_special = -5;
  constexpr int16_t since[] = {9, 8, 7, 1, 1};  // -5, -4, -3, -2, -1
  if (timestamp >= 0) return true;
  return timestamp >= first_special && version >= since[timestamp - first_special];
}

io::Task<Answer> look_up(PartitionRef partition, PartitionIndex index, OffsetQuery query,
                         io::Workers& workers, int16_t version) {
  constexpr int16_t knows_not_available = 5;  // KIP-207
  Answer answer;
  answer.partition_index = index;
  if (!partition) {
    answer.error_code = partition.absence();
    co_return answer;
  }
  auto listed = co_await partition.list_offset(query, workers);
  if (!listed) {
    answer.error_code = error_code(listed.error());
    if (answer.error_code == ErrorCode::offset_not_available && version < knows_not_available) {
      answer.error_code = ErrorCode::leader_not_available;
    }
    co_return answer;
  }
  answer.offset = listed->offset;
  answer.timestamp = listed->timestamp;
  answer.leader_epoch = listed->leader_epoch;
  co_return answer;
}

io::Task<kafka::ListOffsetsResponse> list(Context& context, kafka::ListOffsetsRequest message,
                                          std::shared_ptr<server::ConnectionContext> connection,
                                          int16_t version) {
  constexpr auto needed =
      kafka::need<kafka::ListOffsetsRequest>(AclOperation::describe, ResourceType::topic);
  const Rights rights = context.rights_of(*connection);
  kafka::ListOffsetsResponse response;
  size_t count = 0;
  for (const auto& topic : message.topics) {
    auto& answers = response.topics.emplace_back();
    answers.name = topic.name;
    const bool may = rights.may(needed, topic.name);
    for (const auto& wanted : topic.partitions) {
      if (++count % slice == 0) co_await io::yield(*io::Loop::current());
      if (!may || !is_in_version(wanted.timestamp, version)) {
        auto& answer = answers.partitions.emplace_back();
        answer.partition_index = wanted.partition_index;
        answer.error_code =
            may ? ErrorCode::unsupported_version : ErrorCode::topic_authorization_failed;
        continue;
      }
      OffsetQuery query;
      query.timestamp = wanted.timestamp;
      query.current_leader_epoch = wanted.current_leader_epoch;
      query.read_committed = message.isolation_level == 1;
      auto answer = co_await look_up(context.partitions.find(topic.name, wanted.partition_index),
                                     wanted.partition_index, query, context.env.workers, version);
      answers.partitions.push_back(std::move(answer));
    }
  }
  co_return response;
}

bool asks_for_a_time(const kafka::ListOffsetsRequest& message) {
  for (const auto& topic : message.topics) {
    for (const auto& wanted : topic.partitions) {
      if (wanted.timestamp >= 0 || wanted.timestamp == OffsetQuery::max_timestamp) return true;
    }
  }
  return false;
}

}  // namespace

io::Task<server::Reply> list_offsets(Context& context, server::Request request) {
  auto message = server::decode_request<kafka::ListOffsetsRequest>(request);
  if (!message) co_return refuse_malformed(request, message.error());
  if (!asks_for_a_time(*message)) {
    co_return answer_later<kafka::ListOffsetsRequest, list>(context, std::move(*message),
                                                            request.header, request.connection);
  }
  // A lookup may unpack for long. A connection has one under way at most, so the workers' turns are
  // shared among connections and not among requests.
  auto response =
      co_await list(context, std::move(*message), request.connection, request.header.api_version);
  note_answer<kafka::ListOffsetsRequest>(context, *request.connection, request.header, response,
                                         {});
  co_return server::reply_with(request.header, response);
}

}  // namespace isthmus::broker
