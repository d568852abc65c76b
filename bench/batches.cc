#include "bench/batches.h"

#include "base/check.h"
#include "base/crc32c.h"
#include "bench/text.h"
#include "kafka/batch.h"

namespace isthmus::bench {

namespace {

constexpr size_t pool_bytes = size_t{32} << 20;
constexpr size_t record_overhead = 16;  // at most, of lengths and deltas as varints
constexpr size_t crc_position = 17;

// SplitMix64: bytes that neither compress nor repeat.
class Generator {
 public:
  explicit Generator(uint64_t seed) : state_(seed) {}
  uint64_t next() {
    uint64_t z = state_ += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }

 private:
  uint64_t state_;
};

}  // namespace

Batches::Batches(const Shape& shape) {
  Generator generator(shape.seed);
  uint64_t text_state = shape.seed;
  std::vector<uint8_t> value(shape.record_bytes);
  for (size_t made = 0; made < pool_bytes; made += shape.batch_bytes) {
    kafka::BatchBuilder builder({});
    do {
      if (shape.text) {
        const std::string text = text_of(value.size(), text_state);
        std::ranges::copy(text, value.begin());
      } else {
        for (size_t i = 0; i + 8 <= value.size(); i += 8) store_be(&value[i], generator.next());
      }
      builder.add(shape.timestamp_ms, std::nullopt, value);
    } while (builder.uncompressed_size() + value.size() + record_overhead <= shape.batch_bytes);
    records_per_batch_ = builder.count();
    pool_.push_back(std::move(builder).finish());
    crcs_.push_back(kafka::read_batch_header(pool_.back())->crc);
  }
  auto reader = kafka::RecordReader::open(pool_.front());
  kafka::Record first;
  CHECK(reader && reader->next(first) && first.value, "a batch that we built has a value");
  stamp_position_ = static_cast<size_t>(first.value->data() - pool_.front().data());
}

Slice Batches::stamped(int64_t number, io::Instant instant) const {
  std::vector<uint8_t> batch(at(number).view().begin(), at(number).view().end());
  store_be(&batch[stamp_position_], static_cast<int64_t>(instant.time_since_epoch().count()));
  const Bytes covered = Bytes(batch).subspan(kafka::batch_crc_start);
  store_be(&batch[crc_position], crc32c(covered));
  return Slice::take(std::move(batch));
}

io::Instant Batches::stamp_of(Bytes batch) const {
  return io::Instant(io::Duration(load_be<int64_t>(batch.data() + stamp_position_)));
}

}  // namespace isthmus::bench
