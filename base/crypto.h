// Hashes. libcrypto is known to base/crypto.cc alone.
#pragma once

#include <array>
#include <memory>
#include <string>

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

// Cryptographically strong random bytes.
void fill_random(MutableBytes out);

std::string hex(Bytes bytes);

}  // namespace isthmus
