#include "kafka/sasl/credential.h"

#include <algorithm>

#include "kafka/errors.h"

namespace isthmus::kafka {
namespace {

std::unexpected<Error> unacceptable(std::string why) {
  return refuse(ErrorCode::unacceptable_credential, std::move(why));
}

std::array<uint8_t, 32> draw(const ScramDecoy::Secret& secret, char what, HashAlgorithm algorithm,
                             std::string_view user) {
  std::string text{what, static_cast<char>('0' + static_cast<int>(algorithm))};
  text += user;
  const auto mac = hmac(HashAlgorithm::sha256, secret, as_bytes(text));
  std::array<uint8_t, 32> out{};
  std::ranges::copy(mac, out.begin());
  return out;
}

}  // namespace

SaltedPassword PasswordDerivation::run() const {
  return derive_key(algorithm, as_bytes(password), salt, iterations);
}

ScramCredential scram_keys(HashAlgorithm algorithm, const SaltedPassword& salted,
                           std::vector<uint8_t> salt, int32_t iterations) {
  ScramCredential made;
  made.algorithm = algorithm;
  made.salt = std::move(salt);
  made.stored_key = hash_of(algorithm, hmac(algorithm, salted, as_bytes("Client Key")));
  made.server_key = hmac(algorithm, salted, as_bytes("Server Key"));
  made.iterations = iterations;
  return made;
}

Result<ScramCredential> make_scram_credential(HashAlgorithm algorithm, const SaltedPassword& salted,
                                              std::vector<uint8_t> salt, int32_t iterations) {
  if (iterations < least_iterations || iterations > most_iterations) {
    return unacceptable(std::to_string(iterations) + " iterations; " +
                        std::to_string(least_iterations) + " to " +
                        std::to_string(most_iterations));
  }
  if (salt.empty() || salt.size() > longest_salt) {
    return unacceptable("a salt of " + std::to_string(salt.size()) + " bytes; 1 to " +
                        std::to_string(longest_salt));
  }
  if (salted.size() != hash_size(algorithm)) {
    return unacceptable("a salted password of " + std::to_string(salted.size()) + " bytes; " +
                        std::to_string(hash_size(algorithm)));
  }
  return scram_keys(algorithm, salted, std::move(salt), iterations);
}

Result<ScramCredential> make_scram_credential(const PasswordDerivation& derivation) {
  if (derivation.password.empty()) return unacceptable("an empty password");
  // What would be refused anyway is not worth the time, and no number at all would be ours.
  const SaltedPassword nothing(hash_size(derivation.algorithm));
  auto made =
      make_scram_credential(derivation.algorithm, nothing, derivation.salt, derivation.iterations);
  if (!made) return made;
  return scram_keys(derivation.algorithm, derivation.run(), derivation.salt, derivation.iterations);
}

PasswordDerivation derivation_for(const ScramCredential& credential, std::string password) {
  return {credential.algorithm, std::move(password), credential.salt, credential.iterations};
}

bool is_password_of(const ScramCredential& credential, const SaltedPassword& salted) {
  const auto keys = scram_keys(credential.algorithm, salted, {}, 0);
  return equal_in_constant_time(keys.stored_key, credential.stored_key);
}

// Kafka writes a number of 130 random bits in base 36: mostly 25 digits, and in two cases of five
// 26, of which the first is then a 1.
std::vector<uint8_t> make_salt(const std::array<uint8_t, 32>& random) {
  static constexpr std::string_view digits = "0123456789abcdefghijklmnopqrstuvwxyz";
  constexpr size_t length = 25;
  std::vector<uint8_t> salt;
  const bool is_long = random[31] % 5 < 2;
  if (is_long) salt.push_back('1');
  for (size_t i = 0; i < length; ++i) {
    const bool is_first = salt.empty();
    const size_t digit = is_first ? 1 + random[i] % 35 : random[i] % 36;
    salt.push_back(static_cast<uint8_t>(digits[digit]));
  }
  return salt;
}

ScramCredential ScramDecoy::of(HashAlgorithm algorithm, std::string_view user) const {
  const auto random = draw(secret_, 'k', algorithm, user);
  return scram_keys(algorithm, SaltedPassword(random.begin(), random.end()),
                    make_salt(draw(secret_, 's', algorithm, user)), iterations_);
}

}  // namespace isthmus::kafka
