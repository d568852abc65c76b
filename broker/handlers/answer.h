// answer(): a handler that is answered in one go, which most are.
#pragma once

#include <memory>
#include <utility>

#include "broker/handlers/audited.h"
#include "broker/handlers/context.h"

namespace isthmus::broker {

// The reply stage of an API that is answered by `Function`:
//   Task<Response> Function(Context&, Request message, std::shared_ptr<ConnectionContext>)
// or with the request's version as a fourth parameter, where it changes more than the encoding.
template <typename Message, auto Function>
server::Reply answer_later(Context& context, Message message, kafka::RequestHeader header,
                           std::shared_ptr<server::ConnectionContext> connection) {
  constexpr bool takes_version =
      requires { Function(context, std::move(message), connection, header.api_version); };
  const AuditSubject subject = subject_of(context, message);
  if constexpr (takes_version) {
    auto response = co_await Function(context, std::move(message), connection, header.api_version);
    co_return audited<Message>(context, *connection, header, response, subject);
  } else {
    auto response = co_await Function(context, std::move(message), connection);
    co_return audited<Message>(context, *connection, header, response, subject);
  }
}

template <typename Message, auto Function>
io::Task<server::Reply> answer(Context& context, server::Request request) {
  auto message = server::decode_request<Message>(request);
  if (!message) co_return refuse_malformed(request, message.error());
  co_return answer_later<Message, Function>(context, std::move(*message), request.header,
                                            request.connection);
}

}  // namespace isthmus::broker
