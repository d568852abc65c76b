#include "router/log_ins.h"

#include <algorithm>

#include "base/printable.h"
#include "kafka/errors.h"
#include "kafka/gen/impersonate.h"
#include "kafka/gen/sasl_authenticate.h"
#include "kafka/gen/sasl_handshake.h"
#include "kafka/sasl/sasl_server.h"
#include "server/reply.h"

namespace isthmus::router {

namespace {

using kafka::ErrorCode;

// Clients give up a log-in after ten seconds.
constexpr auto exchange_timeout = std::chrono::seconds(5);
constexpr int64_t longest_session_ms = int64_t{30} * 24 * 3600 * 1000;

template <typename Response>
server::Reply refuse(server::Request& request, Response response, ErrorCode code,
                     const std::string& why) {
  kafka::refuse(response, kafka::error_of(code, why));
  request.connection->end("log-in refused: " + why);
  return server::reply_with(request.header, response);
}

server::Reply end_log_in(const server::Request& request, const Error& error) {
  request.connection->end("malformed log-in: " + error.text);
  return server::no_reply();
}

// As the first message says it; nothing where only a token does.
std::string claimed_user(kafka::Mechanism mechanism, Bytes message) {
  const auto reader =
      kafka::make_sasl_server(mechanism, kafka::ScramDecoy(kafka::ScramDecoy::Secret{}), "none");
  (void)reader->step(message);
  return reader->claimed_user();
}

}  // namespace

struct LogIns::Exchange : server::LogInExchange {
  explicit Exchange(size_t& all) : count(all) { ++count; }
  ~Exchange() override { --count; }
  std::unique_ptr<client::Connection> with;
  std::optional<std::string> user;  // who the client says that it is, for the audit
  kafka::Mechanism mechanism = kafka::Mechanism::plain;
  size_t& count;
};

void LogIns::note(const server::Request& request, const Exchange& exchange, ErrorCode error) {
  if (!audit_.enabled()) return;
  server::AuditEvent event = server::audit_event_of(*request.connection);
  event.action = "SaslAuthenticate";
  event.detail = kafka::mechanism_name(exchange.mechanism);
  event.resource_type = "user";
  if (!exchange.user.value_or("").empty()) event.resources.add(*exchange.user);
  event.outcome =
      error == ErrorCode::none ? server::AuditOutcome::allowed : server::AuditOutcome::refused;
  if (error != ErrorCode::none) event.error = kafka::error_name(error);
  audit_.note(std::move(event), request.connection->loop->now());
}

// The default home's word alone counts: a site that could vouch for the users of another while that
// is away would be trusted with all of them.
io::Task<Result<std::unique_ptr<client::Connection>>> LogIns::connect(io::Instant deadline) {
  const std::string home = picture_.routes.default_home();
  Site* site = picture_.site(home);
  if (site == nullptr || !site->is_isthmus()) {
    co_return fail("the default home " + home + " takes no log-ins: it has no inside");
  }
  client::ConnectionOptions options;
  options.client_id = "isthmus-router";
  options.security = site->security();
  co_return co_await client::Connection::open(env_, gate_, site->inside_address(),
                                              std::move(options), deadline);
}

io::Task<server::Reply> LogIns::handshake(server::Request request) {
  auto message = server::decode_request<kafka::SaslHandshakeRequest>(request);
  if (!message) co_return end_log_in(request, message.error());
  auto& log_in = request.connection->log_in;
  log_in.exchange.reset();
  log_in.mechanism.reset();
  kafka::SaslHandshakeResponse response;
  for (auto mechanism : mechanisms_) response.mechanisms.emplace_back(mechanism_name(mechanism));
  const auto wanted = kafka::find_mechanism(message->mechanism);
  if (!wanted || std::ranges::find(mechanisms_, *wanted) == mechanisms_.end()) {
    response.error_code = ErrorCode::unsupported_sasl_mechanism;
    co_return server::reply_with(request.header, response);
  }
  // Who is known already is not kept out by strangers.
  if (exchanges_ >= max_exchanges && log_in.is_wanted()) {
    request.connection->end("cannot log in now: too many log-ins are under way");
    co_return server::no_reply();
  }
  auto exchange = std::make_unique<Exchange>(exchanges_);
  const io::Instant deadline = request.connection->loop->now() + exchange_timeout;
  auto connection = co_await connect(deadline);
  if (!connection) {
    // Not the client's fault: it loses the connection, and tries again.
    request.connection->end("cannot log in now: " + connection.error().text);
    co_return server::no_reply();
  }
  auto told = co_await (*connection)->call(*message, deadline);
  if (!told) {
    request.connection->end("cannot log in now: " + told.error().text);
    co_return server::no_reply();
  }
  response.error_code = told->error_code;
  if (told->error_code == ErrorCode::none) {
    log_in.mechanism = wanted;
    exchange->with = std::move(*connection);
    exchange->mechanism = *wanted;
    log_in.exchange = std::move(exchange);
  }
  co_return server::reply_with(request.header, response);
}

io::Task<server::Reply> LogIns::authenticate(server::Request request) {
  auto message = server::decode_request<kafka::SaslAuthenticateRequest>(request);
  if (!message) co_return end_log_in(request, message.error());
  using Response = kafka::SaslAuthenticateResponse;
  auto& client = *request.connection;
  auto& log_in = client.log_in;
  auto* exchange = static_cast<Exchange*>(log_in.exchange.get());
  if (exchange == nullptr) {
    co_return refuse(request, Response{}, ErrorCode::illegal_sasl_state,
                     "SaslHandshake comes first");
  }
  if (!exchange->user && audit_.enabled()) {
    exchange->user = claimed_user(exchange->mechanism, message->auth_bytes);
  }
  const io::Instant deadline = client.loop->now() + exchange_timeout;
  auto told = co_await exchange->with->call(std::move(*message), deadline);
  if (!told) {
    client.end("cannot log in now: " + told.error().text);
    co_return server::no_reply();
  }
  if (told->error_code != ErrorCode::none) {
    const std::string why = told->error_message.value_or("");
    // Who comes for the first time, the site's log names.
    const std::string who = log_in.done_by ? "user=" + printable(log_in.user) + ": " : "";
    client.end("log-in refused: " + who + printable(why));
    note(request, *exchange, told->error_code);
    co_return server::reply_with(request.header, *told);
  }
  auto who = co_await exchange->with->call(kafka::ImpersonateRequest{}, deadline);
  if (!who || who->error_code != ErrorCode::none) {
    client.end("cannot log in now: the site does not say who it was");
    co_return server::no_reply();
  }
  if (!who->logged_in) co_return server::reply_with(request.header, *told);
  auto principal = kafka::Principal::parse(who->principal);
  if (!principal) {
    client.end("cannot log in now: the site names no principal");
    co_return server::no_reply();
  }
  const bool again = log_in.done_by.has_value();
  if (again && (client.principal != *principal || log_in.done_by != log_in.mechanism)) {
    note(request, *exchange, ErrorCode::sasl_authentication_failed);
    co_return refuse(request, Response{}, ErrorCode::sasl_authentication_failed,
                     "Cannot change principals during re-authentication");
  }
  client.principal = std::move(*principal);
  log_in.user = client.principal.name;
  log_in.done_by = std::exchange(log_in.mechanism, std::nullopt);
  exchange->user = log_in.user;
  note(request, *exchange, ErrorCode::none);
  log_in.exchange.reset();
  const int64_t lifetime = std::min(told->session_lifetime_ms, longest_session_ms);
  log_in.ends =
      lifetime <= 0 ? io::Instant::max() : client.loop->now() + io::milliseconds(lifetime);
  co_return server::reply_with(request.header, *told);
}

}  // namespace isthmus::router
