// Tokens and sets of keys. The first byte says what the rest is: a token, a JWKS, the answer of a
// token endpoint, or what is done to a token that is right (a place of two bytes, and what is
// written over it there). No token is taken but those that were signed.
#include <nlohmann/json.hpp>

#include "base/check.h"
#include "kafka/sasl/jwt.h"
#include "kafka/sasl/mechanism.h"
#include "kafka/sasl/token_answer.h"
#include "tests/fuzz/input.h"
#include "tests/kafka/sasl/token_maker.h"

namespace {

using namespace isthmus;
using namespace isthmus::kafka;
using nlohmann::json;

constexpr int64_t now_ms = 1'700'000'000'000;

struct Provider {
  TokenMaker rsa{TokenMaker::Kind::rsa_2048, "rsa"};
  TokenMaker ec{TokenMaker::Kind::p256, "ec"};
  Jwks keys = *Jwks::parse(jwks_of({rsa.jwk(), ec.jwk()}));
  json claims = {{"iss", "issuer"}, {"aud", {"kafka"}}, {"sub", "alice"}, {"exp", 1'700'000'600}};
  std::string tokens[2] = {rsa.sign(claims), ec.sign(claims)};
  JwtRules rules{"issuer", {"kafka"}};
};

bool is_taken(const Provider& provider, const std::string& token, const Jwks& keys) {
  names_unknown_key(token, keys);
  const auto identity = verify_jwt(token, keys, provider.rules, now_ms);
  if (!identity) CHECK(!identity.error().text.empty(), "a refusal says why");
  if (identity) CHECK(is_user_name(identity->principal), "whoever it is, it is a user");
  return identity.has_value();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const Provider provider;
  fuzz::Input input(data, size);
  const uint8_t what = input.byte();
  if (what % 4 == 0) {
    CHECK(!is_taken(provider, input.text(), provider.keys), "nobody has signed it");
  } else if (what % 4 == 1) {
    if (const auto keys = Jwks::parse(input.text())) {
      CHECK(keys->size() > 0, "a set that can verify");
      CHECK(!is_taken(provider, provider.tokens[0], *keys), "another's key");
    }
  } else if (what == 2) {
    const std::string answer = input.text();
    if (const auto issued = parse_token_answer(answer, now_ms)) {
      CHECK(!issued->token.empty() && issued->token.size() <= longest_token, "a token");
      CHECK(!issued->lifetime || issued->lifetime->count() >= 0, "it lives");
    }
    CHECK(token_refusal(400, answer).size() < 4000, "a refusal is short");
  } else {
    const std::string& good = provider.tokens[what % 4 - 2];
    std::string changed = good;
    const size_t at = input.word() % good.size();
    const std::string over = input.text();
    changed.replace(at, over.size(), over);
    CHECK(is_taken(provider, changed, provider.keys) == (changed == good),
          "what was signed, and nothing else");
  }
  return 0;
}
