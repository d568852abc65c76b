// OAUTHBEARER: its messages, and who says what about a token.
#include "kafka/sasl/oauthbearer.h"

#include <gtest/gtest.h>

#include "tests/kafka/sasl/logins.h"

namespace isthmus::kafka {
namespace {

const std::string sep = "\x01";

std::string written(const OauthBearerFirst& first) {
  const auto bytes = encode_oauthbearer_first(first);
  CHECK(bytes, "a message that can be written");
  return std::string(as_text(*bytes));
}

TEST(OauthBearer, IsWrittenAsKafkaWritesIt) {
  EXPECT_EQ(written({"", "a.b.c", {}}), "n,," + sep + "auth=Bearer a.b.c" + sep + sep);
  const OauthBearerFirst all{"al,ice", "a.b.c", {{"logicalCluster", "lkc-1"}, {"traceId", ""}}};
  EXPECT_EQ(written(all), "n,a=al=2Cice," + sep + "auth=Bearer a.b.c" + sep +
                              "logicalCluster=lkc-1" + sep + "traceId=" + sep + sep);
  const auto back = parse_oauthbearer_first(as_bytes(written(all)));
  ASSERT_TRUE(back) << back.error().text;
  EXPECT_EQ(*back, all);
}

// RFC 7628, section 4.1, with its hosts; the scheme is written in any case (RFC 7235).
TEST(OauthBearer, ReadsWhatOthersWrite) {
  const auto first = parse_oauthbearer_first(
      as_bytes("n,a=user@example.com," + sep + "host=server.example.com" + sep + "port=143" + sep +
               "auth=bEARER vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==" + sep + sep));
  // A port is no extension of Kafka's, but a field like any other.
  ASSERT_TRUE(first) << first.error().text;
  EXPECT_EQ(first->authorization_id, "user@example.com");
  EXPECT_EQ(first->token, "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==");
  EXPECT_EQ(first->extensions.at("port"), "143");
}

TEST(OauthBearer, MessagesThatAreRefused) {
  const std::string auth = "auth=Bearer a.b.c" + sep;
  std::string many = auth;
  for (char c = 'a'; c <= 'z'; ++c) many += std::string(1, c) + "=1" + sep + c + "x=1" + sep;
  const std::pair<std::string, const char*> cases[] = {
      {"", "no GS2 header"},
      {"p=tls-unique,," + sep + auth + sep, "channel binding is not supported"},
      {"n,,", "no 0x01 behind"},
      {"n,," + auth + sep, "no 0x01 behind"},
      {"n,," + sep, "no 0x01 at the end"},
      {"n,," + sep + auth, "no 0x01 at the end"},
      {"n,," + sep + auth + sep + "x", "bytes behind the end"},
      {"n,," + sep + sep, "no auth=Bearer"},
      {"n,," + sep + "x=1" + sep + sep, "no auth=Bearer"},
      {"n,," + sep + auth + auth + sep, "auth stands twice"},
      {"n,," + sep + auth + "x=1" + sep + "x=2" + sep + sep, "an extension stands twice"},
      {"n,," + sep + "auth=Basic abc" + sep + sep, "another scheme"},
      {"n,," + sep + "auth=Bearer " + sep + sep, "another scheme"},
      {"n,," + sep + "auth=Bearer  a" + sep + sep, "the token"},
      {"n,," + sep + "auth=Bearer a b" + sep + sep, "the token"},
      {"n,," + sep + "auth=Bearer " + std::string(16 * 1024 + 1, 'a') + sep + sep, "the token"},
      {"n,," + sep + "auth" + sep + sep, "fields of name=value"},
      {"n,," + sep + auth + "x1=1" + sep + sep, "fields of name=value"},
      {"n,," + sep + auth + "=1" + sep + sep, "fields of name=value"},
      {"n,," + sep + auth + "x=\xff" + sep + sep, "fields of name=value"},
      {"n,," + sep + many + sep, "too many extensions"},
  };
  for (const auto& [message, why] : cases) {
    OauthBearerServer server;
    const std::string told = refusal(server.step(as_bytes(message)));
    EXPECT_NE(told.find(why), std::string::npos) << message << ": " << told;
  }
}

TEST(OauthBearer, WhatCannotBeWrittenIsRefused) {
  for (const OauthBearerFirst& first :
       {OauthBearerFirst{"", "", {}}, OauthBearerFirst{"", "a b", {}},
        OauthBearerFirst{"", "a" + sep, {}},
        OauthBearerFirst{"", std::string(16 * 1024 + 1, 'a'), {}},
        OauthBearerFirst{"", "a", {{"auth", "Bearer b"}}}, OauthBearerFirst{"", "a", {{"x1", "b"}}},
        OauthBearerFirst{"", "a", {{"x", sep}}}}) {
    EXPECT_FALSE(encode_oauthbearer_first(first));
  }
}

TEST(OauthBearer, ServerAsksForTheTokensIdentity) {
  OauthBearerServer server;
  const auto asks = server.step(as_bytes(written({"", "a.b.c", {}})));
  EXPECT_EQ(wanted<TokenCheckWanted>(asks).token, "a.b.c");
  EXPECT_EQ(sent_by(server.give_identity(TokenIdentity{"alice", 4711})), "");
  ASSERT_TRUE(server.done());
  EXPECT_EQ(server.session().user, "alice");
  EXPECT_EQ(server.session().expires_ms, 4711);
}

TEST(OauthBearer, AnAuthorizationIdIsTheTokensPrincipal) {
  for (bool same : {true, false}) {
    OauthBearerServer server;
    const auto asks = server.step(as_bytes(written({same ? "alice" : "root", "a.b.c", {}})));
    wanted<TokenCheckWanted>(asks);
    EXPECT_EQ(server.give_identity(TokenIdentity{"alice", 4711}).has_value(), same);
    EXPECT_EQ(server.done(), same);
  }
}

TEST(OauthBearer, APrincipalThatIsNoUserNameIsRefused) {
  for (const char* principal : {"", "al\nice"}) {
    OauthBearerServer server;
    wanted<TokenCheckWanted>(server.step(as_bytes(written({"", "a.b.c", {}}))));
    EXPECT_NE(refusal(server.give_identity(TokenIdentity{principal, 4711})), "");
  }
}

// The client gets the JSON first, and the error when it has said that it has read it.
TEST(OauthBearer, ARefusedTokenIsAnsweredInTwoSteps) {
  OauthBearerServer server;
  OauthBearerClient client(*encode_oauthbearer_first({"", "a.b.c", {}}));
  wanted<TokenCheckWanted>(server.step(as_bytes(sent_by(client.next({})))));
  const std::string json = sent_by(server.give_identity(fail("the token has expired")));
  EXPECT_EQ(json, "{\"status\":\"invalid_token\"}");
  EXPECT_FALSE(server.done());
  const std::string reply = sent_by(client.next(as_bytes(json)));
  EXPECT_EQ(reply, sep);
  EXPECT_EQ(refusal(server.step(as_bytes(reply))), told_of_wrong_credentials);
  EXPECT_EQ(server.why_refused(), "the token has expired");
  EXPECT_NE(refusal(client.next({})).find("invalid_token"), std::string::npos);
  EXPECT_FALSE(client.done());
}

TEST(OauthBearer, AClientThatDoesNotGiveInIsRefusedToo) {
  OauthBearerServer server;
  wanted<TokenCheckWanted>(server.step(as_bytes(written({"", "a.b.c", {}}))));
  sent_by(server.give_identity(fail("")));
  EXPECT_EQ(refusal(server.step(as_bytes(written({"", "d.e.f", {}})))), told_of_wrong_credentials)
      << "no second token on the same exchange";
}

TEST(OauthBearer, ClientIsDoneWhenTheServerSaysNothing) {
  OauthBearerClient client(*encode_oauthbearer_first({"", "a.b.c", {}}));
  sent_by(client.next({}));
  wanted<SaslDone>(client.next({}));
  EXPECT_TRUE(client.done());
  OauthBearerClient spoken_to({'x'});
  EXPECT_NE(refusal(spoken_to.next(as_bytes("{}"))), "");
}

}  // namespace
}  // namespace isthmus::kafka
