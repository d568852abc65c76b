#include "client/log_in.h"

#include <algorithm>

#include "base/printable.h"
#include "kafka/errors.h"
#include "kafka/gen/sasl_authenticate.h"
#include "kafka/gen/sasl_handshake.h"
#include "kafka/sasl/scram.h"

namespace isthmus::client {

namespace {

constexpr int64_t longest_session_ms = int64_t{30} * 24 * 3600 * 1000;

using Lifetime = std::optional<std::chrono::milliseconds>;

std::string new_nonce(io::Random& random) {
  std::array<uint8_t, 18> bytes;
  random.fill(bytes);
  return kafka::make_nonce(bytes);
}

Error refused(const Connection& connection, const kafka::SaslLogIn& with, std::string why) {
  return kafka::error_of(kafka::ErrorCode::sasl_authentication_failed,
                         connection.peer().to_string() + ": log-in by " +
                             std::string(mechanism_name(with.mechanism)) + ": " + why);
}

io::Task<Result<void>> shake_hands(Connection& connection, const kafka::SaslLogIn& with,
                                   io::Instant deadline) {
  kafka::SaslHandshakeRequest request;
  request.mechanism = mechanism_name(with.mechanism);
  auto answer = co_await connection.call(std::move(request), deadline);
  if (!answer) co_return fail(answer.error());
  if (answer->error_code == kafka::ErrorCode::none) co_return Result<void>{};
  std::string offered;
  for (const auto& name : answer->mechanisms) offered += (offered.empty() ? "" : ", ") + name;
  co_return fail(refused(connection, with,
                         "it is not offered here; " +
                             (offered.empty() ? "nothing is" : "there is " + printable(offered))));
}

}  // namespace

io::Task<Result<Lifetime>> log_in(io::Env& env, Connection& connection,
                                  const kafka::SaslLogIn& with, io::Instant deadline) {
  auto credentials = with.credentials();
  if (!credentials) co_return fail(refused(connection, with, credentials.error().text));
  auto client = kafka::make_sasl_client(with.mechanism, *credentials, new_nonce(env.random));
  if (!client) co_return fail(refused(connection, with, client.error().text));
  auto greeted = co_await shake_hands(connection, with, deadline);
  if (!greeted) co_return fail(greeted.error());
  Lifetime lifetime;
  auto step = (*client)->next({});
  while (step && !std::holds_alternative<kafka::SaslDone>(*step)) {
    if (auto* derivation = std::get_if<kafka::PasswordDerivation>(&*step)) {
      auto derive = [work = std::move(*derivation)] { return work.run(); };
      auto salted = co_await io::run_on(env.workers, std::move(derive));
      step = (*client)->give_derived(salted);
      continue;
    }
    kafka::SaslAuthenticateRequest request;
    request.auth_bytes = Slice::take(std::move(std::get<kafka::SaslSend>(*step).bytes));
    auto answer = co_await connection.call(std::move(request), deadline);
    if (!answer) co_return fail(answer.error());
    if (answer->error_code != kafka::ErrorCode::none) {
      const std::string said = answer->error_message.value_or("");
      co_return fail(refused(
          connection, with,
          said.empty() ? std::string(kafka::error_name(answer->error_code)) : printable(said)));
    }
    if (answer->session_lifetime_ms > 0) {
      lifetime =
          std::chrono::milliseconds(std::min(answer->session_lifetime_ms, longest_session_ms));
    }
    step = (*client)->next(answer->auth_bytes);
  }
  if (!step) co_return fail(refused(connection, with, step.error().text));
  co_return lifetime;
}

}  // namespace isthmus::client
