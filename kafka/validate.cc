#include "kafka/validate.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/saturating.h"
#include "kafka/record_walk.h"

namespace isthmus::kafka {
namespace {

using std::to_string;

constexpr size_t magic_at = 16;

Verdict refused(ErrorCode error, std::string text) {
  return {.error = error, .text = std::move(text)};
}

Verdict invalid(std::string text) { return refused(ErrorCode::invalid_record, std::move(text)); }

// What the bytes are, before anything in them counts for more than a number.
Verdict check_bytes(Bytes batch) {
  if (batch.empty()) return invalid("no records");
  if (batch.size() > magic_at && batch[magic_at] < 2) {
    return refused(ErrorCode::unsupported_for_message_format,
                   "message format " + to_string(batch[magic_at]) +
                       "; only record batches (format 2) are supported");
  }
  if (batch.size() < batch_header_size) {
    return refused(ErrorCode::corrupt_message,
                   to_string(batch.size()) + " bytes are less than a batch's header");
  }
  if (batch[magic_at] != 2) return invalid("magic " + to_string(batch[magic_at]) + " is not 2");
  return {};
}

Verdict check_length(Bytes batch, const BatchHeader& h) {
  if (h.batch_length < static_cast<int32_t>(batch_header_size - batch_length_end)) {
    return refused(ErrorCode::corrupt_message,
                   "a length of " + to_string(h.batch_length) + " is less than a batch's header");
  }
  if (h.total_size() != batch.size()) {
    return invalid("a produce request has one batch per partition, whole and with nothing behind");
  }
  if (!has_batch_crc(batch)) {
    return refused(ErrorCode::corrupt_message, "the CRC of the batch does not match");
  }
  return {};
}

// What is intact was made so: sending it again would not help.
Verdict check_sense(const BatchHeader& h) {
  if ((h.attributes & BatchHeader::compression_mask) > static_cast<int>(Compression::zstd)) {
    return refused(ErrorCode::unsupported_compression_type, "unknown compression codec");
  }
  if (h.base_offset != 0) return invalid("base offset " + to_string(h.base_offset) + " is not 0");
  if (h.last_offset_delta < 0) {
    return invalid("last offset delta " + to_string(h.last_offset_delta) + " is below 0");
  }
  if (h.record_count <= 0) return invalid("a batch of " + to_string(h.record_count) + " records");
  if (h.record_count != int64_t{h.last_offset_delta} + 1) {
    return invalid(to_string(h.record_count) + " records with a last offset delta of " +
                   to_string(h.last_offset_delta));
  }
  if (h.is_control()) return invalid("clients do not write control records");
  if (h.has_producer() && h.base_sequence < 0) {
    return invalid("sequence " + to_string(h.base_sequence) + " of producer " +
                   to_string(h.producer_id));
  }
  const size_t room = h.total_size() - batch_header_size;
  if (h.compression() == Compression::none &&
      static_cast<size_t>(h.record_count) > room / min_record_size) {
    return invalid(to_string(h.record_count) + " records in " + to_string(room) + " bytes");
  }
  return {};
}

// The times that are taken, both ends included.
struct Times {
  int64_t first = std::numeric_limits<int64_t>::min();
  int64_t last = std::numeric_limits<int64_t>::max();

  Times(const RecordRules& rules, int64_t now_ms) {
    if (rules.timestamp_type == TimestampType::log_append_time) return;  // they do not stay
    first = add_saturating(now_ms, -std::max<int64_t>(0, rules.before_max_ms));
    last = add_saturating(now_ms, std::max<int64_t>(0, rules.after_max_ms));
  }
  bool hold(int64_t timestamp) const {
    return timestamp == -1 || (timestamp >= first && timestamp <= last);  // -1 is none at all
  }
};

// Collects what is wrong with single records.
class Faults {
 public:
  Faults(const RecordRules& rules, const Times& times, Verdict& verdict)
      : rules_(rules), times_(times), verdict_(verdict) {}

  bool concern(const WalkedRecord& record, int32_t index) const {
    return record.offset_delta != index || (rules_.keys_required && !record.has_key) ||
           !times_.hold(record.timestamp);
  }
  // REQUIRES: concern().
  void add(const WalkedRecord& record, int32_t index) {
    const bool time_alone =
        record.offset_delta == index && (record.has_key || !rules_.keys_required);
    // As in Kafka, a wrong time anywhere is what the whole batch is answered with.
    if (time_alone) verdict_.error = ErrorCode::invalid_timestamp;
    if (verdict_.accepted()) verdict_.error = ErrorCode::invalid_record;
    ++count_;
    if (verdict_.faults.size() < Verdict::max_faults) {
      verdict_.faults.push_back({index, describe(record, index)});
    }
  }
  void sum_up() {
    if (count_ == 0) return;
    const RecordFault& first = verdict_.faults.front();
    verdict_.text = "record " + to_string(first.index) + ": " + first.text;
    if (count_ > 1) verdict_.text += "; and " + to_string(count_ - 1) + " more";
  }

 private:
  std::string describe(const WalkedRecord& record, int32_t index) const {
    if (record.offset_delta != index) {
      return "offset delta " + to_string(record.offset_delta) + " where " + to_string(index) +
             " is due";
    }
    if (rules_.keys_required && !record.has_key) {
      return "a compacted topic takes no record without a key";
    }
    return "timestamp " + to_string(record.timestamp) + " is not within " +
           to_string(times_.first) + " to " + to_string(times_.last);
  }

  const RecordRules& rules_;
  const Times& times_;
  Verdict& verdict_;
  size_t count_ = 0;
};

// A walk that has ended before its end.
Verdict broken_off(const RecordWalk& walk) {
  const Error& error = walk.error();
  const bool named = error.kind == Error::Kind::kafka;
  Verdict verdict = named ? refused(static_cast<ErrorCode>(error.code), error.text)
                          : invalid("record " + to_string(walk.index()) + ": " + error.text);
  if (!named) verdict.faults.push_back({std::max(0, walk.index()), error.text});
  verdict.walked = walk.walked();
  return verdict;
}

}  // namespace

ProducedHeader read_produced_header(Bytes batch) {
  ProducedHeader read{{}, check_bytes(batch)};
  if (!read.verdict.accepted()) return read;
  read.header = decode_batch_header(batch);
  read.verdict = check_length(batch, read.header);
  if (read.verdict.accepted()) read.verdict = check_sense(read.header);
  return read;
}

Verdict validate_records(Bytes batch, const BatchHeader& header, const RecordRules& rules,
                         int64_t now_ms) {
  if (header.timestamp_type() == TimestampType::log_append_time) {
    return refused(ErrorCode::invalid_timestamp,
                   "a producer does not set the timestamp type LogAppendTime");
  }
  if (batch.size() > rules.max_batch_bytes) {
    return refused(ErrorCode::message_too_large, "a batch of " + to_string(batch.size()) +
                                                     " bytes; max.message.bytes is " +
                                                     to_string(rules.max_batch_bytes));
  }
  if (static_cast<size_t>(header.record_count) > rules.max_unpacked / min_record_size) {
    return refused(ErrorCode::message_too_large, to_string(header.record_count) +
                                                     " records are more than " +
                                                     to_string(rules.max_unpacked) + " bytes");
  }
  Verdict verdict;
  const Times times(rules, now_ms);
  Faults faults(rules, times, verdict);
  RecordWalk walk(batch, header, rules.max_unpacked, Framing::common);
  WalkedRecord record;
  int64_t largest = -1;
  for (int32_t index = 0; walk.next(record); ++index) {
    largest = std::max(largest, record.timestamp);
    if (faults.concern(record, index)) [[unlikely]] {
      faults.add(record, index);
    }
  }
  if (!walk.ok()) return broken_off(walk);
  verdict.walked = walk.walked();
  faults.sum_up();
  if (verdict.accepted()) verdict.max_timestamp = largest;
  return verdict;
}

}  // namespace isthmus::kafka
