// Batches of a source, in the order of arrival; answered when they are durable.
#include "broker/handlers/private/on_main.h"
#include "broker/link/link_service.h"

namespace isthmus::broker {

namespace {

server::Reply finish(Context& context, kafka::RequestHeader header,
                     std::shared_ptr<LinkService::Appending> appending) {
  co_await context.links.await_durable(appending);
  co_return server::encode_response(header, appending->response);
}

}  // namespace

io::Task<server::Reply> mirror_append(Context& context, server::Request request) {
  auto message = server::decode_request<kafka::MirrorAppendRequest>(request);
  if (!message) co_return refuse_malformed(request, message.error());
  if (!may_ask<kafka::MirrorAppendRequest>(context, *request.connection)) {
    const auto refusal = unauthorized(*message);
    note_answer<kafka::MirrorAppendRequest>(context, *request.connection, request.header, refusal,
                                            {});
    co_return server::reply_with(request.header, refusal);
  }
  auto appending = std::make_shared<LinkService::Appending>();
  co_await context.links.append(std::move(*message), appending);
  co_return finish(context, request.header, std::move(appending));
}

}  // namespace isthmus::broker
