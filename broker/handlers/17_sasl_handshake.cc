// SaslHandshake (KIP-43, KIP-152): a client says how it will log in. Version 0, whose messages
// follow as bare frames, is not announced: no client of the last ten years needs it.
#include <algorithm>

#include "broker/handlers/handlers.h"
#include "broker/log_ins.h"
#include "kafka/gen/sasl_handshake.h"

namespace isthmus::broker {

namespace {

using kafka::ErrorCode;

kafka::SaslHandshakeResponse shake_hands(Context& context,
                                         const kafka::SaslHandshakeRequest& message,
                                         server::ConnectionContext& connection) {
  kafka::SaslHandshakeResponse response;
  const auto& offered = context.listener(connection.listener).security.mechanisms;
  for (auto mechanism : offered) response.mechanisms.emplace_back(mechanism_name(mechanism));
  const auto wanted = kafka::find_mechanism(message.mechanism);
  auto& log_in = connection.log_in;
  log_in.exchange.reset();
  log_in.mechanism.reset();
  if (!wanted || std::ranges::find(offered, *wanted) == offered.end()) {
    response.error_code = ErrorCode::unsupported_sasl_mechanism;
    return response;
  }
  log_in.mechanism = wanted;
  log_in.exchange = context.log_ins.begin(*wanted);
  return response;
}

}  // namespace

// In the order of arrival: what follows belongs to this exchange.
io::Task<server::Reply> sasl_handshake(Context& context, server::Request request) {
  auto message = server::decode_request<kafka::SaslHandshakeRequest>(request);
  if (!message) co_return refuse_malformed(request, message.error());
  const auto response = shake_hands(context, *message, *request.connection);
  co_return io::ready(std::optional<Rope>(server::encode_response(request.header, response)));
}

}  // namespace isthmus::broker
