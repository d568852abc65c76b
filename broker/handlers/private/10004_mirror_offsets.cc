// Group offsets of the source. The topic that the coordinator keeps them in is made here, as by a
// first FindCoordinator: a standby site has no groups of its own yet.
#include "broker/handlers/private/on_main.h"
#include "broker/handlers/topic_creation.h"
#include "broker/link/link_service.h"

namespace isthmus::broker {

namespace {

io::Task<kafka::MirrorOffsetsResponse> take(Context& context, kafka::MirrorOffsetsRequest message) {
  auto ready = co_await ensure_offsets_topic(context);
  if (!ready) {
    kafka::MirrorOffsetsResponse response;
    response.error_code = error_code(ready.error());
    co_return response;
  }
  auto response = co_await context.links.offsets(std::move(message));
  co_return response;
}

server::Reply finish(Context& context, kafka::MirrorOffsetsRequest message,
                     kafka::RequestHeader header) {
  auto response = co_await io::call_on(context.env.main_loop(), take(context, std::move(message)));
  co_return server::encode_response(header, response);
}

}  // namespace

io::Task<server::Reply> mirror_offsets(Context& context, server::Request request) {
  auto message = server::decode_request<kafka::MirrorOffsetsRequest>(request);
  if (!message) co_return refuse_malformed(request, message.error());
  if (!may_ask<kafka::MirrorOffsetsRequest>(context, *request.connection)) {
    const auto refusal = unauthorized(*message);
    note_answer<kafka::MirrorOffsetsRequest>(context, *request.connection, request.header, refusal,
                                             {});
    co_return server::reply_with(request.header, refusal);
  }
  co_return finish(context, std::move(*message), request.header);
}

}  // namespace isthmus::broker
