// The operator's word: a broker leads nothing any more, or has nothing, or is as the others again.
#include "broker/controller/placement.h"
#include "broker/handlers/private/on_main.h"
#include "kafka/gen/drain_broker.h"

namespace isthmus::broker {

namespace {

using Request = kafka::DrainBrokerRequest;

io::Task<kafka::DrainBrokerResponse> drain(Context& context, Request message,
                                           std::shared_ptr<server::ConnectionContext> connection) {
  if (!may_ask<Request>(context, *connection)) co_return unauthorized(message);
  auto work = context.controller.update([message](const Image& image) {
    return plan_drain(image, message.broker_id, message.drain);
  });
  auto done = co_await io::call_on(context.env.main_loop(), std::move(work));
  kafka::DrainBrokerResponse response;
  if (!done) refuse(response, done.error());
  co_return response;
}

}  // namespace

io::Task<server::Reply> drain_broker(Context& context, server::Request request) {
  return answer<Request, drain>(context, std::move(request));
}

}  // namespace isthmus::broker
