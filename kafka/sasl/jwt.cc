#include "kafka/sasl/jwt.h"

extern "C" {
#include <cjose/jwk.h>
#include <cjose/jws.h>
}

#include <algorithm>
#include <bit>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/check.h"
#include "base/crypto.h"
#include "base/printable.h"
#include "kafka/sasl/mechanism.h"

namespace isthmus::kafka {

using nlohmann::json;
using Octets = std::vector<uint8_t>;

// A public key and what it is for.
struct Jwks::Key {
  std::string id;  // empty: it has none
  std::string algorithm;
  std::unique_ptr<cjose_jwk_t, bool (*)(cjose_jwk_t*)> jwk{nullptr, cjose_jwk_release};
};

namespace {

constexpr std::string_view rs256 = "RS256";
constexpr std::string_view es256 = "ES256";
constexpr size_t least_rsa_bits = 2048;  // RFC 7518, section 3.3
constexpr size_t most_rsa_bits = 8192;   // each bit more costs whoever verifies
constexpr size_t longest_exponent = 8;
constexpr size_t p256_size = 32;
constexpr size_t longest_key_id = 256;
constexpr size_t shown = 100;

// The member, if there is one and it is a string.
std::optional<std::string> text_of(const json& object, const std::string& name) {
  const auto found = object.find(name);
  if (found == object.end() || !found->is_string()) return std::nullopt;
  return found->get<std::string>();
}

std::string show(std::string_view text) {
  return "\"" + printable(text.substr(0, shown)) + (text.size() > shown ? "...\"" : "\"");
}

// The base64url of a key's number, without zeros in front.
Result<Octets> number_of(const json& key, const std::string& name) {
  const auto text = text_of(key, name);
  auto bytes = text ? decode_base64(*text, Base64::url) : std::nullopt;
  if (!bytes) return fail("\"" + name + "\" is no base64url");
  bytes->erase(bytes->begin(), std::ranges::find_if(*bytes, [](uint8_t b) { return b != 0; }));
  return *std::move(bytes);
}

Result<cjose_jwk_t*> import_rsa(const json& key) {
  auto modulus = number_of(key, "n");
  if (!modulus) return fail(modulus.error());
  auto exponent = number_of(key, "e");
  if (!exponent) return fail(exponent.error());
  const size_t bits = modulus->empty() ? 0 : modulus->size() * 8 - std::countl_zero(modulus->at(0));
  if (bits < least_rsa_bits || bits > most_rsa_bits) {
    return fail("an RSA key of " + std::to_string(bits) + " bits; " +
                std::to_string(least_rsa_bits) + " to " + std::to_string(most_rsa_bits));
  }
  const bool is_one = *exponent == Octets{1};
  if (exponent->empty() || exponent->size() > longest_exponent || is_one ||
      exponent->back() % 2 == 0) {
    return fail("\"e\" is no exponent of RSA");
  }
  cjose_jwk_rsa_keyspec spec{};
  spec.n = modulus->data();
  spec.nlen = modulus->size();
  spec.e = exponent->data();
  spec.elen = exponent->size();
  cjose_jwk_t* jwk = cjose_jwk_create_RSA_spec(&spec, nullptr);
  if (jwk == nullptr) return fail("no RSA key");
  return jwk;
}

Result<cjose_jwk_t*> import_p256(const json& key) {
  if (text_of(key, "crv") != "P-256") return fail("another curve than P-256");
  cjose_jwk_ec_keyspec spec{};
  spec.crv = CJOSE_JWK_EC_P_256;
  Octets point[2];
  for (size_t i = 0; i < 2; ++i) {
    const auto text = text_of(key, i == 0 ? "x" : "y");
    auto bytes = text ? decode_base64(*text, Base64::url) : std::nullopt;
    if (!bytes || bytes->size() != p256_size) return fail("\"x\" and \"y\" are no point of P-256");
    point[i] = *std::move(bytes);
  }
  spec.x = point[0].data();
  spec.xlen = point[0].size();
  spec.y = point[1].data();
  spec.ylen = point[1].size();
  cjose_jwk_t* jwk = cjose_jwk_create_EC_spec(&spec, nullptr);
  if (jwk == nullptr) return fail("\"x\" and \"y\" are no point of P-256");
  return jwk;
}

// Whether a key may verify: its "use" and "key_ops" say so, or nothing.
bool is_to_verify(const json& key) {
  if (const auto use = key.find("use"); use != key.end() && *use != "sig") return false;
  const auto operations = key.find("key_ops");
  if (operations == key.end()) return true;
  return operations->is_array() &&
         std::ranges::find(*operations, json("verify")) != operations->end();
}

Result<std::shared_ptr<const Jwks::Key>> import_key(const json& key) {
  if (!key.is_object()) return fail("no object");
  const auto type = text_of(key, "kty");
  if (type != "RSA" && type != "EC") return fail("\"kty\" is neither RSA nor EC");
  auto made = std::make_shared<Jwks::Key>();
  made->algorithm = type == "RSA" ? rs256 : es256;
  if (!is_to_verify(key)) return fail("a key that does not verify signatures");
  if (key.contains("alg") && text_of(key, "alg") != made->algorithm) {
    return fail("\"alg\" is neither RS256 nor ES256");
  }
  if (key.contains("kid")) {
    const auto id = text_of(key, "kid");
    if (!id || id->empty() || id->size() > longest_key_id) return fail("\"kid\" is no name");
    made->id = *id;
  }
  const auto jwk = type == "RSA" ? import_rsa(key) : import_p256(key);
  clear_crypto_errors();
  if (!jwk) return fail(jwk.error());
  made->jwk.reset(*jwk);
  return made;
}

// A token's three parts, decoded.
struct Parts {
  Octets header, claims, signature;
};

// All of them strictly, before libcjose sees the token: it ends the process over a part that is no
// base64 or empty.
std::optional<Parts> split(std::string_view token) {
  const size_t first = token.find('.');
  const size_t second = first == std::string_view::npos ? first : token.find('.', first + 1);
  if (second == std::string_view::npos) return std::nullopt;
  auto header = decode_base64(token.substr(0, first), Base64::url);
  auto claims = decode_base64(token.substr(first + 1, second - first - 1), Base64::url);
  auto signature = decode_base64(token.substr(second + 1), Base64::url);
  if (!header || !claims || !signature) return std::nullopt;
  if (header->empty() || claims->empty() || signature->empty()) return std::nullopt;
  return Parts{*std::move(header), *std::move(claims), *std::move(signature)};
}

// The object that a part of a token is.
std::optional<json> object_in(Bytes part) {
  json object = json::parse(as_text(part), nullptr, false);
  if (!object.is_object()) return std::nullopt;
  return object;
}

// What the header of a token says.
struct Header {
  std::string algorithm;
  std::optional<std::string> key_id;
};

Result<Header> header_of(Bytes part) {
  const auto object = object_in(part);
  if (!object) return fail("the token's header is no JSON");
  const auto algorithm = text_of(*object, "alg");
  if (algorithm != rs256 && algorithm != es256) {
    return fail("the token is signed with " + show(algorithm.value_or("")) +
                "; RS256 and ES256 are accepted");
  }
  // What is critical has to be understood (RFC 7515, section 4.1.11), and we understand nothing.
  if (object->contains("crit")) return fail("the token's header has critical extensions");
  Header header{*algorithm, text_of(*object, "kid")};
  if (object->contains("kid") && !header.key_id) return fail("the token's key id is no text");
  return header;
}

// The one key that the header means. A token without a key id means the only one that fits.
Result<const Jwks::Key*> key_for(const Header& header, const Jwks& keys) {
  const Jwks::Key* found = nullptr;
  for (const auto& key : keys.keys()) {
    if (key->algorithm != header.algorithm) continue;
    if (header.key_id && key->id != *header.key_id) continue;
    if (found != nullptr) return fail("several keys fit the token");
    found = key.get();
  }
  if (found != nullptr) return found;
  if (!header.key_id) return fail("no key fits the token's " + header.algorithm);
  return fail("the token's key " + show(*header.key_id) + " is no " + header.algorithm +
              " key of the JWKS");
}

Result<void> check_signature(std::string_view token, const Parts& parts, const Header& header,
                             const Jwks::Key& key) {
  // libcjose takes any length for two halves (RFC 7518, section 3.4, has one).
  const bool wrong_size = header.algorithm == es256 && parts.signature.size() != 2 * p256_size;
  if (wrong_size) return fail("the token's signature is none");
  const std::unique_ptr<cjose_jws_t, void (*)(cjose_jws_t*)> jws(
      cjose_jws_import(token.data(), token.size(), nullptr), cjose_jws_release);
  const char* read =
      jws == nullptr ? nullptr
                     : cjose_header_get(cjose_jws_get_protected(jws.get()), CJOSE_HDR_ALG, nullptr);
  // Both readers of the header have to agree on what is verified.
  const bool agreed = read != nullptr && header.algorithm == read;
  const bool verified = agreed && cjose_jws_verify(jws.get(), key.jwk.get(), nullptr);
  clear_crypto_errors();
  if (!verified) return fail("the token's signature is wrong");
  return {};
}

// A NumericDate (RFC 7519, section 2) in milliseconds.
std::optional<int64_t> date_of(const json& value) {
  constexpr int64_t latest = 253'402'300'799;  // the end of the year 9999
  if (!value.is_number()) return std::nullopt;
  const auto seconds = value.get<double>();
  if (!(seconds >= 0 && seconds <= static_cast<double>(latest))) return std::nullopt;
  return static_cast<int64_t>(seconds * 1000);
}

// The date of a claim; `absent` if there is none.
Result<int64_t> date_claim(const json& claims, const std::string& name, int64_t absent) {
  const auto found = claims.find(name);
  if (found == claims.end()) return absent;
  const auto date = date_of(*found);
  if (!date) return fail("the token's \"" + name + "\" is no date");
  return *date;
}

Result<int64_t> check_dates(const json& claims, const JwtRules& rules, int64_t now_ms) {
  if (!claims.contains("exp")) return fail("the token has no \"exp\"");
  const auto expires = date_claim(claims, "exp", 0);
  if (!expires) return fail(expires.error());
  const auto begins = date_claim(claims, "nbf", 0);
  if (!begins) return fail(begins.error());
  const auto issued = date_claim(claims, "iat", 0);
  if (!issued) return fail(issued.error());
  if (now_ms - rules.clock_skew_ms >= *expires) return fail("the token has expired");
  if (now_ms + rules.clock_skew_ms < *begins) return fail("the token is not valid yet");
  if (now_ms + rules.clock_skew_ms < *issued) return fail("the token was issued in the future");
  return *expires;
}

bool is_for(const json& claims, const std::vector<std::string>& audiences) {
  const auto audience = claims.find("aud");
  if (audience == claims.end()) return false;
  const json given = audience->is_array() ? *audience : json::array({*audience});
  return std::ranges::any_of(audiences, [&](const std::string& ours) {
    return std::ranges::find(given, json(ours)) != given.end();
  });
}

}  // namespace

Result<Jwks> Jwks::parse(std::string_view text) {
  if (text.size() > longest_jwks) {
    return fail("a JWKS of " + std::to_string(text.size()) + " bytes; at most " +
                std::to_string(longest_jwks));
  }
  const json set = json::parse(text, nullptr, false);
  const auto keys = set.is_object() ? set.find("keys") : set.end();
  if (keys == set.end() || !keys->is_array()) return fail("no JWKS: {\"keys\": [...]}");
  if (keys->size() > most_jwks_keys) {
    return fail("a JWKS of " + std::to_string(keys->size()) + " keys; at most " +
                std::to_string(most_jwks_keys));
  }
  Jwks parsed;
  for (size_t i = 0; i < keys->size(); ++i) {
    if (auto key = import_key(keys->at(i))) {
      parsed.keys_.push_back(*std::move(key));
    } else {
      parsed.ignored_.push_back("key " + std::to_string(i + 1) + ": " + key.error().text);
    }
  }
  if (!parsed.keys_.empty()) return parsed;
  std::string why = "no RS256 or ES256 key in the JWKS";
  if (!parsed.ignored_.empty()) why += "; " + parsed.ignored_.front();
  return fail(why);
}

Result<TokenIdentity> verify_jwt(std::string_view token, const Jwks& keys, const JwtRules& rules,
                                 int64_t now_ms) {
  CHECK(!rules.issuer.empty() && !rules.audiences.empty() && !rules.principal_claim.empty(),
        "what is not expected is not checked");
  if (token.size() > longest_token) return fail("the token is too long");
  const auto parts = split(token);
  if (!parts) return fail("the token does not consist of three parts of base64url");
  const auto header = header_of(parts->header);
  if (!header) return fail(header.error());
  const auto key = key_for(*header, keys);
  if (!key) return fail(key.error());
  auto verified = check_signature(token, *parts, *header, **key);
  if (!verified) return fail(verified.error());

  const auto claims = object_in(parts->claims);
  if (!claims) return fail("the token's claims are no JSON");
  const auto expires = check_dates(*claims, rules, now_ms);
  if (!expires) return fail(expires.error());
  const auto issuer = text_of(*claims, "iss");
  if (issuer != rules.issuer) {
    return fail("the token is of another issuer, " + show(issuer.value_or("")));
  }
  if (!is_for(*claims, rules.audiences)) return fail("the token is for another audience");
  const auto principal = text_of(*claims, rules.principal_claim);
  if (!principal || !is_user_name(*principal)) {
    return fail("the token's \"" + rules.principal_claim + "\" is no user name");
  }
  return TokenIdentity{*principal, *expires};
}

bool names_unknown_key(std::string_view token, const Jwks& keys) {
  const auto parts = token.size() > longest_token ? std::nullopt : split(token);
  if (!parts) return false;
  const auto header = header_of(parts->header);
  if (!header || !header->key_id) return false;
  return std::ranges::none_of(keys.keys(),
                              [&](const auto& key) { return key->id == *header->key_id; });
}

std::optional<int64_t> expiry_said_in(std::string_view token) {
  const auto parts = token.size() > longest_token ? std::nullopt : split(token);
  const auto claims = parts ? object_in(parts->claims) : std::nullopt;
  if (!claims || !claims->contains("exp")) return std::nullopt;
  return date_of(claims->at("exp"));
}

}  // namespace isthmus::kafka
