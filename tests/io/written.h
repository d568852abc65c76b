// What tests of streams write.
#pragma once

#include <vector>

#include "io/stream.h"

namespace isthmus::io {

inline Slice pattern(size_t size, uint8_t seed) {
  std::vector<uint8_t> bytes(size);
  for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<uint8_t>(seed + i * 7 + i / 251);
  return Slice::take(std::move(bytes));
}

inline Task<void> write_all(Stream& stream, Rope rope, bool& done) {
  auto sent = co_await stream.write(std::move(rope));
  done = sent.has_value();
}

}  // namespace isthmus::io
