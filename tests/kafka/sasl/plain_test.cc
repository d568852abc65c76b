// PLAIN: its one message, and the password against a SCRAM credential.
#include "kafka/sasl/plain.h"

#include <gtest/gtest.h>

#include "tests/kafka/sasl/logins.h"

namespace isthmus::kafka {
namespace {

std::string joined(const std::string& authorization, const std::string& user,
                   const std::string& password) {
  return std::string(as_text(encode_plain({authorization, user, password})));
}

TEST(Plain, IsWrittenAsRfc4616HasIt) {
  EXPECT_EQ(joined("", "tim", "tanstaaftanstaaf"), std::string("\0tim\0tanstaaftanstaaf", 21));
  const PlainMessage both{"Ursel", "Ursel", "xipj3plmq"};
  const auto parsed = parse_plain(encode_plain(both));
  ASSERT_TRUE(parsed);
  EXPECT_EQ(*parsed, both);
}

TEST(Plain, MessagesThatAreRefused) {
  const std::pair<std::string, const char*> cases[] = {
      {"", "a user name and a password"},
      {"alice", "a user name and a password"},
      {std::string("\0alice", 6), "a user name and a password"},
      {joined("", "alice", std::string("a\0b", 3)), "a user name and a password"},
      {joined("", "", "secret"), "user name is empty"},
      {joined("", std::string(256, 'a'), "secret"), "too long"},
      {joined("", "al\xffice", "secret"), "no printable text"},
      {joined("", "al\nice", "secret"), "no printable text"},
      {joined("", "alice", ""), "password is empty"},
      {joined("", "alice", std::string(4097, 's')), "too long"},
      {joined("", "alice", "\xff"), "no text"},
      {joined("root", "alice", "secret"), "another than the user name"},
      {joined(std::string(33'000, 'a'), "alice", "secret"), "bytes; at most 32768"},
  };
  for (const auto& [message, why] : cases) {
    PlainServer server(decoy);
    const std::string told = refusal(server.step(as_bytes(message)));
    EXPECT_NE(told.find(why), std::string::npos) << told;
    EXPECT_EQ(told.find("secret"), std::string::npos) << "an error shows no password";
  }
}

// The steps with this password, and what the client is told at the end.
std::string login(std::optional<ScramCredential> credential, const std::string& password,
                  PlainServer& server) {
  const auto asks = server.step(as_bytes(joined("", "alice", password)));
  EXPECT_EQ(wanted<CredentialWanted>(asks).user, "alice");
  EXPECT_EQ(wanted<CredentialWanted>(asks).algorithm, std::nullopt);
  const auto derives = server.give_credential(std::move(credential));
  const auto& derivation = wanted<PasswordDerivation>(derives);
  EXPECT_EQ(derivation.password, password);
  EXPECT_EQ(derivation.iterations, 4096) << "whoever it is, it takes as long";
  const auto end = server.give_derived(derivation.run());
  if (!end) return refusal(end);
  EXPECT_EQ(sent_by(end), "");
  return "";
}

TEST(Plain, ThePasswordIsCheckedAgainstAScramCredential) {
  for (auto algorithm : {HashAlgorithm::sha256, HashAlgorithm::sha512}) {
    PlainServer right(decoy);
    EXPECT_EQ(login(credential_of(algorithm, "secret"), "secret", right), "");
    ASSERT_TRUE(right.done());
    EXPECT_EQ(right.session().user, "alice");
    PlainServer wrong(decoy);
    EXPECT_EQ(login(credential_of(algorithm, "secret"), "secreT", wrong),
              told_of_wrong_credentials);
    EXPECT_FALSE(wrong.done());
    EXPECT_EQ(wrong.why_refused(), "wrong password");
  }
}

TEST(Plain, AnUnknownUserSeesWhatAWrongPasswordSees) {
  PlainServer server(decoy);
  EXPECT_EQ(login(std::nullopt, "secret", server), told_of_wrong_credentials);
  EXPECT_FALSE(server.done());
  EXPECT_EQ(server.why_refused(), "no such user");
  EXPECT_EQ(server.claimed_user(), "alice");
}

TEST(Plain, TheDecoysOwnKeysLetNobodyIn) {
  PlainServer server(decoy);
  wanted<CredentialWanted>(server.step(as_bytes(joined("", "alice", "secret"))));
  const auto derives = server.give_credential(std::nullopt);
  wanted<PasswordDerivation>(derives);
  for (auto algorithm : {HashAlgorithm::sha256, HashAlgorithm::sha512}) {
    const auto fake = decoy.of(algorithm, "alice");
    EXPECT_FALSE(is_password_of(fake, fake.stored_key));
  }
  EXPECT_EQ(refusal(server.give_derived({})), told_of_wrong_credentials);
}

TEST(Plain, ClientSendsOnceAndWantsNoQuestions) {
  PlainClient client("alice", "secret");
  EXPECT_EQ(sent_by(client.next({})), joined("", "alice", "secret"));
  EXPECT_FALSE(client.done());
  wanted<SaslDone>(client.next({}));
  EXPECT_TRUE(client.done());
  PlainClient asked("alice", "secret");
  sent_by(asked.next({}));
  EXPECT_NE(refusal(asked.next(as_bytes("more?"))), "");
  EXPECT_FALSE(asked.done());
}

}  // namespace
}  // namespace isthmus::kafka
