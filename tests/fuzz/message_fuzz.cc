// Every decoder. An input names its message, so that it means the same when there are more of them:
// the name, a line feed, the version as one byte, then the message.
#include <algorithm>
#include <random>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "tests/kafka/messages.h"

namespace {

using namespace isthmus;

const kafka::Codec* named(std::string_view name) {
  const auto& codecs = kafka::all_codecs();
  const auto found = std::ranges::find(codecs, name, &kafka::Codec::name);
  return found == codecs.end() ? nullptr : &*found;
}

// Where the message begins; 0 if the input names none.
size_t body_of(Bytes input) {
  const size_t end = as_text(input).find('\n');
  return end == std::string_view::npos || end + 2 > input.size() ? 0 : end + 2;
}

}  // namespace

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);

// Mutates the message, or now and then says that it is another one.
extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size,
                                          unsigned int seed) {
  std::minstd_rand random(seed);
  size_t body = body_of(Bytes(data, size));
  if (body == 0 || random() % 16 == 0) {
    const auto& codecs = kafka::all_codecs();
    const kafka::Codec& codec = codecs[random() % codecs.size()];
    const auto versions = static_cast<size_t>(codec.max_version - codec.min_version + 1);
    std::vector<uint8_t> renamed(codec.name.begin(), codec.name.end());
    renamed.push_back('\n');
    renamed.push_back(static_cast<uint8_t>(codec.min_version + random() % versions));
    const size_t front = renamed.size();
    renamed.insert(renamed.end(), data + body, data + size);
    if (renamed.size() > max_size) return size;
    std::ranges::copy(renamed, data);
    size = renamed.size();
    body = front;
  }
  return body + LLVMFuzzerMutate(data + body, size - body, max_size - body);
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const Bytes input(data, size);
  const size_t body = body_of(input);
  if (body == 0) return 0;
  const kafka::Codec* codec = named(as_text(input.first(body - 2)));
  const auto version = static_cast<int16_t>(static_cast<int8_t>(data[body - 1]));
  if (codec == nullptr || version < codec->min_version || version > codec->max_version) return 0;
  const auto once = codec->recode(Slice::copy_of(input.subspan(body)), version);
  if (!once) return 0;
  const auto twice = codec->recode(*once, version);
  CHECK(twice && *twice == *once, "what decodes, encodes to what decodes to the same");
  return 0;
}
