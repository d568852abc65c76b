// What a router compresses on its way: the same records under the same header, taken by a log as
// before; and what is not compressed, untouched.
#include "kafka/recompress.h"

#include <algorithm>
#include <vector>

#include "base/check.h"
#include "kafka/batch.h"
#include "kafka/validate.h"

namespace isthmus::kafka {
namespace {

bool is_taken(Bytes batch) {
  const ProducedHeader read = read_produced_header(batch);
  return read.verdict.accepted() && validate_records(batch, read.header, {}, 1'000'000).accepted();
}

CompressionSettings settings_of(uint8_t byte) {
  constexpr Compression codecs[] = {Compression::gzip, Compression::lz4, Compression::zstd};
  const Compression codec = codecs[byte % std::size(codecs)];
  const Levels levels = levels_of(codec);
  return {codec, levels.least + byte / 3 % (levels.most - levels.least + 1)};
}

void check_same(const Slice& before, const Slice& after, Compression codec) {
  CHECK(after.size() < before.size(), "it is smaller");
  BatchHeader was = decode_batch_header(before);
  const auto is = check_batch(after);
  CHECK(is.has_value() && is->compression() == codec, "a whole batch of that codec");
  was.attributes = is->attributes;
  was.batch_length = is->batch_length;
  was.crc = is->crc;
  CHECK(was == *is, "nothing else in the header has changed");
  CHECK(is_taken(before) && is_taken(after), "a log takes either");
  const auto plain = decompress(codec, after.view().subspan(batch_header_size), before.size());
  CHECK(plain && std::ranges::equal(plain->view(), before.view().subspan(batch_header_size)),
        "the records are the same bytes");
}

}  // namespace
}  // namespace isthmus::kafka

// The first byte chooses codec and level; the second, whether length and CRC are made good, without
// which nearly all would end there.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace isthmus;
  if (size < 2) return 0;
  const auto with = kafka::settings_of(data[0]);
  std::vector<uint8_t> bytes(data + 2, data + size);
  if (data[1] % 8 != 0 && bytes.size() >= kafka::batch_header_size) {
    store_be(bytes.data() + 8, static_cast<int32_t>(bytes.size() - kafka::batch_length_end));
    kafka::renew_batch_crc(bytes);
  }
  const Slice before = Slice::take(std::move(bytes));
  const auto made = kafka::recompress(before, with);
  if (made.what == kafka::Recompression::compressed) {
    kafka::check_same(before, made.batch, with.type);
  } else {
    CHECK(made.batch.data() == before.data() && made.batch.size() == before.size(), "untouched");
  }
  return 0;
}
