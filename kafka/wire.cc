#include "kafka/wire.h"

#include <algorithm>
#include <bit>
#include <limits>

namespace isthmus::kafka {

namespace {

// What the arrays of one message may take in memory, elements alone: a topic of two bytes becomes a
// structure of 56, so 100 MB of them would become gigabytes. An element's fixed fields are at most
// a few times larger in memory than on the wire, and a name of a few letters takes 32 bytes, so no
// message that says something comes near 16 times its size; a small one may, and does no harm. The
// largest that a broker is sent or sends (metadata of 100,000 partitions) takes some 20 MiB.
constexpr size_t small_arrays_size = size_t{64} << 10;
constexpr size_t max_arrays_growth = 16;
constexpr size_t max_arrays_size = size_t{64} << 20;

}  // namespace

Reader::Reader(Slice input)
    : input_(std::move(input)),
      arrays_left_(
          std::clamp(input_.size() * max_arrays_growth, small_arrays_size, max_arrays_size)) {}

Error Reader::error() const {
  return Error::corrupt("at byte " + std::to_string(at_) + " of " + std::to_string(input_.size()) +
                        ": " + why_);
}

void Reader::fail(const char* why) {
  if (failed_) return;
  failed_ = true;
  why_ = why;
}

const uint8_t* Reader::take(size_t size) {
  if (failed_) return nullptr;
  if (size > input_.size() - at_) {
    fail("the message ends inside a field");
    return nullptr;
  }
  const uint8_t* p = input_.data() + at_;
  at_ += size;
  return p;
}

Slice Reader::raw(size_t size) {
  const size_t from = at_;
  return take(size) ? input_.sub(from, size) : Slice();
}

double Reader::float64() { return std::bit_cast<double>(int64()); }

Uuid Reader::uuid() {
  Uuid id;
  if (const uint8_t* p = take(id.bytes.size())) std::copy_n(p, id.bytes.size(), id.bytes.begin());
  return id;
}

uint64_t Reader::varint_bits(int max_bits) {
  uint64_t value = 0;
  for (int shift = 0; shift < max_bits; shift += 7) {
    const auto b = static_cast<uint8_t>(int8());
    const auto bits = static_cast<uint64_t>(b & 0x7f);
    if (max_bits - shift < 7 && bits >> (max_bits - shift) != 0) break;
    value |= bits << shift;
    if ((b & 0x80) == 0) return value;
  }
  fail("a varint is too long");
  return 0;
}

uint32_t Reader::unsigned_varint() { return static_cast<uint32_t>(varint_bits(32)); }

int32_t Reader::varint() {
  const auto v = static_cast<uint32_t>(varint_bits(32));
  return static_cast<int32_t>(v >> 1 ^ -(v & 1));
}

int64_t Reader::varlong() {
  const uint64_t v = varint_bits(64);
  return static_cast<int64_t>(v >> 1 ^ -(v & 1));
}

int64_t Reader::length(bool compact, bool wide, bool may_be_null) {
  int64_t n;
  if (compact) {
    n = static_cast<int64_t>(unsigned_varint()) - 1;
  } else {
    n = wide ? int32() : int16();
  }
  if (failed_) return may_be_null ? -1 : 0;
  if (n == -1 && may_be_null) return -1;
  if (n < 0) {
    fail(n == -1 ? "null where null is not allowed" : "a negative length");
    return may_be_null ? -1 : 0;
  }
  return n;
}

int64_t Reader::count(bool compact, size_t min_element_size, size_t decoded_size,
                      bool may_be_null) {
  const int64_t n = length(compact, true, may_be_null);
  if (n <= 0) return n;
  const auto elements = static_cast<size_t>(n);
  if (elements > remaining() / std::max<size_t>(min_element_size, 1)) {
    fail("an array has more elements than bytes are left for");
  } else if (elements > arrays_left_ / decoded_size) {
    fail("the arrays of the message would take too much memory");
  }
  if (failed_) return may_be_null ? -1 : 0;
  arrays_left_ -= elements * decoded_size;
  return n;
}

std::optional<std::string> Reader::nullable_string(bool compact, bool may_be_null) {
  const int64_t n = length(compact, false, may_be_null);
  if (n < 0) return std::nullopt;
  if (static_cast<size_t>(n) > max_string_size) fail("a string is longer than 32767 bytes");
  return std::string(as_text(raw(static_cast<size_t>(n))));
}

std::string Reader::string(bool compact) {
  return nullable_string(compact, false).value_or(std::string());
}

std::optional<Slice> Reader::nullable_bytes(bool compact, bool may_be_null) {
  const int64_t n = length(compact, true, may_be_null);
  if (n < 0) return std::nullopt;
  return raw(static_cast<size_t>(n));
}

Slice Reader::bytes(bool compact) { return nullable_bytes(compact, false).value_or(Slice()); }

Rope Reader::records(bool compact) { return Rope(nullable_bytes(compact).value_or(Slice())); }

void Reader::skip_tagged_fields() {
  for (TagReader tags(*this, true); tags.next();) tags.skip();
}

TagReader::TagReader(Reader& reader, bool flexible) : reader_(reader), end_(reader.position()) {
  if (!flexible) return;
  left_ = reader.unsigned_varint();
  end_ = reader.position();
}

bool TagReader::next() {
  if (reader_.position() != end_) reader_.fail("a tagged field is not as long as it says");
  if (left_ == 0 || !reader_.ok()) return false;
  --left_;
  id_ = reader_.unsigned_varint();
  const uint32_t size = reader_.unsigned_varint();
  if (size > reader_.remaining()) reader_.fail("the message ends inside a tagged field");
  end_ = reader_.position() + size;
  return reader_.ok();
}

void TagReader::skip() { reader_.raw(end_ - reader_.position()); }

Rope Writer::finish() && {
  done_.append(Slice::take(std::move(buffer_)));
  return std::move(done_);
}

void Writer::error_code(ErrorCode v) {
  if (tally_ != nullptr && v != ErrorCode::none) ++(*tally_)[v];
  int16(static_cast<int16_t>(v));
}

void Writer::float64(double v) { fixed(std::bit_cast<int64_t>(v)); }

void Writer::varint_bits(uint64_t v) {
  for (; v >= 0x80; v >>= 7) buffer_.push_back(static_cast<uint8_t>(v | 0x80));
  buffer_.push_back(static_cast<uint8_t>(v));
}

void Writer::varint(int32_t v) {
  varint_bits(static_cast<uint32_t>(v) << 1 ^ static_cast<uint32_t>(v >> 31));
}

void Writer::varlong(int64_t v) {
  varint_bits(static_cast<uint64_t>(v) << 1 ^ static_cast<uint64_t>(v >> 63));
}

void Writer::length(size_t n, bool compact, bool wide) {
  if (compact) return varint_bits(n + 1);
  if (wide) return int32(static_cast<int32_t>(n));
  int16(static_cast<int16_t>(n));
}

void Writer::null(bool compact, bool wide) {
  if (compact) return varint_bits(0);
  if (wide) return int32(-1);
  int16(-1);
}

void Writer::string(std::string_view v, bool compact) {
  v = v.substr(0, max_string_size);
  length(v.size(), compact, false);
  raw(as_bytes(v));
}

void Writer::nullable_string(const std::optional<std::string>& v, bool compact, bool may_be_null) {
  if (v || !may_be_null) return string(v ? *v : std::string_view(), compact);
  null(compact, false);
}

void Writer::bytes(Bytes v, bool compact) {
  length(v.size(), compact, true);
  raw(v);
}

void Writer::nullable_bytes(const std::optional<Slice>& v, bool compact, bool may_be_null) {
  if (v || !may_be_null) return bytes(v ? v->view() : Bytes(), compact);
  null(compact, true);
}

void Writer::records(const Rope& v, bool compact) {
  length(v.size(), compact, true);
  if (v.empty()) return;
  done_.append(Slice::take(std::move(buffer_)));
  buffer_ = {};
  done_.append(v);
}

void TagWriter::end(uint32_t id) {
  fields_.unsigned_varint(id);
  fields_.unsigned_varint(static_cast<uint32_t>(field_.size()));
  fields_.raw(field_.unsealed());
  field_ = Writer();
  ++count_;
}

void TagWriter::write_to(Writer& out) const {
  out.unsigned_varint(count_);
  out.raw(fields_.unsealed());
}

Error decode_error(const Reader& reader, const char* message, int16_t version) {
  Error error = reader.error();
  error.text = std::string(message) + " v" + std::to_string(version) + ", " + error.text;
  return error;
}

Error version_error(const char* message, int16_t version) {
  return error_of(ErrorCode::unsupported_version,
                  std::string(message) + " v" + std::to_string(version) + " is not supported");
}

}  // namespace isthmus::kafka
