// ListPartitionReassignments: the moves that are under way (KIP-455).
#include <algorithm>

#include "broker/handlers/handlers.h"
#include "kafka/gen/list_partition_reassignments.h"

namespace isthmus::broker {

namespace {

using Request = kafka::ListPartitionReassignmentsRequest;
using Response = kafka::ListPartitionReassignmentsResponse;

void list(const TopicImage& topic, const std::vector<int32_t>* of, Response& response) {
  Response::OngoingTopicReassignment out;
  out.name = topic.name;
  for (size_t i = 0; i < topic.partitions.size(); ++i) {
    const PartitionImage& partition = topic.partitions[i];
    const auto index = static_cast<PartitionIndex>(i);
    if (!partition.is_reassigned()) continue;
    if (of != nullptr && std::ranges::find(*of, index) == of->end()) continue;
    out.partitions.push_back({index, partition.replicas, partition.adding, partition.removing});
  }
  if (!out.partitions.empty()) response.topics.push_back(std::move(out));
}

io::Task<Response> list_all(Context& context, Request message,
                            std::shared_ptr<server::ConnectionContext> connection) {
  constexpr auto needed = kafka::need<Request>(AclOperation::describe, ResourceType::cluster);
  Response response;
  response.error_message.reset();
  if (!context.rights_of(*connection).may_on_cluster(needed)) {
    refuse(response, kafka::error_of(kafka::ErrorCode::cluster_authorization_failed,
                                     "not authorized to describe this cluster"));
    co_return response;
  }
  auto image = context.image.load();
  if (!message.topics) {
    for (const auto& [name, topic] : image->topics) list(*topic, nullptr, response);
    co_return response;
  }
  for (const auto& asked : *message.topics) {
    const TopicImage* topic = image->find(asked.name);
    if (topic != nullptr) list(*topic, &asked.partition_indexes, response);
  }
  co_return response;
}

}  // namespace

io::Task<server::Reply> list_partition_reassignments(Context& context, server::Request request) {
  return answer<Request, list_all>(context, std::move(request));
}

}  // namespace isthmus::broker
