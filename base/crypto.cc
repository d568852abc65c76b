#include "base/crypto.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include "base/check.h"

namespace isthmus {
namespace {

const EVP_MD* digest_of(HashAlgorithm algorithm) {
  return algorithm == HashAlgorithm::sha256 ? EVP_sha256() : EVP_sha512();
}

// An empty view may point nowhere, and libcrypto takes a null key for the one before.
const uint8_t* data_of(Bytes bytes) {
  static constexpr uint8_t nothing = 0;
  return bytes.empty() ? &nothing : bytes.data();
}

int length_of(Bytes bytes) {
  CHECK(bytes.size() <= INT32_MAX, "a secret of gigabytes");
  return static_cast<int>(bytes.size());
}

constexpr std::string_view digits_of(Base64 form) {
  return form == Base64::padded
             ? "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
             : "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
}

constexpr uint8_t no_digit = 64;

constexpr std::array<uint8_t, 256> values_of(Base64 form) {
  std::array<uint8_t, 256> values{};
  values.fill(no_digit);
  const std::string_view digits = digits_of(form);
  for (uint8_t i = 0; i < digits.size(); ++i) values[static_cast<uint8_t>(digits[i])] = i;
  return values;
}

}  // namespace

struct Sha256::State {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  ~State() { EVP_MD_CTX_free(context); }
};

Sha256::Sha256() : state_(std::make_unique<State>()) {
  CHECK(EVP_DigestInit_ex(state_->context, EVP_sha256(), nullptr) == 1, "libcrypto has SHA-256");
}
Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;

void Sha256::update(Bytes bytes) {
  CHECK(EVP_DigestUpdate(state_->context, bytes.data(), bytes.size()) == 1, "hashing memory");
}

std::array<uint8_t, 32> Sha256::finish() {
  std::array<uint8_t, 32> digest{};
  unsigned length = digest.size();
  CHECK(EVP_DigestFinal_ex(state_->context, digest.data(), &length) == 1, "finish once");
  return digest;
}

std::vector<uint8_t> hash_of(HashAlgorithm algorithm, Bytes data) {
  std::vector<uint8_t> out(hash_size(algorithm));
  CHECK(EVP_Digest(data_of(data), data.size(), out.data(), nullptr, digest_of(algorithm),
                   nullptr) == 1,
        "hashing memory");
  return out;
}

std::vector<uint8_t> hmac(HashAlgorithm algorithm, Bytes key, Bytes data) {
  std::vector<uint8_t> out(hash_size(algorithm));
  CHECK(HMAC(digest_of(algorithm), data_of(key), length_of(key), data_of(data), data.size(),
             out.data(), nullptr) != nullptr,
        "hashing memory");
  return out;
}

std::vector<uint8_t> derive_key(HashAlgorithm algorithm, Bytes password, Bytes salt,
                                int32_t iterations) {
  CHECK(iterations > 0, "the caller has looked at what a peer says");
  std::vector<uint8_t> out(hash_size(algorithm));
  CHECK(PKCS5_PBKDF2_HMAC(reinterpret_cast<const char*>(data_of(password)), length_of(password),
                          data_of(salt), length_of(salt), iterations, digest_of(algorithm),
                          length_of(out), out.data()) == 1,
        "hashing memory");
  return out;
}

bool equal_in_constant_time(Bytes one, Bytes other) {
  return one.size() == other.size() && CRYPTO_memcmp(data_of(one), data_of(other), one.size()) == 0;
}

std::string encode_base64(Bytes bytes, Base64 form) {
  const std::string_view digits = digits_of(form);
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  uint32_t bits = 0;
  int pending = 0;
  for (uint8_t byte : bytes) {
    bits = bits << 8 | byte;
    for (pending += 8; pending >= 6; pending -= 6) out += digits[bits >> (pending - 6) & 63];
  }
  if (pending > 0) out += digits[bits << (6 - pending) & 63];
  while (form == Base64::padded && out.size() % 4 != 0) out += '=';
  return out;
}

std::optional<std::vector<uint8_t>> decode_base64(std::string_view text, Base64 form) {
  static constexpr std::array<uint8_t, 256> values[] = {values_of(Base64::padded),
                                                        values_of(Base64::url)};
  if (form == Base64::padded) {
    if (text.size() % 4 != 0) return std::nullopt;
    for (int i = 0; i < 2 && text.ends_with('='); ++i) text.remove_suffix(1);
  }
  if (text.size() % 4 == 1) return std::nullopt;
  std::vector<uint8_t> out;
  out.reserve(text.size() / 4 * 3 + 2);
  uint32_t bits = 0;
  int pending = 0;
  for (char c : text) {
    const uint8_t value = values[static_cast<size_t>(form)][static_cast<uint8_t>(c)];
    if (value == no_digit) return std::nullopt;
    bits = bits << 6 | value;
    pending += 6;
    if (pending < 8) continue;
    pending -= 8;
    out.push_back(static_cast<uint8_t>(bits >> pending));
  }
  const bool left_over = (bits & ((1u << pending) - 1)) != 0;
  if (left_over) return std::nullopt;
  return out;
}

void fill_random(MutableBytes out) {
  CHECK(RAND_bytes(out.data(), static_cast<int>(out.size())) == 1, "the system gives randomness");
}

void clear_crypto_errors() { ERR_clear_error(); }

std::string hex(Bytes bytes) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string out;
  out.reserve(bytes.size() * 2);
  for (uint8_t b : bytes) {
    out += digits[b >> 4];
    out += digits[b & 15];
  }
  return out;
}

}  // namespace isthmus
