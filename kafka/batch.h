// Record batches of format 2 (KIP-98), as they travel in Produce and Fetch and lie in the log.
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
#include <span>
#include <string_view>
#include <vector>

#include "kafka/compression.h"
#include "kafka/wire.h"

namespace isthmus::kafka {

inline constexpr size_t batch_header_size = 61;
inline constexpr size_t batch_length_end = 12;  // batch_length counts what follows this byte
inline constexpr size_t batch_crc_start = 21;   // the CRC covers what follows this byte
// Kafka has no limit for decompressed records; ours is far above message.max.bytes.
inline constexpr size_t max_decompressed_size = 256u << 20;

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
  size_t total_size() const { return batch_length_end + static_cast<size_t>(batch_length); }
  bool operator==(const BatchHeader&) const = default;
};

// The header at the start of `bytes`, checked for sense; the records need not be there.
Result<BatchHeader> read_batch_header(Bytes bytes);
// Writes all fields as they stand. REQUIRES: bytes.size() >= batch_header_size.
void write_batch_header(MutableBytes bytes, const BatchHeader& header);

// Header and CRC of a batch that must fill `batch` exactly.
Result<BatchHeader> check_batch(Bytes batch);

// What a leader sets when it appends. REQUIRES: a batch that passed read_batch_header().
void set_base_offset(MutableBytes batch, Offset offset);
void set_leader_epoch(MutableBytes batch, LeaderEpoch epoch);
// For message.timestamp.type=LogAppendTime. Computes the CRC anew. REQUIRES: the whole batch.
void set_log_append_time(MutableBytes batch, int64_t timestamp);

// Walks batches that follow one another: while (auto batch = batches.next()) ..., then end().
class BatchIterator {
 public:
  enum class End : uint8_t {
    clean,    // the bytes end where a batch ends
    partial,  // they end inside a batch: usual in Fetch responses and at a torn log's tail
    corrupt,  // error() says why
  };
  struct Batch {
    BatchHeader header;
    Bytes bytes;      // header and records
    size_t position;  // in the iterator's input
  };

  // With `check_crc` false only headers are checked.
  BatchIterator(Bytes input, bool check_crc) : input_(input), check_crc_(check_crc) {}
  std::optional<Batch> next();
  End end() const { return end_; }  // REQUIRES: next() returned nothing.
  const Error& error() const { return error_; }
  // The end of the last batch that was returned.
  size_t position() const { return position_; }

 private:
  Bytes input_;
  bool check_crc_;
  size_t position_ = 0;
  End end_ = End::clean;
  Error error_;
};

struct RecordHeader {
  std::string_view key;
  std::optional<Bytes> value;
};

// Views into the batch, or into its RecordReader if that had to decompress.
struct Record {
  Offset offset = 0;
  int64_t timestamp = -1;
  std::optional<Bytes> key;
  std::optional<Bytes> value;
  std::vector<RecordHeader> headers;
};

// The records of one batch, in ascending order of offsets. The batch outlives the reader.
class RecordReader {
 public:
  // The CRC is not checked again.
  static Result<RecordReader> open(Bytes batch, size_t limit = max_decompressed_size);

  const BatchHeader& header() const { return header_; }
  // False after the last record, and at bytes that are not a record: then ok() is false too.
  bool next(Record& record);
  bool ok() const { return input_.ok(); }
  Error error() const { return decode_error(input_, "record batch", header_.magic); }

 private:
  RecordReader(BatchHeader header, Slice records) : header_(header), input_(std::move(records)) {}
  std::optional<Bytes> field();

  BatchHeader header_;
  Reader input_;
  int32_t read_ = 0;
  int64_t last_delta_ = -1;
};

// Collects records into one batch.
class BatchBuilder {
 public:
  struct Options {
    Offset base_offset = 0;
    LeaderEpoch leader_epoch = -1;
    Compression compression = Compression::none;
    TimestampType timestamp_type = TimestampType::create_time;
    ProducerId producer_id = -1;
    ProducerEpoch producer_epoch = -1;
    int32_t base_sequence = -1;
    bool transactional = false;
    bool control = false;
  };

  explicit BatchBuilder(Options options) : options_(options) {}
  void add(int64_t timestamp, std::optional<Bytes> key, std::optional<Bytes> value,
           std::span<const RecordHeader> headers = {});
  // At a given offset: compaction leaves gaps. REQUIRES: ascending offsets.
  void add_at(Offset offset, int64_t timestamp, std::optional<Bytes> key,
              std::optional<Bytes> value, std::span<const RecordHeader> headers = {});
  // Compaction keeps a batch's last offset even when that record is gone.
  void keep_last_offset(Offset offset);

  int32_t count() const { return header_.record_count; }
  size_t uncompressed_size() const { return batch_header_size + records_.size(); }
  Slice finish() &&;

 private:
  Options options_;
  BatchHeader header_;
  Writer records_;
  Offset next_ = -1;
};

// The control record that ends a transaction in a partition.
enum class ControlType : int16_t { abort = 0, commit = 1 };
struct EndTransactionMarker {
  ControlType type = ControlType::abort;
  int32_t coordinator_epoch = 0;
};
// A batch with one marker. `options` says offset, leader epoch, producer id and epoch.
Slice build_marker(BatchBuilder::Options options, EndTransactionMarker marker, int64_t timestamp);
// The marker in a record of a control batch; nothing if it is another kind of control record.
Result<std::optional<EndTransactionMarker>> read_marker(const Record& record);

}  // namespace isthmus::kafka
