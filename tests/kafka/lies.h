// Batches that lie: whole, with a good CRC, and wrong in one thing that a test names.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "kafka/batch.h"
#include "kafka/batch_header.h"

namespace isthmus::kafka {

// One record as bytes; each field may be made to say something else than what is there.
struct RawRecord {
  int64_t timestamp_delta = 0;
  int32_t offset_delta = 0;
  std::optional<std::string> key = "key";
  std::string value = "value";
  int32_t value_length = -2;  // -2: as long as it is
  int32_t header_count = 0;
  std::vector<uint8_t> headers = {};  // as they are written
  int32_t length_off = 0;             // the length says so much more than is there

  std::vector<uint8_t> bytes() const {
    Writer body;
    body.int8(0);
    body.varlong(timestamp_delta);
    body.varint(offset_delta);
    body.varint(key ? static_cast<int32_t>(key->size()) : -1);
    if (key) body.raw(as_bytes(*key));
    body.varint(value_length == -2 ? static_cast<int32_t>(value.size()) : value_length);
    body.raw(as_bytes(value));
    body.varint(header_count);
    body.raw(headers);
    Writer whole;
    whole.varint(static_cast<int32_t>(body.size()) + length_off);
    whole.raw(body.unsealed());
    return {whole.unsealed().begin(), whole.unsealed().end()};
  }
};

inline std::vector<uint8_t> raw_records(const std::vector<RawRecord>& records) {
  std::vector<uint8_t> all;
  for (const RawRecord& record : records) {
    const auto bytes = record.bytes();
    all.insert(all.end(), bytes.begin(), bytes.end());
  }
  return all;
}

// `count` records of 1,000 ms, 1,001 ms and so on.
inline std::vector<RawRecord> usual_records(int32_t count) {
  std::vector<RawRecord> records(static_cast<size_t>(count));
  for (int32_t i = 0; i < count; ++i) {
    records[static_cast<size_t>(i)].timestamp_delta = i;
    records[static_cast<size_t>(i)].offset_delta = i;
  }
  return records;
}

inline BatchHeader usual_header(int32_t count) {
  BatchHeader header;
  header.last_offset_delta = count - 1;
  header.record_count = count;
  header.base_timestamp = 1000;
  header.max_timestamp = 1000 + count - 1;
  return header;
}

// `payload` stands behind the header as it is; length and CRC follow from it, the rest from
// `header`.
inline Slice raw_batch(BatchHeader header, Bytes payload) {
  std::vector<uint8_t> batch(batch_header_size + payload.size());
  header.batch_length = static_cast<int32_t>(batch.size() - batch_length_end);
  write_batch_header(batch, header);
  std::copy(payload.begin(), payload.end(), batch.begin() + batch_header_size);
  renew_batch_crc(batch);
  return Slice::take(std::move(batch));
}

inline Slice packed_batch(Compression codec, BatchHeader header, Bytes packed) {
  header.attributes = static_cast<int16_t>(codec);
  return raw_batch(header, packed);
}

// A good batch of `count` records but for what `change` does to its header.
inline Slice batch_with(int32_t count, const std::function<void(BatchHeader&)>& change) {
  BatchHeader header = usual_header(count);
  change(header);
  return raw_batch(header, raw_records(usual_records(count)));
}

// One record whose value is so many zeros, packed: some kilobytes that ask for gigabytes.
inline Slice bomb(Compression codec, size_t unpacked) {
  RawRecord record;
  record.value = std::string(unpacked, '\0');
  return packed_batch(codec, usual_header(1), compress(codec, record.bytes()));
}

}  // namespace isthmus::kafka
