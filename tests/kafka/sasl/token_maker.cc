#include "tests/kafka/sasl/token_maker.h"

extern "C" {
#include <cjose/header.h>
#include <cjose/jwk.h>
#include <cjose/jws.h>
}

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "base/check.h"

namespace isthmus::kafka {

using nlohmann::json;

TokenMaker::TokenMaker(Kind kind, std::string key_id) : key_id_(std::move(key_id)) {
  const bool rsa = kind == Kind::rsa_2048 || kind == Kind::rsa_1024;
  algorithm_ = rsa ? "RS256" : kind == Kind::p256 ? "ES256" : "ES384";
  const uint8_t exponent[] = {1, 0, 1};
  cjose_jwk_t* made =
      rsa ? cjose_jwk_create_RSA_random(kind == Kind::rsa_2048 ? 2048 : 1024, exponent,
                                        sizeof exponent, nullptr)
          : cjose_jwk_create_EC_random(kind == Kind::p256 ? CJOSE_JWK_EC_P_256 : CJOSE_JWK_EC_P_384,
                                       nullptr);
  CHECK(made != nullptr, "a key is made");
  jwk_ = {made, cjose_jwk_release};
}

json TokenMaker::jwk() const {
  char* text = cjose_jwk_to_json(jwk_.get(), false, nullptr);
  CHECK(text != nullptr, "a key is shown");
  json key = json::parse(text);
  std::free(text);
  if (!key_id_.empty()) key["kid"] = key_id_;
  return key;
}

std::string TokenMaker::sign(const std::string& payload, const json& header) const {
  cjose_header_t* all = cjose_header_new(nullptr);
  CHECK(cjose_header_set(all, CJOSE_HDR_ALG, algorithm_.c_str(), nullptr), "the algorithm");
  if (!key_id_.empty()) cjose_header_set(all, CJOSE_HDR_KID, key_id_.c_str(), nullptr);
  for (const auto& [name, value] : header.items()) {
    // libcjose takes any other value as JSON, of objects and arrays only.
    const bool set =
        value.is_string()
            ? cjose_header_set(all, name.c_str(), value.get<std::string>().c_str(), nullptr)
            : cjose_header_set_raw(all, name.c_str(), value.dump().c_str(), nullptr);
    CHECK(set, "a header");
  }
  cjose_jws_t* jws = cjose_jws_sign(
      jwk_.get(), all, reinterpret_cast<const uint8_t*>(payload.data()), payload.size(), nullptr);
  CHECK(jws != nullptr, "a token is signed");
  const char* text = nullptr;
  CHECK(cjose_jws_export(jws, &text, nullptr), "a token is shown");
  std::string token = text;
  cjose_jws_release(jws);
  cjose_header_release(all);
  return token;
}

std::string TokenMaker::sign(const json& claims) const {
  return sign(claims.dump(), json::object());
}

std::string jwks_of(std::initializer_list<json> keys) {
  return json{{"keys", json(json::array_t(keys))}}.dump();
}

}  // namespace isthmus::kafka
