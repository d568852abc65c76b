#include "tests/kafka/messages.h"

#include <concepts>

#include "base/check.h"
#include "kafka/gen/fill.h"

namespace isthmus::kafka {
namespace {

template <typename Message>
Slice encoded(const Message& message, int16_t version) {
  Writer w;
  message.encode(w, version);
  auto bytes = std::move(w).finish().flatten();
  CHECK(bytes, "a rope in memory");
  return *bytes;
}

template <typename Message>
Codec codec(const char* name) {
  Codec c{name, Message::min_version, Message::max_version, {}, {}, {}};
  c.sample = [](Fill& f, int16_t version) {
    Message m;
    fill(f, m, version);
    return encoded(m, version);
  };
  c.recode = [](const Slice& bytes, int16_t version) -> Result<Slice> {
    Reader r(bytes);
    auto m = Message::decode(r, version);
    if (!m) return fail(m.error());
    if (r.remaining() > 0) return fail("bytes are left over");
    return encoded(*m, version);
  };
  c.survives = [](Fill& f, int16_t version) {
    Message m;
    fill(f, m, version);
    Reader r(encoded(m, version));
    auto back = Message::decode(r, version);
    if (!back || r.remaining() > 0) return false;
    if constexpr (std::equality_comparable<Message>) return *back == m;
    return true;  // ropes do not compare; recode() covers these
  };
  return c;
}

}  // namespace

const std::vector<Codec>& all_codecs() {
  static const std::vector<Codec> codecs = {
#define KAFKA_MESSAGE(name) codec<name>(#name),
#include "kafka/gen/messages.inc"
#undef KAFKA_MESSAGE
  };
  return codecs;
}

}  // namespace isthmus::kafka
