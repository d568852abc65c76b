// Answers of a token endpoint: the examples of RFC 6749, and what others write instead.
#include "kafka/sasl/token_answer.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "kafka/sasl/mechanism.h"
#include "tests/kafka/sasl/token_maker.h"

namespace isthmus::kafka {
namespace {

using nlohmann::json;
using std::chrono::hours;
using std::chrono::milliseconds;

constexpr int64_t asked_ms = 1'700'000'000'000;

json good_answer() {
  return {{"access_token", "abc"}, {"token_type", "Bearer"}, {"expires_in", 300}};
}

Result<IssuedToken> parsed(const json& answer) {
  return parse_token_answer(answer.dump(), asked_ms);
}

std::string fault_of(const json& answer) {
  auto issued = parsed(answer);
  return issued ? "none" : issued.error().text;
}

json with(const char* name, const json& value) {
  json answer = good_answer();
  answer[name] = value;
  return answer;
}

std::string jwt_that_ends(int64_t at_s) {
  static const TokenMaker maker(TokenMaker::Kind::p256, "one");
  return maker.sign(json{{"exp", at_s}});
}

TEST(TokenAnswer, ItsTokenLivesForWhatItSays) {
  auto issued = parsed(good_answer());
  ASSERT_TRUE(issued) << issued.error().text;
  EXPECT_EQ(issued->token, "abc");
  EXPECT_EQ(issued->lifetime, milliseconds(300'000));
  EXPECT_EQ(parsed(with("token_type", "bEARER"))->token, "abc");
  EXPECT_EQ(parsed(with("expires_in", "300"))->lifetime, milliseconds(300'000));
  EXPECT_EQ(parsed(with("expires_in", 0.5))->lifetime, milliseconds(500));
  EXPECT_EQ(parsed(with("expires_in", 1e300))->lifetime, hours(366 * 24));
}

TEST(TokenAnswer, WithoutALifetimeTheTokenItselfSaysOrNobody) {
  json answer = with("access_token", jwt_that_ends(asked_ms / 1000 + 60));
  answer.erase("expires_in");
  EXPECT_EQ(parsed(answer)->lifetime, milliseconds(60'000));
  answer["expires_in"] = nullptr;
  EXPECT_EQ(parsed(answer)->lifetime, milliseconds(60'000));
  answer["expires_in"] = 30;
  EXPECT_EQ(parsed(answer)->lifetime, milliseconds(30'000));
  answer["access_token"] = jwt_that_ends(asked_ms / 1000);
  answer.erase("expires_in");
  EXPECT_EQ(fault_of(answer), "its token has expired already, by our clock");
  answer["access_token"] = "opaque";
  EXPECT_EQ(parsed(answer)->lifetime, std::nullopt);
}

TEST(TokenAnswer, WhatIsNoneSaysWhyAndShowsNoToken) {
  EXPECT_EQ(fault_of(json::array({1})), "answers no JSON object");
  EXPECT_EQ(parse_token_answer("<html>", asked_ms).error().text, "answers no JSON object");
  EXPECT_EQ(parse_token_answer(std::string(longest_token_answer + 1, ' '), asked_ms).error().text,
            "answers more than we read");
  for (const json& token : {json(""), json(7), json(nullptr)}) {
    EXPECT_EQ(fault_of(with("access_token", token)), "answers without an \"access_token\"");
  }
  EXPECT_EQ(fault_of(with("access_token", std::string(longest_token + 1, 'x'))),
            "its token is longer than 16384 bytes");
  EXPECT_EQ(fault_of(with("token_type", "mac\n")),
            "its \"token_type\" is \"mac\\x0a\", not Bearer");
  for (const json& life : {json("soon"), json(0), json(-1), json(true), json("1 2")}) {
    EXPECT_EQ(fault_of(with("expires_in", life)), "its \"expires_in\" is no number of seconds");
  }
}

TEST(TokenAnswer, ARefusalIsToldInTheProvidersWords) {
  EXPECT_EQ(token_refusal(400, R"({"error":"invalid_client"})"), "refuses: invalid_client");
  EXPECT_EQ(token_refusal(401, R"({"error":"invalid_scope","error_description":"not\nyours"})"),
            "refuses: invalid_scope, not\\x0ayours");
  EXPECT_EQ(token_refusal(503, "<html>busy</html>"), "answers 503");
  EXPECT_EQ(token_refusal(302, ""), "answers 302");
  const std::string long_one = token_refusal(400, json{{"error", std::string(9999, 'e')}}.dump());
  EXPECT_LT(long_one.size(), 300u);
}

}  // namespace
}  // namespace isthmus::kafka
