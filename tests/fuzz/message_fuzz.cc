// Every decoder: the first byte chooses the message, the second the version.
#include "base/check.h"
#include "tests/kafka/messages.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace isthmus;
  if (size < 2) return 0;
  const auto& codecs = kafka::all_codecs();
  const kafka::Codec& codec = codecs[data[0] % codecs.size()];
  const int versions = codec.max_version - codec.min_version + 1;
  const auto version = static_cast<int16_t>(codec.min_version + data[1] % versions);
  const auto once = codec.recode(Slice::copy_of(Bytes(data + 2, size - 2)), version);
  if (!once) return 0;
  const auto twice = codec.recode(*once, version);
  CHECK(twice && *twice == *once, "what decodes, encodes to what decodes to the same");
  return 0;
}
