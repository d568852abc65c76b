// Batches: record batches made before the measurement, so that the client is not the limit.
//
// The payload, random bytes or text, comes from a seeded generator: whoever knows the seed knows
// batch number n, and so a consumer checks content and order by the CRC alone. A pool far above the
// CPU's caches is used in turn. Values of a batch begin with room for a time stamp (see stamped()).
//
// A plain value of the client, on any thread.
#pragma once

#include <vector>

#include "base/bytes.h"
#include "io/loop.h"

namespace isthmus::bench {

class Batches {
 public:
  struct Shape {
    uint64_t seed = 1;
    size_t batch_bytes = size_t{1} << 20;  // at most; header included
    size_t record_bytes = 1024;            // of a value; keys are null
    int64_t timestamp_ms = 0;              // of all records
    bool text = false;                     // values compress as logs do (bench/text.h)
  };
  explicit Batches(const Shape& shape);

  // With base offset 0, as a producer sends it.
  const Slice& at(int64_t number) const { return pool_[index(number)]; }
  uint32_t crc_of(int64_t number) const { return crcs_[index(number)]; }
  int32_t records_per_batch() const { return records_per_batch_; }

  // A copy of batch `number` that carries `at` in its first record.
  Slice stamped(int64_t number, io::Instant at) const;
  // What stamped() wrote.
  io::Instant stamp_of(Bytes batch) const;

 private:
  size_t index(int64_t number) const { return static_cast<size_t>(number) % pool_.size(); }

  std::vector<Slice> pool_;
  std::vector<uint32_t> crcs_;
  int32_t records_per_batch_ = 0;
  size_t stamp_position_ = 0;
};

}  // namespace isthmus::bench
