#include "kafka/batch_header.h"

#include <algorithm>
#include <limits>

#include "base/check.h"
#include "base/crc32c.h"
#include "kafka/wire.h"

namespace isthmus::kafka {
namespace {

constexpr size_t leader_epoch_at = 12;
constexpr size_t magic_at = 16;
constexpr size_t crc_at = 17;
constexpr size_t attributes_at = 21;
constexpr size_t max_timestamp_at = 35;

std::unexpected<Error> broken(std::string why) {
  return fail(Error::corrupt("record batch: " + std::move(why)));
}

// Sizes and counts that contradict one another.
Result<void> check_header(const BatchHeader& h) {
  if (h.batch_length < static_cast<int32_t>(batch_header_size - batch_length_end)) {
    return broken("its length " + std::to_string(h.batch_length) + " is less than its header");
  }
  if ((h.attributes & BatchHeader::compression_mask) > static_cast<int>(Compression::zstd)) {
    return refuse(ErrorCode::unsupported_compression_type,
                  "record batch: unknown compression codec");
  }
  if (h.last_offset_delta < 0 || h.record_count < 0 ||
      h.record_count > int64_t{h.last_offset_delta} + 1) {
    return broken(std::to_string(h.record_count) + " records with a last offset delta of " +
                  std::to_string(h.last_offset_delta));
  }
  if (h.base_offset < 0 ||
      h.base_offset >= std::numeric_limits<Offset>::max() - h.last_offset_delta) {
    return broken("base offset " + std::to_string(h.base_offset));
  }
  const size_t room = h.total_size() - batch_header_size;
  if (h.compression() == Compression::none &&
      static_cast<size_t>(h.record_count) > room / min_record_size) {
    return broken(std::to_string(h.record_count) + " records in " + std::to_string(room) +
                  " bytes");
  }
  return {};
}

uint32_t crc_of(Bytes batch) { return crc32c(batch.subspan(batch_crc_start)); }

}  // namespace

BatchHeader decode_batch_header(Bytes bytes) {
  const uint8_t* p = bytes.data();
  BatchHeader h;
  h.base_offset = load_be<int64_t>(p);
  h.batch_length = load_be<int32_t>(p + 8);
  h.partition_leader_epoch = load_be<int32_t>(p + leader_epoch_at);
  h.magic = static_cast<int8_t>(p[magic_at]);
  h.crc = load_be<uint32_t>(p + crc_at);
  h.attributes = load_be<int16_t>(p + attributes_at);
  h.last_offset_delta = load_be<int32_t>(p + 23);
  h.base_timestamp = load_be<int64_t>(p + 27);
  h.max_timestamp = load_be<int64_t>(p + max_timestamp_at);
  h.producer_id = load_be<int64_t>(p + 43);
  h.producer_epoch = load_be<int16_t>(p + 51);
  h.base_sequence = load_be<int32_t>(p + 53);
  h.record_count = load_be<int32_t>(p + 57);
  return h;
}

Result<BatchHeader> read_batch_header(Bytes bytes) {
  if (bytes.size() > magic_at && bytes[magic_at] < 2) {
    return fail(error_of(ErrorCode::unsupported_for_message_format,
                         "message format " + std::to_string(bytes[magic_at]) +
                             "; only record batches (format 2) are supported"));
  }
  if (bytes.size() < batch_header_size) {
    return broken(std::to_string(bytes.size()) + " bytes are less than its header");
  }
  const BatchHeader h = decode_batch_header(bytes);
  if (h.magic != 2) return broken("magic " + std::to_string(h.magic) + " is not 2");
  if (auto sense = check_header(h); !sense) return fail(sense.error());
  return h;
}

void write_batch_header(MutableBytes bytes, const BatchHeader& h) {
  Writer w;
  w.int64(h.base_offset);
  w.int32(h.batch_length);
  w.int32(h.partition_leader_epoch);
  w.int8(h.magic);
  w.uint32(h.crc);
  w.int16(h.attributes);
  w.int32(h.last_offset_delta);
  w.int64(h.base_timestamp);
  w.int64(h.max_timestamp);
  w.int64(h.producer_id);
  w.int16(h.producer_epoch);
  w.int32(h.base_sequence);
  w.int32(h.record_count);
  CHECK(bytes.size() >= batch_header_size, "room for a batch header");
  std::ranges::copy(w.unsealed(), bytes.begin());
}

Result<BatchHeader> check_batch(Bytes batch) {
  auto header = read_batch_header(batch);
  if (!header) return header;
  if (header->total_size() != batch.size()) {
    return broken("it is " + std::to_string(header->total_size()) + " bytes long, not " +
                  std::to_string(batch.size()));
  }
  if (!has_batch_crc(batch)) {
    return broken("the CRC does not match at base offset " + std::to_string(header->base_offset));
  }
  return header;
}

void set_base_offset(MutableBytes batch, Offset offset) { store_be(batch.data(), offset); }

void set_leader_epoch(MutableBytes batch, LeaderEpoch epoch) {
  store_be(batch.data() + leader_epoch_at, epoch);
}

void set_log_append_time(MutableBytes batch, int64_t timestamp) {
  uint8_t* attributes = batch.data() + attributes_at;
  const int old = load_be<int16_t>(attributes);
  store_be(attributes, static_cast<int16_t>(old | BatchHeader::log_append_time_bit));
  set_max_timestamp(batch, timestamp);
}

void set_max_timestamp(MutableBytes batch, int64_t timestamp) {
  store_be(batch.data() + max_timestamp_at, timestamp);
  renew_batch_crc(batch);
}

void renew_batch_crc(MutableBytes batch) { store_be(batch.data() + crc_at, crc_of(batch)); }

bool has_batch_crc(Bytes batch) {
  return load_be<uint32_t>(batch.data() + crc_at) == crc_of(batch);
}

}  // namespace isthmus::kafka
