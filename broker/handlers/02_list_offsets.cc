// ListOffsets: where a partition begins and ends, and where a time is found in it.
#include "broker/handlers/handlers.h"
#include "kafka/gen/list_offsets.h"

namespace isthmus::broker {

namespace {

using kafka::ErrorCode;
using Answer = kafka::ListOffsetsResponse::ListOffsetsPartitionResponse;

constexpr int64_t latest = -1;
constexpr int64_t earliest = -2;
constexpr int64_t max_timestamp = -3;
constexpr int64_t earliest_local = -4;  // no tiers: the same as earliest (KIP-405)
constexpr int64_t latest_tiered = -5;

io::Task<Answer> look_up(std::shared_ptr<Partition> partition, PartitionIndex index,
                         int64_t timestamp, LeaderEpoch believed, bool read_committed) {
  Answer answer;
  answer.partition_index = index;
  if (auto error = partition->check_epoch(believed)) {
    answer.error_code = *error;
    co_return answer;
  }
  Log& log = partition->log();
  Offset bound = read_committed ? partition->last_stable_offset() : partition->high_watermark();
  if (timestamp == latest) {
    answer.offset = bound;
  } else if (timestamp == earliest || timestamp == earliest_local) {
    answer.offset = log.start_offset();
  } else if (timestamp == max_timestamp || timestamp >= 0) {
    auto found = timestamp == max_timestamp ? log.max_timestamp_offset()
                                            : log.offset_for_timestamp(timestamp);
    if (!found) {
      answer.error_code = error_code(found.error());
    } else if (*found && (*found)->offset < bound) {
      answer.offset = (*found)->offset;
      answer.timestamp = (*found)->timestamp;
    }
  } else if (timestamp != latest_tiered) {
    answer.error_code = ErrorCode::invalid_request;
  }
  if (answer.offset >= 0) answer.leader_epoch = log.epochs().epoch_of(answer.offset);
  co_return answer;
}

io::Task<kafka::ListOffsetsResponse> list(Context& context, kafka::ListOffsetsRequest message,
                                          std::shared_ptr<server::ConnectionContext>) {
  kafka::ListOffsetsResponse response;
  for (const auto& topic : message.topics) {
    auto& answers = response.topics.emplace_back();
    answers.name = topic.name;
    for (const auto& wanted : topic.partitions) {
      auto partition = context.partitions.find(topic.name, wanted.partition_index);
      if (!partition) {
        Answer answer;
        answer.partition_index = wanted.partition_index;
        answer.error_code = context.partitions.absence(topic.name, wanted.partition_index);
        answers.partitions.push_back(std::move(answer));
        continue;
      }
      io::Loop& loop = partition->loop();
      bool committed = message.isolation_level == 1;
      auto answer = co_await io::call_on(
          loop, look_up(std::move(partition), wanted.partition_index, wanted.timestamp,
                        wanted.current_leader_epoch, committed));
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
