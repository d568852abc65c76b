// The four compression codecs of record batches. Their libraries are known to compression.cc alone.
//
// Any thread. Output is bounded by the caller: a few bytes from a peer can ask for gigabytes.
// Errors: corrupt, or MESSAGE_TOO_LARGE where the output would pass the limit.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "base/bytes.h"

namespace isthmus::kafka {

// The numbers of the batch attributes' lowest three bits.
enum class Compression : uint8_t { none = 0, gzip = 1, snappy = 2, lz4 = 3, zstd = 4 };

// As in the topic configuration compression.type.
std::string_view compression_name(Compression codec);
Result<Compression> parse_compression(std::string_view name);

enum class Framing : uint8_t {
  any,     // whatever our libraries read: for what is stored already
  common,  // what every client reads: one gzip member; one lz4 frame, of independent blocks and
           // without a dictionary; nothing behind it
};

// Unpacks one input from front to back, a window at a time. Snappy comes raw (librdkafka), as one
// window, or in the framing of xerial's Java library (Kafka's clients). On the stack of whoever
// reads; each thread keeps the libraries' states for the next one. The input outlives it.
class Unpacker {
 public:
  // REQUIRES: a codec other than none.
  Unpacker(Compression codec, Bytes input, size_t limit, Framing framing);
  ~Unpacker();
  Unpacker(const Unpacker&) = delete;
  Unpacker& operator=(const Unpacker&) = delete;

  // Valid until the next call; empty at the end. REQUIRES: none has failed.
  Result<Bytes> next();
  Error too_large() const;  // MESSAGE_TOO_LARGE, naming the limit

 private:
  struct Engines;
  static std::unique_ptr<Engines>& spare_engines();
  Result<Bytes> next_gzip();
  Result<Bytes> next_snappy();
  Result<Bytes> next_snappy_block(Bytes block);
  Result<Bytes> next_lz4();
  Result<Bytes> next_zstd();
  Result<Bytes> produced(Bytes window);

  const Compression codec_;
  Bytes input_;  // what is left of it
  const size_t limit_;
  const Framing framing_;
  std::unique_ptr<Engines> engines_;
  size_t produced_ = 0;
  bool begun_ = false;
  bool done_ = false;
  bool xerial_ = false;
};

// All at once, in any framing.
Result<Slice> decompress(Compression codec, Bytes input, size_t limit);

// What a codec may be told (KIP-390), both ends included, and Kafka's default; 0 throughout where
// there is nothing to tell. Of zstd's those that need neither flags nor more memory than usual of
// whoever unpacks.
struct Levels {
  int least = 0;
  int most = 0;
  int usual = 0;
};
Levels levels_of(Compression codec);

// Snappy is written in xerial's framing, which every client reads. The level is Kafka's: lz4's 9,
// its default, is the fast compressor, any other the one that searches longer the higher it is.
// REQUIRES: a level within levels_of(codec).
Slice compress(Compression codec, Bytes input, int level);
inline Slice compress(Compression codec, Bytes input) {
  return compress(codec, input, levels_of(codec).usual);
}

}  // namespace isthmus::kafka
