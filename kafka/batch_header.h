// The header of a record batch of format 2 (KIP-98), as it travels in Produce and Fetch and lies in
// the log.
//
//    0 base offset int64          21 attributes int16          43 producer id int64
//    8 batch length int32 (*)     23 last offset delta int32   51 producer epoch int16
//   12 leader epoch int32         27 base timestamp int64      53 base sequence int32
//   16 magic int8 (2)             35 max timestamp int64       57 record count int32
//   17 CRC-32C uint32 (**)                                     61 records, possibly compressed
//   (*) of what follows it. (**) of what follows it: so a broker may set base offset and leader
//   epoch without touching the rest.
//
// Works on bytes in memory and trusts none of them; any loop. Errors: corrupt, and
// UNSUPPORTED_FOR_MESSAGE_FORMAT for the message sets of Kafka before 0.11 (magic 0 and 1).
#pragma once

#include <optional>

#include "base/bytes.h"
#include "base/ids.h"
#include "kafka/compression.h"

namespace isthmus::kafka {

inline constexpr size_t batch_header_size = 61;
inline constexpr size_t batch_length_end = 12;  // batch_length counts what follows this byte
inline constexpr size_t batch_crc_start = 21;   // the CRC covers what follows this byte
inline constexpr size_t min_record_size = 7;    // length, attributes, 2 deltas, 2 lengths, headers
// Kafka has no limit for decompressed records. Ours stands far above what batches of a size hold
// (128 times that, which only what repeats itself reaches), and below what a process may lose.
inline constexpr size_t max_decompressed_size = size_t{256} << 20;
constexpr size_t max_decompressed_size_of(size_t batch_bytes) {
  constexpr size_t least = size_t{16} << 20;
  constexpr size_t times = 128;
  if (batch_bytes >= max_decompressed_size / times) return max_decompressed_size;
  return batch_bytes * times < least ? least : batch_bytes * times;
}

enum class TimestampType : uint8_t { create_time, log_append_time };

struct BatchHeader {
  static constexpr int16_t compression_mask = 0x07;
  static constexpr int16_t log_append_time_bit = 0x08;
  static constexpr int16_t transactional_bit = 0x10;
  static constexpr int16_t control_bit = 0x20;
  static constexpr int16_t delete_horizon_bit = 0x40;  // KIP-534

  Offset base_offset = 0;
  int32_t batch_length = 0;
  LeaderEpoch partition_leader_epoch = -1;
  int8_t magic = 2;
  uint32_t crc = 0;
  int16_t attributes = 0;
  int32_t last_offset_delta = 0;
  int64_t base_timestamp = -1;
  int64_t max_timestamp = -1;
  ProducerId producer_id = -1;
  ProducerEpoch producer_epoch = -1;
  int32_t base_sequence = -1;
  int32_t record_count = 0;  // less than last_offset_delta + 1 after compaction

  Compression compression() const { return Compression(attributes & compression_mask); }
  TimestampType timestamp_type() const { return TimestampType((attributes >> 3) & 1); }
  bool is_transactional() const { return attributes & transactional_bit; }
  bool is_control() const { return attributes & control_bit; }
  bool has_producer() const { return producer_id >= 0; }
  // When the compactor may drop a tombstone or marker; it then occupies base_timestamp.
  std::optional<int64_t> delete_horizon() const {
    if (attributes & delete_horizon_bit) return base_timestamp;
    return std::nullopt;
  }
  Offset last_offset() const { return base_offset + last_offset_delta; }
  Offset next_offset() const { return last_offset() + 1; }
  // Sequence numbers wrap from 2^31 - 1 to 0. REQUIRES: base_sequence >= 0.
  int32_t last_sequence() const {
    return static_cast<int32_t>((int64_t{base_sequence} + last_offset_delta) & 0x7fffffff);
  }
  // False where max_timestamp cannot be what the records say: the first of them is above it. So
  // wrote sarama up to 1.45.0 (-1), and so it may come from another cluster.
  bool has_likely_max_timestamp() const {
    return record_count == 0 || max_timestamp >= base_timestamp || delete_horizon() ||
           timestamp_type() == TimestampType::log_append_time;
  }
  // The same, as near as the header alone comes to it.
  int64_t likely_max_timestamp() const {
    return has_likely_max_timestamp() ? max_timestamp : base_timestamp;
  }
  size_t total_size() const { return batch_length_end + static_cast<size_t>(batch_length); }
  bool operator==(const BatchHeader&) const = default;
};

// The header at the start of `bytes`, checked for sense; the records need not be there.
Result<BatchHeader> read_batch_header(Bytes bytes);
// The fields as they stand. REQUIRES: bytes.size() >= batch_header_size.
BatchHeader decode_batch_header(Bytes bytes);
// Writes all fields as they stand. REQUIRES: bytes.size() >= batch_header_size.
void write_batch_header(MutableBytes bytes, const BatchHeader& header);

// Header and CRC of a batch that must fill `batch` exactly.
Result<BatchHeader> check_batch(Bytes batch);

// What a leader sets when it appends. REQUIRES: a batch that passed read_batch_header().
void set_base_offset(MutableBytes batch, Offset offset);
void set_leader_epoch(MutableBytes batch, LeaderEpoch epoch);
// For message.timestamp.type=LogAppendTime. Computes the CRC anew. REQUIRES: the whole batch.
void set_log_append_time(MutableBytes batch, int64_t timestamp);
// The same for a producer that has not said the largest of its records' timestamps.
void set_max_timestamp(MutableBytes batch, int64_t timestamp);

// Whether the CRC is that of the bytes, and making it so. REQUIRES: the whole batch.
bool has_batch_crc(Bytes batch);
void renew_batch_crc(MutableBytes batch);

// Timestamps and deltas are whatever a client wrote: their sum wraps around, as in Java.
inline int64_t add_wrapping(int64_t a, int64_t b) {
  return static_cast<int64_t>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
}

}  // namespace isthmus::kafka
