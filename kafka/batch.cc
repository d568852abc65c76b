#include "kafka/batch.h"

#include <algorithm>

#include "base/check.h"

namespace isthmus::kafka {
namespace {

constexpr size_t magic_at = 16;
constexpr int16_t control_version = 0;  // of key and value alike
// Of a gap's control record; Kafka's own types are counted from 0.
constexpr int16_t gap_type = 0x6973;

std::unexpected<Error> broken(std::string why) {
  return fail(Error::corrupt("record batch: " + std::move(why)));
}

int64_t minus(int64_t a, int64_t b) {
  return static_cast<int64_t>(static_cast<uint64_t>(a) - static_cast<uint64_t>(b));
}

void write_field(Writer& w, const std::optional<Bytes>& field) {
  w.varint(field ? static_cast<int32_t>(field->size()) : -1);
  if (field) w.raw(*field);
}

}  // namespace

std::optional<BatchIterator::Batch> BatchIterator::next() {
  const Bytes left = input_.subspan(position_);
  end_ = End::clean;
  if (left.empty()) return std::nullopt;
  end_ = End::partial;
  const bool old_format = left.size() > magic_at && left[magic_at] < 2;
  if (left.size() < batch_header_size && !old_format) return std::nullopt;
  auto header = read_batch_header(left);
  if (header && header->total_size() > left.size()) return std::nullopt;
  if (header && check_crc_) header = check_batch(left.first(header->total_size()));
  if (!header) {
    end_ = End::corrupt;
    error_ = std::move(header).error();
    return std::nullopt;
  }
  Batch batch{*header, left.first(header->total_size()), position_};
  position_ += batch.bytes.size();
  return batch;
}

Result<RecordReader> RecordReader::open(Bytes batch, size_t limit) {
  auto header = read_batch_header(batch);
  if (!header) return fail(header.error());
  if (header->total_size() > batch.size()) return broken("its records are cut off");
  const Bytes records = batch.subspan(batch_header_size, header->total_size() - batch_header_size);
  if (header->compression() == Compression::none || header->record_count == 0) {
    return RecordReader(*header, Slice(nullptr, records));
  }
  auto plain = decompress(header->compression(), records, limit);
  if (!plain) return fail(plain.error());
  return RecordReader(*header, std::move(*plain));
}

std::optional<Bytes> RecordReader::field() {
  const int32_t size = input_.varint();
  if (size == -1) return std::nullopt;
  if (size < 0) input_.fail("a negative length");
  return input_.raw(input_.ok() ? static_cast<size_t>(size) : 0).view();
}

bool RecordReader::next(Record& record) {
  if (read_ == header_.record_count) {
    if (input_.remaining() > 0 && header_.record_count > 0) input_.fail("bytes after the records");
    return false;
  }
  const int32_t length = input_.varint();
  const size_t start = input_.position();
  input_.int8();  // attributes: none are defined
  const int64_t timestamp_delta = input_.varlong();
  const int32_t offset_delta = input_.varint();
  if (offset_delta <= last_delta_ || offset_delta > header_.last_offset_delta) {
    input_.fail("an offset out of order");
  }
  record.offset = header_.base_offset + offset_delta;
  record.timestamp = header_.timestamp_type() == TimestampType::log_append_time
                         ? header_.max_timestamp
                         : add_wrapping(header_.base_timestamp, timestamp_delta);
  record.key = field();
  record.value = field();
  record.headers.clear();
  const int32_t headers = input_.varint();
  if (headers < 0 || static_cast<size_t>(headers) > input_.remaining() / 2) {
    input_.fail("a count of headers that does not fit");
  }
  for (int32_t i = 0; i < headers && input_.ok(); ++i) {
    const auto key = field();
    if (!key) input_.fail("a header without a key");
    record.headers.push_back({as_text(key.value_or(Bytes())), field()});
  }
  if (input_.position() - start != static_cast<size_t>(length)) {
    input_.fail("a record is not as long as it says");
  }
  last_delta_ = offset_delta;
  ++read_;
  return input_.ok();
}

void BatchBuilder::add(int64_t timestamp, std::optional<Bytes> key, std::optional<Bytes> value,
                       std::span<const RecordHeader> headers) {
  add_at(next_ < 0 ? options_.base_offset : next_, timestamp, key, value, headers);
}

void BatchBuilder::add_at(Offset offset, int64_t timestamp, std::optional<Bytes> key,
                          std::optional<Bytes> value, std::span<const RecordHeader> headers) {
  CHECK(offset >= std::max(next_, options_.base_offset), "offsets ascend");
  if (header_.record_count == 0) header_.base_timestamp = timestamp;
  const auto delta = static_cast<int32_t>(offset - options_.base_offset);
  Writer body;
  body.int8(0);
  body.varlong(minus(timestamp, header_.base_timestamp));
  body.varint(delta);
  write_field(body, key);
  write_field(body, value);
  body.varint(static_cast<int32_t>(headers.size()));
  for (const RecordHeader& header : headers) {
    write_field(body, as_bytes(header.key));
    write_field(body, header.value);
  }
  records_.varint(static_cast<int32_t>(body.size()));
  records_.raw(body.unsealed());
  header_.max_timestamp = std::max(header_.max_timestamp, timestamp);
  header_.last_offset_delta = delta;
  ++header_.record_count;
  next_ = offset + 1;
}

void BatchBuilder::keep_last_offset(Offset offset) {
  CHECK(offset >= next_ - 1, "the last offset is not before the last record");
  header_.last_offset_delta = static_cast<int32_t>(offset - options_.base_offset);
}

Slice BatchBuilder::finish() && {
  const bool packed = options_.compression != Compression::none && header_.record_count > 0;
  const Slice compressed = packed ? compress(options_.compression, records_.unsealed()) : Slice();
  const Bytes records = packed ? compressed.view() : records_.unsealed();
  BatchHeader h = header_;
  h.base_offset = options_.base_offset;
  h.partition_leader_epoch = options_.leader_epoch;
  h.attributes = static_cast<int16_t>(packed ? options_.compression : Compression::none);
  if (options_.timestamp_type == TimestampType::log_append_time) {
    h.attributes |= BatchHeader::log_append_time_bit;
  }
  if (options_.transactional) h.attributes |= BatchHeader::transactional_bit;
  if (options_.control) h.attributes |= BatchHeader::control_bit;
  h.producer_id = options_.producer_id;
  h.producer_epoch = options_.producer_epoch;
  h.base_sequence = options_.base_sequence;
  h.batch_length = static_cast<int32_t>(batch_header_size - batch_length_end + records.size());
  std::vector<uint8_t> batch(batch_header_size + records.size());
  std::ranges::copy(records, batch.begin() + batch_header_size);
  write_batch_header(batch, h);
  renew_batch_crc(batch);
  return Slice::take(std::move(batch));
}

Slice build_marker(BatchBuilder::Options options, EndTransactionMarker marker, int64_t timestamp) {
  Writer key;
  key.int16(control_version);
  key.int16(static_cast<int16_t>(marker.type));
  Writer value;
  value.int16(control_version);
  value.int32(marker.coordinator_epoch);
  options.transactional = true;
  options.control = true;
  options.compression = Compression::none;
  options.base_sequence = -1;
  BatchBuilder builder(options);
  builder.add(timestamp, key.unsealed(), value.unsealed());
  return std::move(builder).finish();
}

Slice build_gap(BatchBuilder::Options options, Offset last) {
  Writer key;
  key.int16(control_version);
  key.int16(gap_type);
  Writer value;
  value.int16(control_version);
  options.control = true;
  BatchBuilder builder(options);
  builder.add_at(last, -1, key.unsealed(), value.unsealed());
  return std::move(builder).finish();
}

Result<ControlRecord> read_control(const Record& record) {
  Reader key(Slice(nullptr, record.key.value_or(Bytes())));
  const int16_t key_version = key.int16();
  const int16_t type = key.int16();
  if (!key.ok() || key_version < 0) return broken("a control record without version and type");
  ControlRecord control;
  control.is_gap = type == gap_type;
  if (type != static_cast<int16_t>(ControlType::abort) &&
      type != static_cast<int16_t>(ControlType::commit)) {
    return control;
  }
  Reader value(Slice(nullptr, record.value.value_or(Bytes())));
  value.int16();  // newer versions only add fields
  control.marker = EndTransactionMarker{ControlType(type), value.int32()};
  if (!value.ok()) return broken("a transaction marker without its coordinator's epoch");
  return control;
}

}  // namespace isthmus::kafka
