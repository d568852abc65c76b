// DescribeCluster (KIP-700).
#include "broker/handlers/handlers.h"
#include "broker/handlers/known_brokers.h"
#include "kafka/gen/describe_cluster.h"

namespace isthmus::broker {

namespace {

io::Task<kafka::DescribeClusterResponse> describe(
    Context& context, kafka::DescribeClusterRequest message,
    std::shared_ptr<server::ConnectionContext> connection) {
  auto image = context.image.load();
  kafka::DescribeClusterResponse response;
  response.endpoint_type = message.endpoint_type;
  response.cluster_id = image->cluster_id.to_string();
  response.controller_id = controller_of(context, *image);
  for (const auto& [node, address, rack] : known_brokers(context, *image, connection->listener)) {
    auto& broker = response.brokers.emplace_back();
    broker.broker_id = node;
    broker.host = address.host;
    broker.port = address.port;
    if (!rack.empty()) broker.rack = rack;
  }
  if (message.include_cluster_authorized_operations) {
    response.cluster_authorized_operations = context.rights_of(*connection).operations_on_cluster();
  }
  co_return response;
}

}  // namespace

io::Task<server::Reply> describe_cluster(Context& context, server::Request request) {
  return answer<kafka::DescribeClusterRequest, describe>(context, std::move(request));
}

}  // namespace isthmus::broker
