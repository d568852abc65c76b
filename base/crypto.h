// Hashes, what is built of them, and base64. Below TLS (io/) nobody but base/crypto.cc knows
// libcrypto. Pure functions, except where randomness is drawn; any thread.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace isthmus {

// SHA-256 of a stream of bytes, fed piece by piece.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;
  void update(Bytes bytes);
  std::array<uint8_t, 32> finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

enum class HashAlgorithm : uint8_t { sha256, sha512 };

constexpr size_t hash_size(HashAlgorithm algorithm) {
  return algorithm == HashAlgorithm::sha256 ? 32 : 64;
}

// Each result has hash_size() bytes.
std::vector<uint8_t> hash_of(HashAlgorithm algorithm, Bytes data);
// HMAC (RFC 2104).
std::vector<uint8_t> hmac(HashAlgorithm algorithm, Bytes key, Bytes data);
// PBKDF2 over HMAC (RFC 8018). Slow on purpose: 4,096 iterations take some milliseconds, which is
// too long for a loop that serves others. REQUIRES: iterations > 0.
std::vector<uint8_t> derive_key(HashAlgorithm algorithm, Bytes password, Bytes salt,
                                int32_t iterations);

// Whether two secrets are equal, in a time that does not tell where they differ. Their sizes are no
// secret.
bool equal_in_constant_time(Bytes one, Bytes other);

// RFC 4648: `padded` is its base64 (section 4), `url` its base64url without padding (section 5, as
// JWT has it).
enum class Base64 : uint8_t { padded, url };

std::string encode_base64(Bytes bytes, Base64 form = Base64::padded);
// Strict: only what encode_base64() writes is read, so that no two texts mean the same bytes.
std::optional<std::vector<uint8_t>> decode_base64(std::string_view text,
                                                  Base64 form = Base64::padded);

// Cryptographically strong random bytes.
void fill_random(MutableBytes out);

std::string hex(Bytes bytes);

// Forgets what libcrypto has noted down for this thread. To be called where another library of it
// may have failed (libcjose): a note that is left over is taken for a failure of the next TLS
// connection on the thread.
void clear_crypto_errors();

}  // namespace isthmus
