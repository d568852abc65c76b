// FindCoordinator: a cluster of one broker coordinates every group. The topic that the coordinator
// keeps its state in is made here, on first use.
#include "broker/handlers/handlers.h"
#include "broker/handlers/topic_creation.h"
#include "kafka/gen/find_coordinator.h"

namespace isthmus::broker {

namespace {

using kafka::ErrorCode;

struct Found {
  ErrorCode error = ErrorCode::none;
  std::string message;
  NodeId node = -1;
  io::Address address;
};

io::Task<Found> find(Context& context, kafka::CoordinatorType key_type, std::string listener) {
  Found found;
  if (key_type != kafka::CoordinatorType::group) {
    found.error = ErrorCode::unsupported_version;
    found.message = "this broker coordinates groups; transactions are not supported yet";
    co_return found;
  }
  auto ready = co_await io::call_on(context.env.main_loop(), ensure_offsets_topic(context));
  if (!ready) {
    found.error = ErrorCode::coordinator_not_available;
    found.message = ready.error().text;
    co_return found;
  }
  found.node = context.image.load()->node_id;
  found.address = context.advertised(listener);
  co_return found;
}

io::Task<kafka::FindCoordinatorResponse> answer_find(
    Context& context, kafka::FindCoordinatorRequest message,
    std::shared_ptr<server::ConnectionContext> connection) {
  auto found = co_await find(context, message.key_type, connection->listener);
  kafka::FindCoordinatorResponse response;
  response.error_code = found.error;
  if (!found.message.empty()) response.error_message = found.message;
  response.node_id = found.node;
  response.host = found.address.host;
  response.port = found.address.port;
  for (const auto& key : message.coordinator_keys) {
    auto& coordinator = response.coordinators.emplace_back();
    coordinator.key = key;
    coordinator.node_id = found.node;
    coordinator.host = found.address.host;
    coordinator.port = found.address.port;
    coordinator.error_code = found.error;
    if (!found.message.empty()) coordinator.error_message = found.message;
  }
  co_return response;
}

}  // namespace

io::Task<server::Reply> find_coordinator(Context& context, server::Request request) {
  return answer<kafka::FindCoordinatorRequest, answer_find>(context, std::move(request));
}

}  // namespace isthmus::broker
