// What a cluster keeps of a user's password (RFC 5802, section 3; KIP-84): salted and hashed, in
// the form that SCRAM needs. PLAIN is checked against the same, so there is one store of users for
// both. Whoever steals it still has to guess the password.
//
// PBKDF2 is slow on purpose: it costs whoever guesses as much as us. So it is a value of its own,
// PasswordDerivation, which the owner of an exchange runs where it delays nobody (io/workers.h).
// Whatever else stands here takes microseconds.
//
// Plain values and pure functions; any thread.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/crypto.h"
#include "base/error.h"

namespace isthmus::kafka {

struct ScramCredential {
  HashAlgorithm algorithm = HashAlgorithm::sha256;
  std::vector<uint8_t> salt;
  std::vector<uint8_t> stored_key;
  std::vector<uint8_t> server_key;
  int32_t iterations = 0;
  friend bool operator==(const ScramCredential&, const ScramCredential&) = default;
};

// What PBKDF2 makes of a password: hash_size() bytes.
using SaltedPassword = std::vector<uint8_t>;

// The one slow step of every exchange, with all that it needs. Holds a password: keep it no longer
// than it takes.
struct PasswordDerivation {
  HashAlgorithm algorithm = HashAlgorithm::sha256;
  std::string password;
  std::vector<uint8_t> salt;
  int32_t iterations = 0;
  // 4,096 iterations take some 2 ms, 16,384 some 8. REQUIRES: iterations > 0.
  SaltedPassword run() const;
};

// Kafka's bounds of what may be stored.
constexpr int32_t least_iterations = 4096;
constexpr int32_t most_iterations = 16384;
constexpr size_t longest_salt = 1024;

// The credential of what a client has salted (AlterUserScramCredentials, KIP-554). What is not fit
// to be stored is UNACCEPTABLE_CREDENTIAL, with the reason.
Result<ScramCredential> make_scram_credential(HashAlgorithm algorithm, const SaltedPassword& salted,
                                              std::vector<uint8_t> salt, int32_t iterations);
// Of a password. Runs the derivation: slow.
Result<ScramCredential> make_scram_credential(const PasswordDerivation& derivation);

// The same arithmetic without a look at the bounds.
ScramCredential scram_keys(HashAlgorithm algorithm, const SaltedPassword& salted,
                           std::vector<uint8_t> salt, int32_t iterations);

// Whether a plain password is the credential's: derive it first, then compare.
PasswordDerivation derivation_for(const ScramCredential& credential, std::string password);
bool is_password_of(const ScramCredential& credential, const SaltedPassword& salted);

// A new salt, of the form that Kafka's tools give theirs: 129 bits or more in base 36. Where all
// salts look alike, those of a decoy do too.
std::vector<uint8_t> make_salt(const std::array<uint8_t, 32>& random);

// Credentials of users who do not exist, so that a log-in tells nobody who does: the same name has
// the same salt whenever it is asked for, and nothing that a peer can compute fits it.
//
// Where several brokers share their users they have to share the secret too, or a name is known by
// having one salt everywhere; and `iterations` has to be what the real ones have.
class ScramDecoy {
 public:
  using Secret = std::array<uint8_t, 32>;
  explicit ScramDecoy(const Secret& secret, int32_t iterations = least_iterations)
      : secret_(secret), iterations_(iterations) {}
  ScramCredential of(HashAlgorithm algorithm, std::string_view user) const;

 private:
  Secret secret_;
  int32_t iterations_;
};

}  // namespace isthmus::kafka
