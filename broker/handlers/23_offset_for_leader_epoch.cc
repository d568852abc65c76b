// OffsetForLeaderEpoch: where an epoch ends, so that a reader finds out whether what it has read
// was cut away since (KIP-101, KIP-320).
#include "broker/handlers/handlers.h"
#include "kafka/gen/offset_for_leader_epoch.h"

namespace isthmus::broker {

namespace {

using kafka::ErrorCode;
using Answer = kafka::OffsetForLeaderEpochResponse::EpochEndOffset;

io::Task<Answer> look_up(PartitionRef partition, PartitionIndex index, LeaderEpoch believed,
                         LeaderEpoch asked) {
  Answer answer;
  answer.partition = index;
  if (!partition) {
    answer.error_code = partition.absence();
    co_return answer;
  }
  auto end = co_await partition.epoch_end(believed, asked);
  if (!end) {
    answer.error_code = error_code(end.error());
    co_return answer;
  }
  answer.leader_epoch = end->epoch;
  answer.end_offset = end->end_offset;
  co_return answer;
}

io::Task<kafka::OffsetForLeaderEpochResponse> look_up_all(
    Context& context, kafka::OffsetForLeaderEpochRequest message,
    std::shared_ptr<server::ConnectionContext> connection) {
  using Request = kafka::OffsetForLeaderEpochRequest;
  constexpr auto needed = kafka::need<Request>(AclOperation::describe, ResourceType::topic);
  constexpr auto of_brokers =
      kafka::need<Request>(AclOperation::cluster_action, ResourceType::cluster);
  const Rights rights = context.rights_of(*connection);
  const bool may_all = rights.may_on_cluster(of_brokers);
  kafka::OffsetForLeaderEpochResponse response;
  for (const auto& topic : message.topics) {
    auto& answers = response.topics.emplace_back();
    answers.topic = topic.topic;
    const bool may = may_all || rights.may(needed, topic.topic);
    for (const auto& wanted : topic.partitions) {
      auto partition = may ? context.partitions.find(topic.topic, wanted.partition)
                           : PartitionRef(ErrorCode::topic_authorization_failed);
      auto answer = co_await look_up(std::move(partition), wanted.partition,
                                     wanted.current_leader_epoch, wanted.leader_epoch);
      answers.partitions.push_back(std::move(answer));
    }
  }
  co_return response;
}

}  // namespace

io::Task<server::Reply> offset_for_leader_epoch(Context& context, server::Request request) {
  return answer<kafka::OffsetForLeaderEpochRequest, look_up_all>(context, std::move(request));
}

}  // namespace isthmus::broker
