// The four compression codecs of record batches. Their libraries are known to compression.cc alone.
//
// Plain functions, any thread. Output is bounded by the caller: a few bytes from a peer can ask
// for gigabytes. Errors: corrupt, or MESSAGE_TOO_LARGE where the output would pass the limit.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/bytes.h"

namespace isthmus::kafka {

// The numbers of the batch attributes' lowest three bits.
enum class Compression : uint8_t { none = 0, gzip = 1, snappy = 2, lz4 = 3, zstd = 4 };

// As in the topic configuration compression.type.
std::string_view compression_name(Compression codec);
Result<Compression> parse_compression(std::string_view name);

// Snappy comes raw (librdkafka) or in the framing of xerial's Java library (Kafka's clients).
Result<Slice> decompress(Compression codec, Bytes input, size_t limit);

// Snappy is written in xerial's framing, which every client reads.
Slice compress(Compression codec, Bytes input);

}  // namespace isthmus::kafka
