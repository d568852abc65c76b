#include "base/crc32c.h"

#include <isa-l/crc.h>

#include <algorithm>

namespace isthmus {

uint32_t crc32c(Bytes bytes, uint32_t seed) {
  // ISA-L takes the bare register (no inversion) and an int length.
  uint32_t state = ~seed;
  while (!bytes.empty()) {
    size_t n = std::min<size_t>(bytes.size(), 1u << 30);
    state = crc32_iscsi(const_cast<unsigned char*>(bytes.data()), static_cast<int>(n), state);
    bytes = bytes.subspan(n);
  }
  return ~state;
}

}  // namespace isthmus
