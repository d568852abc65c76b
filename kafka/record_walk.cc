#include "kafka/record_walk.h"

#include <algorithm>
#include <concepts>

namespace isthmus::kafka {
namespace {

// Zigzag varints, as strict as Reader's (wire.h). False where there are too many or too few bytes.
template <std::unsigned_integral Bits, typename From>
[[gnu::always_inline]] inline bool read_varint(From& from, Bits& value) {
  uint8_t byte = 0;
  if (!from.byte(byte)) return false;
  value = byte & 0x7f;
  constexpr int max_bits = sizeof(Bits) * 8;
  for (int shift = 7; (byte & 0x80) != 0; shift += 7) {
    if (shift >= max_bits || !from.byte(byte)) return false;
    const Bits bits = byte & 0x7f;
    if (max_bits - shift < 7 && bits >> (max_bits - shift) != 0) return false;
    value |= bits << shift;
  }
  return true;
}

template <typename Value, typename From>
[[gnu::always_inline]] inline bool read_signed(From& from, Value& value) {
  std::make_unsigned_t<Value> bits = 0;
  if (!read_varint(from, bits)) return false;
  value = static_cast<Value>(bits >> 1 ^ (~(bits & 1) + 1));
  return true;
}

}  // namespace

class RecordWalk::Here {
 public:
  Here(const uint8_t* at, size_t size) : at_(at), end_(at + size) {}
  size_t left() const { return static_cast<size_t>(end_ - at_); }
  bool byte(uint8_t& out) {
    if (at_ == end_) return false;
    out = *at_++;
    return true;
  }
  bool skip(size_t size) {
    if (size > left()) return false;
    at_ += size;
    return true;
  }

 private:
  const uint8_t* at_;
  const uint8_t* end_;
};

class RecordWalk::Across {
 public:
  Across(RecordWalk& walk, size_t size) : walk_(walk), left_(size) {}
  size_t left() const { return left_; }
  bool byte(uint8_t& out) {
    if (left_ == 0 || (walk_.at_ == walk_.end_ && !walk_.refill())) return false;
    out = *walk_.at_++;
    --left_;
    return true;
  }
  bool skip(size_t size) {
    if (size > left_) return false;
    left_ -= size;
    while (size > 0) {
      if (walk_.at_ == walk_.end_ && !walk_.refill()) return false;
      const size_t here = std::min(size, static_cast<size_t>(walk_.end_ - walk_.at_));
      walk_.at_ += here;
      size -= here;
    }
    return true;
  }

 private:
  RecordWalk& walk_;
  size_t left_;
};

RecordWalk::RecordWalk(Bytes batch, const BatchHeader& header, size_t limit, Framing framing)
    : header_(header), limit_(header.compression() == Compression::none ? batch.size() : limit) {
  const Bytes records = batch.subspan(batch_header_size);
  if (header.compression() == Compression::none) {
    window_ = records;
  } else if (header.record_count > 0) {  // compaction leaves nothing, not even nothing compressed
    unpacker_.emplace(header.compression(), records, limit, framing);
  }
  at_ = window_.data();
  end_ = at_ + window_.size();
}

bool RecordWalk::fail_with(Error error) {
  if (!error_) error_ = std::move(error);
  return false;
}

bool RecordWalk::fail_with(const char* why) { return fail_with(Error::corrupt(why)); }

// False at the end, and after an error.
bool RecordWalk::refill() {
  if (!unpacker_ || error_) return false;
  before_ += window_.size();
  window_ = {};
  at_ = end_ = nullptr;
  auto next = unpacker_->next();
  if (!next) return fail_with(std::move(next).error());
  window_ = *next;
  at_ = window_.data();
  end_ = at_ + window_.size();
  return !window_.empty();
}

bool RecordWalk::read_length(int32_t& length) {
  // At most the varint itself is taken from the next window.
  Across front(*this, 5);
  if (!read_signed(front, length)) return fail_with("the records end too early");
  if (length < 0) return fail_with("a record of negative length");
  // Said before the bytes are unpacked: a bomb of one record ends here.
  if (unpacker_ && static_cast<size_t>(length) > limit_ - std::min(limit_, walked())) {
    return fail_with(unpacker_->too_large());
  }
  return true;
}

bool RecordWalk::next(WalkedRecord& record) {
  if (error_) return false;
  if (index_ + 1 >= header_.record_count) return finish();
  ++index_;
  int32_t length = 0;
  if (!read_length(length)) return false;
  const auto size = static_cast<size_t>(length);
  const char* wrong = nullptr;
  if (size <= static_cast<size_t>(end_ - at_)) {
    Here body(at_, size);
    wrong = read_body(body, record);
    at_ += size;
  } else if (!unpacker_) {
    wrong = "a record is longer than the batch";
  } else {
    Across body(*this, size);
    wrong = read_body(body, record);
  }
  return wrong == nullptr || fail_with(wrong);
}

template <typename Body>
const char* RecordWalk::read_body(Body& body, WalkedRecord& record) const {
  constexpr auto too_short = "a record is longer than it says";
  uint8_t attributes = 0;  // none are defined
  int64_t timestamp_delta = 0;
  int32_t key = 0;
  int32_t value = 0;
  int32_t headers = 0;
  if (!body.byte(attributes) || !read_signed(body, timestamp_delta) ||
      !read_signed(body, record.offset_delta) || !read_signed(body, key)) {
    return too_short;
  }
  if (key < -1) return "a key of negative length";
  record.has_key = key >= 0;
  if (key > 0 && !body.skip(static_cast<size_t>(key))) return too_short;
  if (!read_signed(body, value)) return too_short;
  if (value < -1) return "a value of negative length";
  if (value > 0 && !body.skip(static_cast<size_t>(value))) return too_short;
  if (!read_signed(body, headers)) return too_short;
  if (headers < 0 || static_cast<size_t>(headers) > body.left() / 2) {
    return "a count of headers that does not fit";
  }
  for (int32_t i = 0; i < headers; ++i) {
    if (!read_signed(body, key)) return too_short;
    if (key < 0) return "a header without a key";
    if (!body.skip(static_cast<size_t>(key)) || !read_signed(body, value)) return too_short;
    if (value < -1) return "a header's value of negative length";
    if (value > 0 && !body.skip(static_cast<size_t>(value))) return too_short;
  }
  if (body.left() != 0) return "a record is shorter than it says";
  record.timestamp = header_.timestamp_type() == TimestampType::log_append_time
                         ? header_.max_timestamp
                         : add_wrapping(header_.base_timestamp, timestamp_delta);
  return nullptr;
}

bool RecordWalk::finish() {
  // A compressed end is one only when the codec has said so.
  if (at_ != end_ || refill()) return fail_with("bytes behind the last record");
  return false;
}

int64_t largest_timestamp(Bytes batch, const BatchHeader& header, size_t limit) {
  if (header.has_likely_max_timestamp()) return header.max_timestamp;
  int64_t largest = header.base_timestamp;
  RecordWalk walk(batch, header, limit, Framing::any);
  WalkedRecord record;
  while (walk.next(record)) largest = std::max(largest, record.timestamp);
  return largest;
}

}  // namespace isthmus::kafka
