// SaslAuthenticate (KIP-152): the messages of a log-in, and of those that follow on the same
// connection before its session ends (KIP-368).
#include <algorithm>

#include "base/log.h"
#include "base/printable.h"
#include "broker/handlers/handlers.h"
#include "broker/log_ins.h"
#include "kafka/gen/sasl_authenticate.h"
#include "server/complaints.h"
#include "server/stats.h"

namespace isthmus::broker {

namespace {

using kafka::ErrorCode;
using Response = kafka::SaslAuthenticateResponse;

const Logger log(LogComponent::login, "log-in");

// Kafka's connection.failed.authentication.delay.ms: who guesses waits.
constexpr auto refusal_delay = io::milliseconds(100);
constexpr int64_t longest_session_ms = int64_t{30} * 24 * 3600 * 1000;

server::Reply answer_after(io::Loop& loop, io::Duration pause, kafka::RequestHeader header,
                           Response response) {
  if (pause > io::Duration::zero()) co_await io::sleep(loop, pause);
  co_return server::encode_response(header, response);
}

// Kafka 4 locks such clients out (CVE-2024-56128 was mended by comparing the whole): who will move
// there wants to know them.
void tell_of_second_nonce(const server::ConnectionContext& connection) {
  const std::string who = "client id " + printable(connection.client_id) + ", " +
                          printable(connection.software_name) + " " +
                          printable(connection.software_version);
  auto silent = connection.complaints->next("second nonce of " + who, connection.loop->now());
  if (!silent) return;
  log.info("{} sends its SCRAM nonce twice, as librdkafka before 2.6.1 did: let in{}", who,
           server::Complaints::others(*silent));
}

// 0: for ever.
int64_t lifetime_ms(const Context& context, const kafka::SaslSession& session, int64_t now_ms) {
  int64_t lifetime = context.config.broker.connections_max_reauth_ms;
  if (!session.expires_ms) return lifetime;
  const int64_t left = std::clamp<int64_t>(*session.expires_ms - now_ms, 1, longest_session_ms);
  return lifetime == 0 ? left : std::min(lifetime, left);
}

// The client is who it says. Again is only for the same one, by the same mechanism.
Result<void> let_in(server::ConnectionContext& connection, const kafka::SaslSession& session) {
  auto& log_in = connection.log_in;
  const kafka::Principal who{.name = session.user};
  const bool again = log_in.done_by.has_value();
  if (again && (connection.principal != who || log_in.done_by != log_in.mechanism)) {
    return kafka::refuse(ErrorCode::sasl_authentication_failed,
                         "Cannot change principals during re-authentication");
  }
  if (connection.impersonated_by) {
    return kafka::refuse(ErrorCode::illegal_sasl_state, "the connection is lent to somebody");
  }
  connection.principal = who;
  log_in.user = session.user;
  log_in.done_by = std::exchange(log_in.mechanism, std::nullopt);
  log_in.exchange.reset();
  return {};
}

void note(const Context& context, const server::Request& request, const std::string& user,
          std::optional<kafka::Mechanism> mechanism, ErrorCode error) {
  if (!context.audit.enabled()) return;
  AuditSubject subject{.type = "user", .names = {user}, .detail = {}};
  if (mechanism) subject.detail = kafka::mechanism_name(*mechanism);
  note_outcome(context, *request.connection, request.header, subject, error);
}

}  // namespace

io::Task<server::Reply> sasl_authenticate(Context& context, server::Request request) {
  auto message = server::decode_request<kafka::SaslAuthenticateRequest>(request);
  if (!message) co_return refuse_malformed(request, message.error());
  auto& connection = *request.connection;
  auto* exchange = static_cast<LogIns::Exchange*>(connection.log_in.exchange.get());
  Response response;
  if (exchange == nullptr) {
    response.error_code = ErrorCode::illegal_sasl_state;
    response.error_message = "SaslHandshake comes first";
    connection.end("a log-in without SaslHandshake");
    co_return server::reply_with(request.header, response);
  }
  const auto mechanism = connection.log_in.mechanism;
  auto answer =
      co_await context.log_ins.step(*exchange, std::move(message->auth_bytes), connection);
  Result<void> accepted;
  if (answer && answer->done) {
    const kafka::SaslSession session = exchange->server->session();
    accepted = let_in(connection, session);
    if (accepted) {
      note(context, request, session.user, mechanism, ErrorCode::none);
      connection.stats->logged_in(true, session.nonce_repeated);
      if (session.nonce_repeated) tell_of_second_nonce(connection);
    }
    response.session_lifetime_ms = lifetime_ms(context, session, connection.loop->wall_ms());
    connection.log_in.ends =
        response.session_lifetime_ms == 0
            ? io::Instant::max()
            : connection.loop->now() + io::milliseconds(response.session_lifetime_ms);
  } else if (!answer) {
    accepted = fail(answer.error());
  }
  if (!accepted) {
    const kafka::SaslServer& server = *exchange->server;
    // A token that is not good names nobody, but the connection may be somebody's already.
    const std::string& claimed = server.claimed_user();
    const std::string user = claimed.empty() ? connection.log_in.user : claimed;
    connection.end("log-in refused: " + (user.empty() ? "" : "user=" + printable(user) + ": ") +
                   (server.why_refused().empty() ? accepted.error().text : server.why_refused()));
    response = {};
    kafka::refuse(response, accepted.error());
    connection.stats->logged_in(false, false);
    note(context, request, user, mechanism, response.error_code);
    co_return answer_after(*connection.loop, refusal_delay, request.header, std::move(response));
  }
  response.auth_bytes = Slice::take(std::move(answer->bytes));
  co_return server::reply_with(request.header, response);
}

}  // namespace isthmus::broker
