// Prng: the simulator's only source of chance. xoshiro256**, seeded through splitmix64; no
// distribution of the standard library, whose results differ between implementations: a seed
// must replay exactly, everywhere.
#pragma once

#include <chrono>
#include <cstdint>

namespace isthmus::sim {

class Prng {
 public:
  explicit Prng(uint64_t seed) {
    for (auto& word : state_) word = splitmix(seed);
  }

  uint64_t next() {
    uint64_t result = rotate(state_[1] * 5, 7) * 9;
    uint64_t t = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= t;
    state_[3] = rotate(state_[3], 45);
    return result;
  }

  // 0 <= result < limit. REQUIRES: limit > 0. The bias of the modulus is below 2^-32 here.
  uint64_t below(uint64_t limit) { return next() % limit; }
  // low <= result <= high.
  uint64_t between(uint64_t low, uint64_t high) { return low + below(high - low + 1); }
  std::chrono::nanoseconds between(std::chrono::nanoseconds low, std::chrono::nanoseconds high) {
    auto span = static_cast<uint64_t>((high - low).count());
    return low + std::chrono::nanoseconds(below(span + 1));
  }
  // True in `in_a_million` of a million cases; integers, because rounding must replay too.
  bool chance(uint32_t in_a_million) { return below(1'000'000) < in_a_million; }

 private:
  static uint64_t splitmix(uint64_t& seed) {
    uint64_t z = (seed += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  static uint64_t rotate(uint64_t x, int by) { return (x << by) | (x >> (64 - by)); }

  uint64_t state_[4];
};

}  // namespace isthmus::sim
