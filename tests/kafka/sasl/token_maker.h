// Signs tokens with a key of its own, as an identity provider does.
#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>

struct _cjose_jwk_int;

namespace isthmus::kafka {

class TokenMaker {
 public:
  enum class Kind { rsa_2048, p256, rsa_1024, p384 };
  TokenMaker(Kind kind, std::string key_id);

  // The public key, as it stands in a JWKS.
  nlohmann::json jwk() const;
  // A compact JWS; its header has the key's id and the algorithm, and what else is given.
  std::string sign(const std::string& payload, const nlohmann::json& header) const;
  std::string sign(const nlohmann::json& claims) const;

 private:
  std::string algorithm_;
  std::string key_id_;
  std::shared_ptr<_cjose_jwk_int> jwk_;
};

std::string jwks_of(std::initializer_list<nlohmann::json> keys);

}  // namespace isthmus::kafka
