// UnregisterBroker: a broker that is gone for good leaves the cluster. Not one that lives, nor one
// that has replicas.
#include "broker/controller/placement.h"
#include "broker/handlers/handlers.h"
#include "kafka/gen/unregister_broker.h"

namespace isthmus::broker {

namespace {

using kafka::ErrorCode;
using Request = kafka::UnregisterBrokerRequest;

// On the main loop.
io::Task<Result<void>> unregister(Context& context, NodeId node) {
  const int32_t starts = context.controller.snapshot()->starts_of(node);
  const auto running = co_await context.live.running();
  auto done = co_await context.controller.update([&](const Image& image) {
    // One that has started since is seen by nobody yet.
    const bool is_alive = running.contains(node) || image.starts_of(node) != starts;
    return plan_unregister(image, node, is_alive);
  });
  co_return done;
}

io::Task<kafka::UnregisterBrokerResponse> on_main(
    Context& context, Request message, std::shared_ptr<server::ConnectionContext> connection) {
  constexpr auto needed = kafka::need<Request>(AclOperation::alter, ResourceType::cluster);
  kafka::UnregisterBrokerResponse response;
  if (!context.rights_of(*connection).may_on_cluster(needed)) {
    refuse(response, kafka::error_of(ErrorCode::cluster_authorization_failed,
                                     "not authorized to alter this cluster"));
    co_return response;
  }
  auto done = co_await io::call_on(context.env.main_loop(), unregister(context, message.broker_id));
  response.error_message.reset();
  if (!done) refuse(response, done.error());
  co_return response;
}

}  // namespace

io::Task<server::Reply> unregister_broker(Context& context, server::Request request) {
  return answer<Request, on_main>(context, std::move(request));
}

}  // namespace isthmus::broker
