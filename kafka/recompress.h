// Recompression: a producer's batch without compression as the same batch with its records
// compressed, for a line on which bytes are dear. Of the header only the codec's bits, the length
// and the CRC are others: offsets, timestamps, producer id, epoch and sequence, and whether it is
// transactional stay what they are, so whoever keeps order by them sees the same batch.
//
// Only what a log would take from a producer is touched (kafka/validate.h). What is wrong goes on
// as it came, so that the broker refuses it, and says why, as it would have.
//
// Plain functions; any thread.
#pragma once

#include <array>
#include <string_view>

#include "kafka/compression.h"

namespace isthmus::kafka {

// compression.type and its level, as a producer is told them (KIP-390).
struct CompressionSettings {
  Compression type = Compression::none;
  int level = 0;  // within levels_of(type)

  bool operator==(const CompressionSettings&) const = default;
};

// What became of a batch. Only the first has changed it.
enum class Recompression : uint8_t {
  compressed,
  compressed_before,  // whatever the codec: its producer has chosen
  too_small,
  too_large,
  not_smaller,  // the result would not be
  invalid,      // a log would refuse it, or its producer may not write it (a control batch)
};
inline constexpr std::array<std::string_view, 6> recompression_names = {
    "compressed", "compressed_before", "too_small", "too_large", "not_smaller", "invalid"};

// Below it a codec's frame and what carries a request (over 100 bytes of headers) leave nothing to
// gain; above it one batch would keep a worker for seconds, and a log that takes it packed might
// refuse to unpack it. Of whole batches.
inline constexpr size_t least_recompressed = 256;
inline constexpr size_t most_recompressed = size_t{16} << 20;

struct Recompressed {
  Slice batch;  // the given one, unless `what` is compressed
  Recompression what = Recompression::invalid;
};

// What the header's bytes alone tell, neither believed nor checked: compressed if it may become so.
// A few nanoseconds, for who decides whether to ask a worker.
Recompression foresee_recompression(Bytes batch);

// REQUIRES: a codec other than none, and one of its levels.
Recompressed recompress(const Slice& batch, CompressionSettings with);

}  // namespace isthmus::kafka
