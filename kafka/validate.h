// What a log demands of a batch before it takes it from a producer: nothing is stored that a
// consumer would choke on. In two steps, as Kafka's LogValidator does both:
//
//   read_produced_header   the header and the CRC: a few nanoseconds, and the CRC
//   validate_records       one pass over the records, unpacked a window at a time (record_walk.h)
//
// An answer is Kafka's: CORRUPT_MESSAGE for bytes that changed on their way, which a producer may
// send again; INVALID_RECORD, INVALID_TIMESTAMP, UNSUPPORTED_COMPRESSION_TYPE, MESSAGE_TOO_LARGE
// for what it made so, with the records at fault (KIP-467). Stricter than Kafka where a client that
// is in use cannot read what Kafka takes: offsets that are not 0, 1, 2, ..., bytes behind a gzip
// member or an lz4 frame, lengths below -1.
//
// Plain functions, any thread. What another cluster has taken is not validated again: its bytes are
// kept as they are, with the holes of a compaction, and a client of that cluster reads the same.
#pragma once

#include <string>
#include <vector>

#include "kafka/batch_header.h"
#include "kafka/errors.h"

namespace isthmus::kafka {

// Of a topic (its configuration, resolved).
struct RecordRules {
  static constexpr int64_t any = INT64_MAX;

  bool keys_required = false;  // cleanup.policy has "compact"
  TimestampType timestamp_type = TimestampType::create_time;
  size_t max_batch_bytes = SIZE_MAX;  // as it comes
  // How far a record's timestamp may lie before and after the broker's clock, in milliseconds.
  int64_t before_max_ms = any;
  int64_t after_max_ms = any;
  size_t max_unpacked = max_decompressed_size;
};

struct RecordFault {
  int32_t index = 0;  // within the batch
  std::string text;
};

struct Verdict {
  static constexpr size_t max_faults = 100;  // an answer may not outgrow its request

  ErrorCode error = ErrorCode::none;
  std::string text;
  std::vector<RecordFault> faults;  // the first of them
  int64_t max_timestamp = -1;       // of the records; only if accepted
  size_t walked = 0;                // bytes of records that were looked at, unpacked

  bool accepted() const { return error == ErrorCode::none; }
};

// The header if it is in order, in one batch that fills `batch` exactly.
struct ProducedHeader {
  BatchHeader header;
  Verdict verdict;
};
ProducedHeader read_produced_header(Bytes batch);

// `header` is what read_produced_header() has accepted; `now_ms` the broker's clock. More unpacked
// bytes than `max_unpacked` end it with MESSAGE_TOO_LARGE: with less than a topic allows, it is a
// question of work alone.
Verdict validate_records(Bytes batch, const BatchHeader& header, const RecordRules& rules,
                         int64_t now_ms);

}  // namespace isthmus::kafka
