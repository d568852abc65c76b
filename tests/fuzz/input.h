// An input taken apart from its front; what it has no more of is zero or empty.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>

#include "base/bytes.h"
#include "base/log.h"

namespace isthmus::fuzz {

// What is fed is bad on purpose: nobody reads a log of it.
inline const bool quiet = (set_log_level(LogLevel::off), true);

class Input {
 public:
  Input(const uint8_t* data, size_t size) : rest_(data, size) {}

  bool empty() const { return rest_.empty(); }
  uint8_t byte() {
    const Bytes one = bytes(1);
    return one.empty() ? 0 : one[0];
  }
  size_t word() {
    const size_t high = byte();
    return high << 8 | byte();
  }
  // At most as many as there are.
  Bytes bytes(size_t wanted) {
    const Bytes taken = rest_.first(std::min(wanted, rest_.size()));
    rest_ = rest_.subspan(taken.size());
    return taken;
  }
  Bytes rest() { return bytes(rest_.size()); }
  std::string text() { return std::string(as_text(rest())); }

 private:
  Bytes rest_;
};

}  // namespace isthmus::fuzz
