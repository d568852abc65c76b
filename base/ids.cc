#include "base/ids.h"

#include <cstring>

namespace isthmus {

namespace {
constexpr std::string_view alphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
}

std::string Uuid::to_string() const {
  std::string out;
  uint32_t bits = 0;
  int held = 0;
  for (uint8_t b : bytes) {
    bits = bits << 8 | b;
    held += 8;
    while (held >= 6) {
      held -= 6;
      out += alphabet[bits >> held & 63];
    }
  }
  out += alphabet[bits << (6 - held) & 63];  // 128 bits = 21 whole characters and 2 bits
  return out;
}

Result<Uuid> Uuid::parse(std::string_view text) {
  auto refuse = [text](const char* why) {
    return fail(why + (", not \"" + std::string(text) + "\""));
  };
  if (text.size() != 22) return refuse("an id has 22 characters of base64");
  Uuid id;
  uint32_t bits = 0;
  int held = 0;
  size_t at = 0;
  for (char c : text) {
    auto digit = alphabet.find(c);
    if (digit == std::string_view::npos) return refuse("an id is of base64 digits");
    bits = bits << 6 | static_cast<uint32_t>(digit);
    held += 6;
    if (held >= 8 && at < id.bytes.size()) {
      held -= 8;
      id.bytes[at++] = static_cast<uint8_t>(bits >> held);
    }
  }
  return id;
}

}  // namespace isthmus

size_t std::hash<isthmus::Uuid>::operator()(const isthmus::Uuid& id) const noexcept {
  size_t h;
  std::memcpy(&h, id.bytes.data(), sizeof h);
  return h;
}
