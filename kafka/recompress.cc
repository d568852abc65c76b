#include "kafka/recompress.h"

#include <algorithm>
#include <vector>

#include "base/check.h"
#include "kafka/validate.h"

namespace isthmus::kafka {

namespace {

constexpr int8_t current_magic = 2;

// REQUIRES: a batch that a log would take, without compression.
Slice with_records(BatchHeader header, Compression codec, Bytes packed) {
  std::vector<uint8_t> out(batch_header_size + packed.size());
  header.attributes = static_cast<int16_t>(header.attributes | static_cast<int16_t>(codec));
  header.batch_length = static_cast<int32_t>(out.size() - batch_length_end);
  write_batch_header(out, header);
  std::ranges::copy(packed, out.begin() + batch_header_size);
  renew_batch_crc(out);
  return Slice::take(std::move(out));
}

}  // namespace

Recompression foresee_recompression(Bytes batch) {
  if (batch.size() < batch_header_size) return Recompression::invalid;
  const BatchHeader header = decode_batch_header(batch);
  if (header.magic != current_magic || header.is_control()) return Recompression::invalid;
  if (header.compression() != Compression::none) return Recompression::compressed_before;
  if (batch.size() < least_recompressed) return Recompression::too_small;
  if (batch.size() > most_recompressed) return Recompression::too_large;
  return Recompression::compressed;
}

Recompressed recompress(const Slice& batch, CompressionSettings with) {
  CHECK(with.type != Compression::none, "there is something to do");
  const Recompression foreseen = foresee_recompression(batch);
  if (foreseen != Recompression::compressed) return {batch, foreseen};
  const ProducedHeader read = read_produced_header(batch);
  // The topic's own rules (times, keys) are the broker's to apply; they need no other bytes.
  if (!read.verdict.accepted() || !validate_records(batch, read.header, {}, 0).accepted()) {
    return {batch, Recompression::invalid};
  }
  const Bytes records = batch.view().subspan(batch_header_size);
  const Slice packed = compress(with.type, records, with.level);
  if (packed.size() >= records.size()) return {batch, Recompression::not_smaller};
  return {with_records(read.header, with.type, packed), Recompression::compressed};
}

}  // namespace isthmus::kafka
