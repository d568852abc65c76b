// Whole log-ins: our client against our server, by every mechanism; cut off and damaged at every
// byte; and what an exchange does with messages that nobody asked for.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>

#include "tests/kafka/sasl/logins.h"

namespace isthmus::kafka {
namespace {

const SaslCredentials alice{"alice", "secret", "a.b.c", {}};

using Damage = std::function<std::string(std::string, size_t number)>;
const Damage untouched = [](std::string message, size_t) { return message; };

// Each derivation once: the same is asked for at every damaged byte.
SaltedPassword salted_by(const PasswordDerivation& wanted) {
  static std::map<std::string, SaltedPassword> known;
  const std::string key = std::to_string(static_cast<int>(wanted.algorithm)) + " " +
                          std::to_string(wanted.iterations) + " " + hex(wanted.salt) + " " +
                          wanted.password;
  auto& salted = known[key];
  if (salted.empty()) salted = wanted.run();
  return salted;
}

// Both owners in one: looks users up, derives, and lets a token be whose it is said to be.
struct Login {
  std::unique_ptr<SaslServer> server;
  std::unique_ptr<SaslClient> client;
  std::map<std::string, std::string> passwords = {{"alice", "secret"}};
  std::map<std::string, TokenIdentity> tokens = {{"a.b.c", {"alice", 4711}}};
  int32_t iterations = 4096;
  size_t messages = 0;  // of the client
  std::vector<std::string> sent;
  std::optional<Error> error;  // what the server answers instead

  explicit Login(Mechanism mechanism, const SaslCredentials& credentials = alice)
      : server(make_sasl_server(mechanism, decoy, "server-nonce")),
        client(*make_sasl_client(mechanism, credentials, "client-nonce")) {}

  std::optional<ScramCredential> look_up(const CredentialWanted& wanted) {
    const auto found = passwords.find(wanted.user);
    if (found == passwords.end()) return std::nullopt;
    const auto algorithm = wanted.algorithm.value_or(HashAlgorithm::sha512);
    const PasswordDerivation derivation{algorithm, found->second, {'s', 'a', 'l', 't'}, iterations};
    return scram_keys(algorithm, salted_by(derivation), derivation.salt, iterations);
  }
  Result<TokenIdentity> verify(const TokenCheckWanted& wanted) {
    const auto found = tokens.find(wanted.token);
    if (found == tokens.end()) return fail("nobody's token");
    return found->second;
  }
  // Until the server answers.
  Result<SaslServerStep> serve(const std::string& message) {
    auto step = server->step(as_bytes(message));
    while (step && !std::holds_alternative<SaslAnswer>(*step)) {
      if (const auto* wanted = std::get_if<CredentialWanted>(&*step)) {
        step = server->give_credential(look_up(*wanted));
      } else if (const auto* derivation = std::get_if<PasswordDerivation>(&*step)) {
        step = server->give_derived(salted_by(*derivation));
      } else {
        step = server->give_identity(verify(std::get<TokenCheckWanted>(*step)));
      }
    }
    return step;
  }
  // Whether both are done.
  bool run(const Damage& damage = untouched) {
    auto step = client->next({});
    while (step && !client->done()) {
      if (const auto* derivation = std::get_if<PasswordDerivation>(&*step)) {
        step = client->give_derived(salted_by(*derivation));
        continue;
      }
      sent.emplace_back(as_text(std::get<SaslSend>(*step).bytes));
      const auto answer = serve(damage(sent.back(), messages++));
      if (!answer) {
        error = answer.error();
        return false;
      }
      step = client->next(std::get<SaslAnswer>(*answer).bytes);
    }
    return step && server->done();
  }
};

class EveryMechanism : public testing::TestWithParam<Mechanism> {};

INSTANTIATE_TEST_SUITE_P(Login, EveryMechanism, testing::ValuesIn(all_mechanisms),
                         [](const auto& info) {
                           std::string name(mechanism_name(info.param));
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

TEST_P(EveryMechanism, LogsIn) {
  Login login(GetParam());
  EXPECT_TRUE(login.run());
  EXPECT_EQ(login.server->session().user, "alice");
  EXPECT_FALSE(login.server->session().nonce_repeated);
  EXPECT_EQ(login.server->why_refused(), "");
}

TEST_P(EveryMechanism, WhoIsNotKnownOrHasAnotherPasswordIsToldTheSame) {
  SaslCredentials wrong = alice;
  wrong.password = wrong.token = "another";
  Login with_another(GetParam(), wrong);
  Login without(GetParam());
  without.passwords.clear();
  without.tokens.clear();
  for (Login* login : {&with_another, &without}) {
    EXPECT_FALSE(login->run());
    EXPECT_FALSE(login->server->done());
    EXPECT_FALSE(login->client->done());
    ASSERT_TRUE(login->error);
    EXPECT_TRUE(is(*login->error, ErrorCode::sasl_authentication_failed));
    EXPECT_EQ(login->error->text, told_of_wrong_credentials);
  }
  EXPECT_EQ(with_another.messages, without.messages);
}

TEST_P(EveryMechanism, NothingFollowsTheEnd) {
  Login right(GetParam());
  EXPECT_TRUE(right.run());
  Login refused(GetParam());
  refused.passwords.clear();
  refused.tokens.clear();
  EXPECT_FALSE(refused.run());
  for (Login* login : {&right, &refused}) {
    const auto step = login->server->step(as_bytes(login->sent[0]));
    ASSERT_FALSE(step);
    EXPECT_TRUE(is(step.error(), ErrorCode::illegal_sasl_state));
  }
  EXPECT_TRUE(is(right.client->next({}).error(), ErrorCode::illegal_sasl_state));
  EXPECT_TRUE(right.server->done()) << "who was let in is still who it was";
}

TEST_P(EveryMechanism, AMessageInBetweenIsRefusedAndChangesNothing) {
  Login login(GetParam());
  const std::string first = sent_by(login.client->next({}));
  auto step = login.server->step(as_bytes(first));
  const auto early = login.server->step(as_bytes(first));
  ASSERT_FALSE(early);
  EXPECT_TRUE(is(early.error(), ErrorCode::illegal_sasl_state));
  if (const auto* wanted = std::get_if<CredentialWanted>(&*step)) {
    EXPECT_TRUE(login.server->give_credential(login.look_up(*wanted)));
  } else {
    const auto& check = std::get<TokenCheckWanted>(*step);
    EXPECT_TRUE(login.server->give_identity(login.verify(check)));
  }
}

TEST_P(EveryMechanism, MessagesThatAreTooLargeAreRefused) {
  Login login(GetParam());
  const std::string large(longest_sasl_message + 1, 'a');
  EXPECT_NE(refusal(login.server->step(as_bytes(large))), "");
  EXPECT_NE(refusal(login.client->next(as_bytes(large))), "");
}

// Whatever a line does to a client's message, nobody is let in who was not.
TEST_P(EveryMechanism, NoDamagedMessageLogsAnybodyIn) {
  Login whole(GetParam());
  whole.iterations = 1;
  if (scram_hash(GetParam())) whole.iterations = 4096;  // the client looks at them
  ASSERT_TRUE(whole.run());
  size_t damaged = 0;
  for (size_t number = 0; number < whole.sent.size(); ++number) {
    const std::string good = whole.sent[number];
    for (size_t at = 0; at < good.size(); ++at) {
      for (int kind = 0; kind < 3; ++kind) {
        const Damage damage = [&](std::string message, size_t n) {
          if (n != number) return message;
          if (kind == 0) return message.substr(0, at);
          message[at] = static_cast<char>(message[at] ^ (kind == 1 ? 0x01 : 0x20));
          return message;
        };
        Login login(GetParam());
        login.iterations = whole.iterations;
        const bool is_let_in = login.run(damage);
        // "Bearer" is written in any case.
        const bool harmless =
            GetParam() == Mechanism::oauthbearer && kind == 2 && at >= 9 && at < 15;
        EXPECT_EQ(is_let_in, harmless) << number << " " << at << " " << kind;
        ++damaged;
      }
    }
  }
  EXPECT_GT(damaged, 30u);
}

TEST(Login, CredentialsThatCannotBeSentAreNamed) {
  const auto refused = [](Mechanism mechanism, const SaslCredentials& credentials) {
    const auto made = make_sasl_client(mechanism, credentials, "nonce");
    return made ? std::string() : made.error().text;
  };
  for (auto mechanism : {Mechanism::plain, Mechanism::scram_sha_256, Mechanism::scram_sha_512}) {
    EXPECT_EQ(refused(mechanism, {"alice", "secret", "", {}}), "");
    EXPECT_TRUE(refused(mechanism, {"", "secret", "", {}}).starts_with("the user name is empty"));
    EXPECT_TRUE(refused(mechanism, {"alice", "", "", {}}).starts_with("the password is empty"));
    EXPECT_NE(refused(mechanism, {"al\nice", "secret", "", {}}), "");
  }
  EXPECT_TRUE(refused(Mechanism::oauthbearer, {"alice", "secret", "", {}})
                  .starts_with("the token is empty"));
}

}  // namespace
}  // namespace isthmus::kafka
