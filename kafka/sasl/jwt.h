// JWT (RFC 7519) as OAUTHBEARER brings them: signed with RS256 or ES256 by a key of the JWKS
// (RFC 7517) that the operator trusts, and nothing weaker: no "none", no HS256 (whose "key" would
// be the public one). Rules from RFC 8725. libcjose checks signatures and is known to jwt.cc alone.
//
// Pure: the text of the JWKS and the time are parameters. A Jwks is a value that many may read at
// once; to verify takes some 50 us (RS256), 100 us (ES256).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace isthmus::kafka {

constexpr size_t longest_jwks = 256 << 10;
constexpr size_t most_jwks_keys = 256;

class Jwks {
 public:
  // An error if there is no key in it that could verify anything.
  static Result<Jwks> parse(std::string_view text);

  size_t size() const { return keys_.size(); }
  // Why each of the other keys in the text is not used, one line each, for the operator. Another
  // kind of key is no fault (RFC 7517, section 5).
  const std::vector<std::string>& ignored() const { return ignored_; }

  struct Key;
  const std::vector<std::shared_ptr<const Key>>& keys() const { return keys_; }

 private:
  std::vector<std::shared_ptr<const Key>> keys_;
  std::vector<std::string> ignored_;
};

struct JwtRules {
  std::string issuer;                  // iss has to be it
  std::vector<std::string> audiences;  // aud has to be, or to hold, one of them
  std::string principal_claim = "sub";
  int64_t clock_skew_ms = 30'000;  // how far clocks may differ
};

// Whom a token names.
struct TokenIdentity {
  std::string principal;   // a user name (kafka/sasl/mechanism.h)
  int64_t expires_ms = 0;  // milliseconds since 1970; up to the clock skew in the past
};

// An error is one reason, fit for a log: it holds nothing of the token but names of the provider
// made printable. REQUIRES: an issuer, an audience and a claim in the rules.
Result<TokenIdentity> verify_jwt(std::string_view token, const Jwks& keys, const JwtRules& rules,
                                 int64_t now_ms);

// Whether the token names a key that the set has not: the provider may have new ones. Nobody has
// verified the token then, so asking the provider needs a bound.
bool names_unknown_key(std::string_view token, const Jwks& keys);

// When a token says that it ends, in milliseconds since 1970, for who was given it by its provider:
// nothing is verified. Nothing where it does not say, or is none of ours.
std::optional<int64_t> expiry_said_in(std::string_view token);

}  // namespace isthmus::kafka
