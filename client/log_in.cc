#include "client/log_in.h"

#include <algorithm>

#include "base/log.h"
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

// On the loop that found the token due; it is used meanwhile.
void ask_beside(io::Env& env, std::shared_ptr<kafka::TokenSource> tokens) {
  io::Loop& home = *io::Loop::current();
  env.workers.submit([tokens = std::move(tokens), &home, asked = home.now()] {
    home.post([tokens, &home, asked, answer = tokens->ask()] {
      if (!answer) {
        Logger(LogComponent::login, "tokens")
            .warn("{}; the token of before is still good", answer.error().text);
      }
      tokens->keeper.answered(asked, home.now(), answer);
    });
  });
}

io::Task<Result<std::string>> ask_for_token(io::Env& env,
                                            std::shared_ptr<kafka::TokenSource> tokens) {
  io::Loop& loop = *io::Loop::current();
  const io::Instant asked = loop.now();
  auto ask = [tokens] { return tokens->ask(); };
  auto answer = co_await io::run_on(env.workers, std::move(ask));
  tokens->keeper.answered(asked, loop.now(), answer);
  if (!answer) co_return fail(answer.error());
  co_return std::move(answer->token);
}

io::Task<Result<std::string>> find_token(io::Env& env, std::shared_ptr<kafka::TokenSource> tokens,
                                         io::Instant deadline) {
  io::Loop& loop = *io::Loop::current();
  while (loop.now() < deadline) {
    auto step = tokens->keeper.next(loop.now());
    if (auto* use = std::get_if<kafka::TokenKeeper::Use>(&step)) {
      if (use->and_ask) ask_beside(env, tokens);
      co_return std::move(use->token);
    }
    if (auto* error = std::get_if<Error>(&step)) co_return fail(*error);
    if (std::holds_alternative<kafka::TokenKeeper::Ask>(step)) {
      co_return co_await ask_for_token(env, tokens);
    }
    co_await io::sleep(loop, io::milliseconds(50));
  }
  co_return fail("no token has come in time");
}

io::Task<Result<kafka::SaslCredentials>> find_credentials(io::Env& env,
                                                          const kafka::SaslLogIn& with,
                                                          io::Instant deadline) {
  auto credentials = with.credentials();
  if (!credentials || !with.tokens) co_return credentials;
  auto token = co_await find_token(env, with.tokens, deadline);
  if (!token) co_return fail(token.error());
  credentials->token = std::move(*token);
  co_return credentials;
}

}  // namespace

io::Task<Result<Lifetime>> log_in(io::Env& env, Connection& connection,
                                  const kafka::SaslLogIn& with, io::Instant deadline) {
  auto credentials = co_await find_credentials(env, with, deadline);
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
