// Record batches (batch_header.h): walked, read, built.
//
// Works on bytes in memory and trusts none of them; any loop. Errors: corrupt, and
// UNSUPPORTED_FOR_MESSAGE_FORMAT for the message sets of Kafka before 0.11 (magic 0 and 1).
#pragma once

#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "kafka/batch_header.h"
#include "kafka/wire.h"

namespace isthmus::kafka {

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

// A batch that fills `options.base_offset` to `last` with offsets that are not given out: after a
// failover consumers may have read others there at the lost site. Its one record, at `last`, is a
// control record of a type of our own: each client library skips the types that it does not know,
// and the batch with them; with no record at all some would never come to its end, and a marker
// would end a transaction. It has no timestamp: no time was written then, and both sites make the
// same bytes. `options` says offset and leader epoch.
Slice build_gap(BatchBuilder::Options options, Offset last);

// What the record of a control batch says. Of another kind, or compacted away: neither.
struct ControlRecord {
  std::optional<EndTransactionMarker> marker;
  bool is_gap = false;
};
Result<ControlRecord> read_control(const Record& record);

}  // namespace isthmus::kafka
