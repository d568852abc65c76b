// Kafka's wire format: primitive types, decoded by a Reader and encoded by a Writer. Plain values
// without owner or loop; each lives as long as one message.
//
// `compact` selects the encoding of flexible versions (KIP-482): lengths are unsigned varints
// of length + 1, with 0 for null, instead of fixed-width integers with -1 for null.
//
// Nothing that is read is believed: lengths are checked against the bytes left, and arrays also
// against what a message of this size may take in memory. The first error sticks: later reads
// return zero values, so that a decoder runs straight through and asks ok() once, at its end.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "kafka/errors.h"

namespace isthmus::kafka {

// Strings have a 16-bit length in the old encoding; Kafka holds compact ones to it as well.
inline constexpr size_t max_string_size = 0x7fff;

class Reader {
 public:
  explicit Reader(Slice input);

  bool ok() const { return !failed_; }
  size_t position() const { return at_; }
  size_t remaining() const { return failed_ ? 0 : input_.size() - at_; }
  // The first failure. REQUIRES: !ok().
  Error error() const;
  // Makes the reader fail; `why` must be a literal.
  void fail(const char* why);

  int8_t int8() { return fixed<int8_t>(); }
  int16_t int16() { return fixed<int16_t>(); }
  int32_t int32() { return fixed<int32_t>(); }
  int64_t int64() { return fixed<int64_t>(); }
  uint16_t uint16() { return fixed<uint16_t>(); }
  uint32_t uint32() { return fixed<uint32_t>(); }
  double float64();
  bool boolean() { return int8() != 0; }
  Uuid uuid();
  ErrorCode error_code() { return static_cast<ErrorCode>(int16()); }
  uint32_t unsigned_varint();
  int32_t varint();   // zigzag
  int64_t varlong();  // zigzag

  std::string string(bool compact);
  // `may_be_null` is false in versions where null is not allowed yet: null is an error there.
  std::optional<std::string> nullable_string(bool compact, bool may_be_null = true);
  // Views into the input, which they keep alive.
  Slice bytes(bool compact);
  std::optional<Slice> nullable_bytes(bool compact, bool may_be_null = true);
  // Record batches. Null and empty are the same to us: an empty rope.
  Rope records(bool compact);
  Slice raw(size_t size);
  Slice rest() { return raw(remaining()); }

  // Sizes `out` to the count that follows; the caller reads the elements:
  //   for (auto& e : r.array(m.replicas, compact, 4)) e = r.int32();
  template <typename T>
  std::vector<T>& array(std::vector<T>& out, bool compact, size_t min_element_size) {
    out.clear();
    out.resize(static_cast<size_t>(count(compact, min_element_size, sizeof(T), false)));
    return out;
  }
  // As array(); nullptr if the array is null.
  template <typename T>
  std::vector<T>* nullable_array(std::optional<std::vector<T>>& out, bool compact,
                                 size_t min_element_size, bool may_be_null = true) {
    out.reset();
    const int64_t n = count(compact, min_element_size, sizeof(T), may_be_null);
    if (n < 0) return nullptr;
    return &out.emplace(static_cast<size_t>(n));
  }

  void skip_tagged_fields();

 private:
  template <typename T>
  T fixed() {
    const uint8_t* p = take(sizeof(T));
    return p ? load_be<T>(p) : T{};
  }
  const uint8_t* take(size_t size);  // nullptr if fewer are left
  uint64_t varint_bits(int max_bits);
  int64_t length(bool compact, bool wide, bool may_be_null);  // -1 = null
  int64_t count(bool compact, size_t min_element_size, size_t decoded_size, bool may_be_null);

  Slice input_;
  size_t arrays_left_;  // what further arrays may take in memory
  size_t at_ = 0;
  bool failed_ = false;
  const char* why_ = "";
};

// Walks the tagged fields that end a structure of a flexible version (KIP-482):
//   for (TagReader tags(r, flexible); tags.next();) switch (tags.id()) { default: tags.skip(); }
// A field that is not consumed to its last byte is an error.
class TagReader {
 public:
  TagReader(Reader& reader, bool flexible);
  bool next();
  uint32_t id() const { return id_; }
  void skip();

 private:
  Reader& reader_;
  uint32_t left_ = 0;
  uint32_t id_ = 0;
  size_t end_ = 0;  // where the current field ends
};

class Writer {
 public:
  uint64_t size() const { return done_.size() + buffer_.size(); }
  Rope finish() &&;  // everything written so far; the writer is used up

  void int8(int8_t v) { fixed(v); }
  void int16(int16_t v) { fixed(v); }
  void int32(int32_t v) { fixed(v); }
  void int64(int64_t v) { fixed(v); }
  void uint16(uint16_t v) { fixed(v); }
  void uint32(uint32_t v) { fixed(v); }
  void float64(double v);
  void boolean(bool v) { int8(v ? 1 : 0); }
  void uuid(const Uuid& v) { raw(v.bytes); }
  void error_code(ErrorCode v);
  void count_errors_in(ErrorTally* tally) { tally_ = tally; }  // from here on; nullptr: nowhere
  void unsigned_varint(uint32_t v) { varint_bits(v); }
  void varint(int32_t v);
  void varlong(int64_t v);

  // Longer than max_string_size is cut: only a text that we composed ourselves can be that long.
  void string(std::string_view v, bool compact);
  // Where null is not allowed yet, null is written as empty.
  void nullable_string(const std::optional<std::string>& v, bool compact, bool may_be_null = true);
  void bytes(Bytes v, bool compact);
  void nullable_bytes(const std::optional<Slice>& v, bool compact, bool may_be_null = true);
  // Splices the rope in without a copy.
  void records(const Rope& v, bool compact);
  void array_size(size_t n, bool compact) { length(n, compact, true); }
  template <typename T>
  void nullable_array_size(const std::optional<std::vector<T>>& v, bool compact,
                           bool may_be_null = true) {
    if (v || !may_be_null) return array_size(v ? v->size() : 0, compact);
    null(compact, true);
  }
  void raw(Bytes v) { buffer_.insert(buffer_.end(), v.begin(), v.end()); }
  Bytes unsealed() const { return buffer_; }  // what was written since the last records()

 private:
  template <typename T>
  void fixed(T v) {
    uint8_t b[sizeof v];
    store_be(b, v);
    raw(b);
  }
  void varint_bits(uint64_t v);
  void length(size_t n, bool compact, bool wide);
  void null(bool compact, bool wide);

  Rope done_;
  std::vector<uint8_t> buffer_;
  ErrorTally* tally_ = nullptr;
};

// Collects the tagged fields of one structure, in ascending order of their ids.
class TagWriter {
 public:
  // Write the field's value here, then call end().
  Writer& field() { return field_; }
  void end(uint32_t id);
  void write_to(Writer& out) const;

 private:
  Writer field_;
  Writer fields_;
  uint32_t count_ = 0;
};

// What generated decoders return: the first failure of the reader, or "version not supported".
Error decode_error(const Reader& reader, const char* message, int16_t version);
Error version_error(const char* message, int16_t version);

// A stored record's key or value: its version (int16), then the fields.
template <typename Message>
Slice encode_versioned(const Message& message, int16_t version) {
  Writer w;
  w.int16(version);
  message.encode(w, version);
  return Slice::copy_of(w.unsealed());
}

}  // namespace isthmus::kafka
