// InitProducerId: an id for an idempotent producer. With an id and epoch of its own a producer asks
// for the next epoch (KIP-360), which a producer without transactions gets as a new id.
#include "broker/handlers/handlers.h"
#include "kafka/gen/init_producer_id.h"

namespace isthmus::broker {

namespace {

using kafka::ErrorCode;

io::Task<kafka::InitProducerIdResponse> allocate(Context& context,
                                                 kafka::InitProducerIdRequest message,
                                                 std::shared_ptr<server::ConnectionContext>) {
  kafka::InitProducerIdResponse response;
  response.producer_id = -1;
  response.producer_epoch = -1;
  if (message.transactional_id) {
    response.error_code = ErrorCode::unsupported_version;
    co_return response;
  }
  Controller& controller = context.controller;
  auto id = co_await io::call_on(context.env.main_loop(), controller.allocate_producer_id());
  if (!id) {
    response.error_code = error_code(id.error());
    co_return response;
  }
  response.producer_id = *id;
  response.producer_epoch = 0;
  co_return response;
}

}  // namespace

io::Task<server::Reply> init_producer_id(Context& context, server::Request request) {
  return answer<kafka::InitProducerIdRequest, allocate>(context, std::move(request));
}

}  // namespace isthmus::broker
