// JWT: the examples of RFC 7515, and one test for each thing that a token may be refused for.
#include "kafka/sasl/jwt.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/crypto.h"
#include "tests/kafka/sasl/token_maker.h"

namespace isthmus::kafka {
namespace {

using nlohmann::json;

constexpr int64_t now_s = 1'700'000'000;
constexpr int64_t now_ms = now_s * 1000;
const JwtRules rules{"https://issuer", {"kafka", "other"}, "sub", 30'000};

const TokenMaker& rsa() {
  static const TokenMaker maker(TokenMaker::Kind::rsa_2048, "rsa-1");
  return maker;
}
const TokenMaker& ec() {
  static const TokenMaker maker(TokenMaker::Kind::p256, "ec-1");
  return maker;
}
const Jwks& trusted() {
  static const Jwks keys = *Jwks::parse(jwks_of({rsa().jwk(), ec().jwk()}));
  return keys;
}

const std::string not_in_parts = "the token does not consist of three parts of base64url";

json claims() {
  return {{"iss", "https://issuer"}, {"aud", "kafka"}, {"sub", "alice"}, {"exp", now_s + 600}};
}
json claims_with(const std::string& name, const json& value) {
  json changed = claims();
  changed[name] = value;
  return changed;
}
json claims_without(const std::string& name) {
  json changed = claims();
  changed.erase(name);
  return changed;
}

// Why a token is refused; "alice" and the like if it is not.
std::string verdict(const std::string& token, const Jwks& keys = trusted(),
                    const JwtRules& by = rules) {
  const auto identity = verify_jwt(token, keys, by, now_ms);
  return identity ? identity->principal : identity.error().text;
}
std::string encoded(const json& value) {
  return encode_base64(as_bytes(value.dump()), Base64::url);
}
std::string unsigned_part(const json& header) { return encoded(header) + "." + encoded(claims()); }

TEST(Jwt, ATokenOfATrustedKeyIsWhoItSays) {
  for (const TokenMaker* maker : {&rsa(), &ec()}) {
    const auto identity = verify_jwt(maker->sign(claims()), trusted(), rules, now_ms);
    ASSERT_TRUE(identity) << identity.error().text;
    EXPECT_EQ(identity->principal, "alice");
    EXPECT_EQ(identity->expires_ms, (now_s + 600) * 1000);
  }
}

// RFC 7515, A.2 and A.3: signatures that others made, without a key id. Their audience is nobody;
// that is looked at last.
TEST(Jwt, SignaturesOfTheRfcAreRight) {
  const char* payload =
      "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cn"
      "VlfQ";
  const json rsa_key = {
      {"kty", "RSA"},
      {"n",
       "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0B"
       "m4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5"
       "z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7"
       "aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"},
      {"e", "AQAB"}};
  const json ec_key = {{"kty", "EC"},
                       {"crv", "P-256"},
                       {"x", "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"},
                       {"y", "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}};
  const std::string rs256 =
      std::string("eyJhbGciOiJSUzI1NiJ9.") + payload +
      ".cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2F"
      "p5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBM"
      "Hlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2"
      "w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
  const std::string es256 =
      std::string("eyJhbGciOiJFUzI1NiJ9.") + payload +
      ".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
  const JwtRules joes{"joe", {"kafka"}, "sub", 30'000};
  const Jwks keys = *Jwks::parse(jwks_of({rsa_key, ec_key}));
  for (const std::string& token : {rs256, es256}) {
    const auto identity = verify_jwt(token, keys, joes, 1'300'819'379'000);
    ASSERT_FALSE(identity);
    EXPECT_EQ(identity.error().text, "the token is for another audience");
    std::string damaged = token;
    damaged[damaged.size() - 10] = damaged[damaged.size() - 10] == 'A' ? 'B' : 'A';
    EXPECT_EQ(verify_jwt(damaged, keys, joes, 1'300'819'379'000).error().text,
              "the token's signature is wrong");
  }
}

TEST(Jwt, AnyChangedCharacterIsNoticed) {
  for (const TokenMaker* maker : {&rsa(), &ec()}) {
    const std::string token = maker->sign(claims());
    ASSERT_EQ(verdict(token), "alice");
    for (size_t at = 0; at < token.size(); ++at) {
      std::string changed = token;
      changed[at] = changed[at] == 'A' ? 'B' : 'A';
      EXPECT_NE(verdict(changed), "alice") << at;
      EXPECT_NE(verdict(token.substr(0, at)), "alice") << at;
    }
    EXPECT_NE(verdict(token + "A"), "alice");
    EXPECT_NE(verdict(token + "="), "alice");
    EXPECT_NE(verdict(token + ".A"), "alice");
    EXPECT_NE(verdict(" " + token), "alice");
  }
}

TEST(Jwt, NoWeakerAlgorithmIsTaken) {
  for (const char* algorithm : {"none", "None", "NONE", "HS256", "HS512", "RS384", "RS512", "PS256",
                                "ES384", "ES512", "EdDSA", "rs256", ""}) {
    const std::string part = unsigned_part({{"alg", algorithm}, {"kid", "rsa-1"}});
    const std::string wanted =
        "the token is signed with \"" + std::string(algorithm) + "\"; RS256 and ES256 are accepted";
    EXPECT_EQ(verdict(part + ".AA"), wanted);
    EXPECT_EQ(verdict(part + "."), not_in_parts);
  }
  EXPECT_EQ(verdict(unsigned_part({{"kid", "rsa-1"}}) + ".AA"),
            "the token is signed with \"\"; RS256 and ES256 are accepted");
  EXPECT_EQ(verdict(unsigned_part({{"alg", 5}, {"kid", "rsa-1"}}) + ".AA"),
            "the token is signed with \"\"; RS256 and ES256 are accepted");
  EXPECT_EQ(verdict(unsigned_part({{"alg", "RS256"}, {"kid", "rsa-1"}}) + "."), not_in_parts);
  EXPECT_EQ(verdict(unsigned_part({{"alg", "RS256"}, {"kid", "rsa-1"}}) + ".AA"),
            "the token's signature is wrong");
}

// The public key is no secret: whoever signs with it by HS256 is nobody.
TEST(Jwt, ThePublicKeyIsNoKeyOfHs256) {
  const std::string part = unsigned_part({{"alg", "HS256"}, {"kid", "rsa-1"}});
  const auto modulus = *decode_base64(rsa().jwk()["n"].get<std::string>(), Base64::url);
  const auto mac = hmac(HashAlgorithm::sha256, modulus, as_bytes(part));
  EXPECT_NE(verdict(part + "." + encode_base64(mac, Base64::url)), "alice");
}

// libcjose would take 66 bytes for two numbers, too: many texts for one signature.
TEST(Jwt, AnEs256SignatureHas64Bytes) {
  const std::string token = ec().sign(claims());
  const size_t dot = token.rfind('.');
  auto signature = *decode_base64(token.substr(dot + 1), Base64::url);
  ASSERT_EQ(signature.size(), 64u);
  signature.insert(signature.begin() + 32, 0);
  signature.insert(signature.begin(), 0);
  EXPECT_EQ(verdict(token.substr(0, dot + 1) + encode_base64(signature, Base64::url)),
            "the token's signature is none");
}

// libcjose's decoder asserts that a part is base64: anybody could end the process with one dot.
TEST(Jwt, PartsThatAreNoBase64DoNotReachTheLibrary) {
  for (const TokenMaker* maker : {&rsa(), &ec()}) {
    const std::string token = maker->sign(claims());
    const size_t first = token.find('.'), second = token.rfind('.');
    const std::string header = token.substr(0, first);
    const std::string body = token.substr(first + 1, second - first - 1);
    const std::string signature = token.substr(second + 1);
    for (const std::string bad : {"", "A", "AAAAA", "AA==", "AB", "A*AA", "\xff"}) {
      EXPECT_EQ(verdict(bad + "." + body + "." + signature), not_in_parts) << bad;
      EXPECT_EQ(verdict(header + "." + bad + "." + signature), not_in_parts) << bad;
      EXPECT_EQ(verdict(header + "." + body + "." + bad), not_in_parts) << bad;
    }
    EXPECT_EQ(verdict(token + "." + signature), not_in_parts);
  }
}

TEST(Jwt, TheKeyIsTheOneThatIsNamed) {
  const TokenMaker foreign(TokenMaker::Kind::p256, "ec-1");
  const TokenMaker unknown(TokenMaker::Kind::p256, "ec-2");
  const TokenMaker crossed(TokenMaker::Kind::p256, "rsa-1");
  EXPECT_EQ(verdict(foreign.sign(claims())), "the token's signature is wrong");
  EXPECT_EQ(verdict(unknown.sign(claims())),
            "the token's key \"ec-2\" is no ES256 key of the JWKS");
  EXPECT_EQ(verdict(crossed.sign(claims())),
            "the token's key \"rsa-1\" is no ES256 key of the JWKS");
  EXPECT_TRUE(names_unknown_key(unknown.sign(claims()), trusted()));
  EXPECT_FALSE(names_unknown_key(foreign.sign(claims()), trusted()));
  EXPECT_FALSE(names_unknown_key("no token", trusted()));
  EXPECT_FALSE(names_unknown_key(unsigned_part({{"alg", "none"}, {"kid", "x"}}) + ".", trusted()));
}

TEST(Jwt, WithoutAKeyIdTheOnlyKeyThatFitsIsMeant) {
  const TokenMaker nameless(TokenMaker::Kind::p256, "");
  const TokenMaker other(TokenMaker::Kind::p256, "");
  const std::string token = nameless.sign(claims());
  EXPECT_EQ(verdict(token, *Jwks::parse(jwks_of({rsa().jwk(), nameless.jwk()}))), "alice");
  EXPECT_EQ(verdict(token, *Jwks::parse(jwks_of({nameless.jwk(), other.jwk()}))),
            "several keys fit the token");
  EXPECT_EQ(verdict(token, *Jwks::parse(jwks_of({rsa().jwk()}))), "no key fits the token's ES256");
  EXPECT_FALSE(names_unknown_key(token, *Jwks::parse(jwks_of({rsa().jwk()}))));
}

TEST(Jwt, Dates) {
  const std::pair<json, const char*> cases[] = {
      {claims_without("exp"), "the token has no \"exp\""},
      {claims_with("exp", now_s - 30), "the token has expired"},
      {claims_with("exp", now_s - 29), "alice"},
      {claims_with("exp", 0), "the token has expired"},
      {claims_with("exp", now_s + 0.5), "alice"},
      {claims_with("exp", "1800000000"), "the token's \"exp\" is no date"},
      {claims_with("exp", -1), "the token's \"exp\" is no date"},
      {claims_with("exp", 1e300), "the token's \"exp\" is no date"},
      {claims_with("exp", nullptr), "the token's \"exp\" is no date"},
      {claims_with("nbf", now_s + 31), "the token is not valid yet"},
      {claims_with("nbf", now_s + 30), "alice"},
      {claims_with("nbf", "soon"), "the token's \"nbf\" is no date"},
      {claims_with("iat", now_s + 31), "the token was issued in the future"},
      {claims_with("iat", now_s + 30), "alice"},
      {claims_with("iat", json::array()), "the token's \"iat\" is no date"},
  };
  for (const auto& [each, expected] : cases) EXPECT_EQ(verdict(ec().sign(each)), expected) << each;
}

TEST(Jwt, IssuerAudienceAndPrincipal) {
  const std::pair<json, const char*> cases[] = {
      {claims_without("iss"), "the token is of another issuer, \"\""},
      {claims_with("iss", "https://issuer/"),
       "the token is of another issuer, \"https://issuer/\""},
      {claims_with("iss", "a\nb"), "the token is of another issuer, \"a\\x0ab\""},
      {claims_with("iss", json::array({"https://issuer"})), "the token is of another issuer, \"\""},
      {claims_without("aud"), "the token is for another audience"},
      {claims_with("aud", "kafk"), "the token is for another audience"},
      {claims_with("aud", json::array()), "the token is for another audience"},
      {claims_with("aud", json{{"kafka", 1}}), "the token is for another audience"},
      {claims_with("aud", json::array({"x", "other"})), "alice"},
      {claims_without("sub"), "the token's \"sub\" is no user name"},
      {claims_with("sub", 5), "the token's \"sub\" is no user name"},
      {claims_with("sub", ""), "the token's \"sub\" is no user name"},
      {claims_with("sub", std::string("alice\0x", 7)), "the token's \"sub\" is no user name"},
      {claims_with("sub", std::string(256, 'a')), "the token's \"sub\" is no user name"},
      {claims_with("sub", "앨리스"), "앨리스"},
  };
  for (const auto& [each, expected] : cases) EXPECT_EQ(verdict(ec().sign(each)), expected) << each;
  JwtRules by_mail = rules;
  by_mail.principal_claim = "email";
  EXPECT_EQ(verdict(ec().sign(claims_with("email", "a@b")), trusted(), by_mail), "a@b");
  EXPECT_EQ(verdict(ec().sign(claims()), trusted(), by_mail),
            "the token's \"email\" is no user name");
}

TEST(Jwt, WhatIsNoTokenIsRefused) {
  for (const char* token : {"", ".", "..", "...", "a.b", "a.b.c", "e30.e30.AA", "e30=.e30.AA",
                            "W10.W10.AA", "bnVsbA.e30.AA"}) {
    EXPECT_FALSE(verify_jwt(token, trusted(), rules, now_ms)) << token;
  }
  EXPECT_EQ(verdict(std::string(16 * 1024 + 1, 'a')), "the token is too long");
  EXPECT_EQ(verdict(ec().sign("[1]", json::object())), "the token's claims are no JSON");
  EXPECT_EQ(verdict(ec().sign(claims().dump() + "x", json::object())),
            "the token's claims are no JSON");
  EXPECT_EQ(verdict(ec().sign(claims().dump(), {{"crit", json::array({"b64"})}})),
            "the token's header has critical extensions");
  EXPECT_EQ(verdict(ec().sign(claims().dump(), {{"kid", json::array()}})),
            "the token's key id is no text");
  EXPECT_EQ(verdict(ec().sign(claims().dump(), {{"typ", "at+jwt"}})), "alice");
}

TEST(Jwks, OtherKeysArePassedOverAndNamed) {
  const auto with = [](json key, const char* name, const json& value) {
    key[name] = value;
    return key;
  };
  const json p256 = ec().jwk();
  std::string off_the_curve = p256["x"];
  off_the_curve[5] = off_the_curve[5] == 'A' ? 'B' : 'A';
  const std::pair<json, const char*> cases[] = {
      {json("text"), "no object"},
      {json{{"kty", "oct"}, {"k", "c2VjcmV0"}}, "neither RSA nor EC"},
      {json{{"kty", "OKP"}, {"crv", "Ed25519"}, {"x", "AA"}}, "neither RSA nor EC"},
      {json{{"kty", "RSA"}}, "\"n\" is no base64url"},
      {TokenMaker(TokenMaker::Kind::rsa_1024, "weak").jwk(), "an RSA key of 1024 bits; 2048"},
      {with(rsa().jwk(), "n", encode_base64(std::vector<uint8_t>(1025, 0xff), Base64::url)),
       "an RSA key of 8200 bits"},
      {with(rsa().jwk(), "n", ""), "an RSA key of 0 bits"},
      {with(rsa().jwk(), "e", "AQ"), "no exponent"},
      {with(rsa().jwk(), "e", "Ag"), "no exponent"},
      {with(rsa().jwk(), "e", "AAAA"), "no exponent"},
      {with(rsa().jwk(), "alg", "RS512"), "\"alg\""},
      {with(rsa().jwk(), "alg", "ES256"), "\"alg\""},
      {with(rsa().jwk(), "use", "enc"), "does not verify"},
      {with(rsa().jwk(), "key_ops", json::array({"encrypt"})), "does not verify"},
      {with(rsa().jwk(), "kid", ""), "\"kid\" is no name"},
      {with(rsa().jwk(), "kid", 5), "\"kid\" is no name"},
      {TokenMaker(TokenMaker::Kind::p384, "long").jwk(), "another curve"},
      {with(p256, "x", "AA"), "no point"},
      {with(p256, "x", off_the_curve), "no point"},
      {with(p256, "y", p256["x"]), "no point"},
  };
  for (const auto& [key, why] : cases) {
    const auto beside = Jwks::parse(jwks_of({key, p256}));
    ASSERT_TRUE(beside) << key;
    EXPECT_EQ(beside->size(), 1u) << key;
    ASSERT_EQ(beside->ignored().size(), 1u) << key;
    EXPECT_TRUE(beside->ignored()[0].starts_with("key 1: ")) << beside->ignored()[0];
    EXPECT_NE(beside->ignored()[0].find(why), std::string::npos) << beside->ignored()[0];
    EXPECT_EQ(verdict(ec().sign(claims()), *beside), "alice");
    const auto alone = Jwks::parse(jwks_of({key}));
    ASSERT_FALSE(alone) << key;
    EXPECT_NE(alone.error().text.find(why), std::string::npos) << alone.error().text;
  }
  const json said = with(with(rsa().jwk(), "use", "sig"), "alg", "RS256");
  const auto usual = Jwks::parse(jwks_of({with(said, "key_ops", json::array({"verify"}))}));
  ASSERT_TRUE(usual);
  EXPECT_EQ(verdict(rsa().sign(claims()), *usual), "alice");
}

TEST(Jwks, WhatIsNoneIsRefused) {
  for (const char* text : {"", "{}", "[]", "null", "{\"keys\":{}}", "{\"keys\":[]", "\xff"}) {
    const auto parsed = Jwks::parse(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_TRUE(parsed.error().text.starts_with("no JWKS")) << parsed.error().text;
  }
  EXPECT_EQ(Jwks::parse("{\"keys\":[]}").error().text, "no RS256 or ES256 key in the JWKS");
  EXPECT_NE(Jwks::parse(std::string(256 * 1024 + 1, ' ')).error().text.find("at most 262144"),
            std::string::npos);
  std::string many = "{\"keys\":[0";
  for (int i = 0; i < 256; ++i) many += ",0";
  EXPECT_NE(Jwks::parse(many + "]}").error().text.find("257 keys"), std::string::npos);
  const std::string deep = "{\"keys\":" + std::string(100'000, '[');
  EXPECT_FALSE(Jwks::parse(deep));
}

}  // namespace
}  // namespace isthmus::kafka
