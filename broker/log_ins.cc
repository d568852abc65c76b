#include "broker/log_ins.h"

#include "base/check.h"
#include "kafka/errors.h"
#include "kafka/sasl/scram.h"

namespace isthmus::broker {

namespace {

std::string new_nonce(io::Random& random) {
  std::array<uint8_t, 18> bytes;
  random.fill(bytes);
  return kafka::make_nonce(bytes);
}

}  // namespace

LogIns::LogIns(io::Env& env, const PublishedImage& image, TokenKeys::Options tokens)
    : env_(env), image_(image), tokens_(env, std::move(tokens)) {
  for (io::Loop* loop : env.loops) deriving_[loop] = std::make_unique<io::Mutex>(*loop);
}

// As hard as somebody who exists, or it would tell who does not.
kafka::ScramDecoy LogIns::decoy() const {
  CHECK(secret_, "where clients log in a secret was given");
  const auto users = image_.load()->users;
  if (users->empty()) return kafka::ScramDecoy(*secret_);
  return kafka::ScramDecoy(*secret_, users->begin()->second.credentials.begin()->second.iterations);
}

std::unique_ptr<LogIns::Exchange> LogIns::begin(kafka::Mechanism mechanism) const {
  return std::make_unique<Exchange>(
      kafka::make_sasl_server(mechanism, decoy(), new_nonce(env_.random)));
}

std::optional<kafka::ScramCredential> LogIns::find(const kafka::CredentialWanted& wanted) const {
  const auto image = image_.load();
  const auto user = image->users->find(wanted.user);
  if (user == image->users->end()) return std::nullopt;
  const auto& credentials = user->second.credentials;
  // By mechanism, so that the strongest comes last.
  for (auto one = credentials.rbegin(); one != credentials.rend(); ++one) {
    if (!wanted.algorithm || one->second.algorithm == *wanted.algorithm) return one->second;
  }
  return std::nullopt;
}

bool LogIns::still_may(server::LogIn& log_in) const {
  if (!log_in.done_by || log_in.done_by == kafka::Mechanism::oauthbearer) return true;
  const auto image = image_.load();
  if (log_in.users_seen == image->users_version) return true;
  log_in.users_seen = image->users_version;
  return image->users->contains(log_in.user);
}

io::Task<Result<kafka::SaslAnswer>> LogIns::step(Exchange& exchange, Slice message,
                                                 const server::ConnectionContext& client) {
  kafka::SaslServer& server = *exchange.server;
  auto step = server.step(message);
  while (step) {
    if (auto* answer = std::get_if<kafka::SaslAnswer>(&*step)) co_return std::move(*answer);
    if (auto* wanted = std::get_if<kafka::CredentialWanted>(&*step)) {
      step = server.give_credential(find(*wanted));
    } else if (auto* derivation = std::get_if<kafka::PasswordDerivation>(&*step)) {
      auto derive = [work = std::move(*derivation)] { return work.run(); };
      auto turn = co_await deriving_.at(io::Loop::current())->lock();
      if (client.closed) co_return fail("the connection has ended");
      auto salted = co_await io::run_on(env_.workers, std::move(derive));
      step = server.give_derived(salted);
    } else {
      auto identity = co_await tokens_.verify(std::get<kafka::TokenCheckWanted>(*step).token);
      step = server.give_identity(std::move(identity));
    }
  }
  co_return fail(step.error());
}

}  // namespace isthmus::broker
