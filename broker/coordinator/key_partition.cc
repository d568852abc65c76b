#include "broker/coordinator/key_partition.h"

namespace isthmus::broker {

namespace {

// The UTF-16 code units of one UTF-8 character, fed into Java's hash. Malformed bytes become
// U+FFFD, as when Java decodes the request.
class JavaHash {
 public:
  void add(uint32_t code_point) {
    if (code_point < 0x10000) return unit(code_point);
    unit(0xd800 + ((code_point - 0x10000) >> 10));
    unit(0xdc00 + ((code_point - 0x10000) & 0x3ff));
  }
  uint32_t value() const { return hash_; }

 private:
  void unit(uint32_t u) { hash_ = hash_ * 31 + u; }
  uint32_t hash_ = 0;
};

// Decodes the character at `at` and moves past it.
uint32_t next_code_point(std::string_view text, size_t& at) {
  constexpr uint32_t replacement = 0xfffd;
  const auto lead = static_cast<uint8_t>(text[at++]);
  if (lead < 0x80) return lead;
  const int more = lead >= 0xf0 && lead < 0xf5 ? 3 : lead >= 0xe0 ? 2 : lead >= 0xc2 ? 1 : 0;
  if (more == 0 || lead >= 0xf5) return replacement;
  uint32_t code_point = lead & (0x3f >> more);
  for (int i = 0; i < more; ++i) {
    if (at == text.size() || (static_cast<uint8_t>(text[at]) & 0xc0) != 0x80) return replacement;
    code_point = code_point << 6 | (static_cast<uint8_t>(text[at++]) & 0x3f);
  }
  return code_point;
}

}  // namespace

PartitionIndex partition_of_key(std::string_view key, int32_t partitions) {
  JavaHash hash;
  for (size_t at = 0; at < key.size();) hash.add(next_code_point(key, at));
  // Kafka clears the sign bit except that the one value without an opposite becomes zero.
  const auto value = static_cast<int32_t>(hash.value());
  const int32_t positive = value == INT32_MIN ? 0 : value < 0 ? -value : value;
  return positive % partitions;
}

}  // namespace isthmus::broker
