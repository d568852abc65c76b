// Impersonate: a router lends its connection to one of its clients. For good: no way leads back to
// the router's own rights, or a bug there would be everybody's.
#include "broker/handlers/handlers.h"
#include "kafka/gen/impersonate.h"
#include "server/throttle.h"

namespace isthmus::broker {

namespace {

constexpr size_t longest_host = 255;

Result<void> become(const Context& context, const kafka::ImpersonateRequest& message,
                    server::ConnectionContext& connection) {
  auto principal = kafka::Principal::parse(*message.principal);
  if (!principal || message.host.size() > longest_host) {
    return kafka::refuse(kafka::ErrorCode::invalid_request, "no principal, or no host");
  }
  if (connection.impersonated_by) {
    return kafka::refuse(kafka::ErrorCode::illegal_sasl_state,
                         "the connection is lent to " + connection.principal.to_string());
  }
  if (!context.rights_of(connection).may_speak_for(*principal)) {
    return kafka::refuse(
        kafka::ErrorCode::cluster_authorization_failed,
        connection.principal.to_string() + " may not speak for " + principal->to_string());
  }
  // Quotas are the person's, as everything from here on.
  connection.throttle =
      std::make_shared<server::Throttle>(context.quotas, *connection.loop, *connection.stats);
  connection.impersonated_by = std::exchange(connection.principal, std::move(*principal));
  connection.peer.host = message.host;
  return {};
}

// Where it was granted, the line's principal is the person's and says who speaks for it.
void note(const Context& context, const server::Request& request,
          const kafka::ImpersonateRequest& message, kafka::ErrorCode error) {
  if (!context.audit.enabled()) return;
  note_outcome(context, *request.connection, request.header,
               {.type = "user", .names = {*message.principal}, .detail = {}}, error);
}

}  // namespace

// In the order of arrival: what follows is asked by the person.
io::Task<server::Reply> impersonate(Context& context, server::Request request) {
  auto message = server::decode_request<kafka::ImpersonateRequest>(request);
  if (!message) co_return refuse_malformed(request, message.error());
  auto& connection = *request.connection;
  kafka::ImpersonateResponse response;
  if (message->principal) {
    if (auto done = become(context, *message, connection); !done)
      kafka::refuse(response, done.error());
    note(context, request, *message, response.error_code);
  }
  response.principal = connection.principal.to_string();
  response.logged_in = connection.log_in.is_done();
  co_return server::reply_with(request.header, response);
}

}  // namespace isthmus::broker
