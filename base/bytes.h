// Bytes that travel: views, reference-counted slices, and ropes of slices and file ranges.
//
// A Slice keeps the buffer that it points into alive, so a record batch goes from the socket's
// buffer to the log, or from one socket to another, without a copy. A Rope is a sequence of
// slices and file ranges: the one thing that a Stream writes, so that one encoder serves memory
// and sendfile alike. Slices may be shared between loops; their bytes never change once shared.
#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/error.h"

namespace isthmus {

using Bytes = std::span<const uint8_t>;
using MutableBytes = std::span<uint8_t>;

inline Bytes as_bytes(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}
inline std::string_view as_text(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Big-endian, the byte order of Kafka's wire and log.
template <typename T>
T load_be(const uint8_t* p) {
  std::make_unsigned_t<T> v;
  std::memcpy(&v, p, sizeof v);
  if constexpr (sizeof v == 8) v = __builtin_bswap64(v);
  if constexpr (sizeof v == 4) v = __builtin_bswap32(v);
  if constexpr (sizeof v == 2) v = __builtin_bswap16(v);
  return static_cast<T>(v);
}
template <typename T>
void store_be(uint8_t* p, T value) {
  auto v = load_be<T>(reinterpret_cast<const uint8_t*>(&value));
  std::memcpy(p, &v, sizeof v);
}

// A view of a buffer together with a share in its ownership.
class Slice {
 public:
  Slice() = default;
  Slice(std::shared_ptr<const void> owner, Bytes view) : owner_(std::move(owner)), view_(view) {}
  static Slice copy_of(Bytes bytes);
  static Slice copy_of(std::string_view text) { return copy_of(as_bytes(text)); }
  static Slice take(std::vector<uint8_t> bytes);

  const uint8_t* data() const { return view_.data(); }
  size_t size() const { return view_.size(); }
  bool empty() const { return view_.empty(); }
  Bytes view() const { return view_; }
  operator Bytes() const { return view_; }
  // REQUIRES: from + length <= size().
  Slice sub(size_t from, size_t length) const { return {owner_, view_.subspan(from, length)}; }
  friend bool operator==(const Slice& a, const Slice& b) {
    return as_text(a.view_) == as_text(b.view_);
  }

 private:
  std::shared_ptr<const void> owner_;
  Bytes view_;
};

// What a rope may hold besides memory: a file that can be read at a position. io::File is one.
class ReadableFile {
 public:
  virtual ~ReadableFile() = default;
  // Reads up to into.size() bytes; fewer only at the end of the file.
  virtual Result<size_t> read_at(uint64_t position, MutableBytes into) const = 0;
  // The descriptor for sendfile, or -1 where there is none (the simulator).
  virtual int native_handle() const = 0;
};

struct FileRange {
  std::shared_ptr<const ReadableFile> file;
  uint64_t position = 0;
  uint64_t length = 0;
};

using Piece = std::variant<Slice, FileRange>;

class Rope {
 public:
  Rope() = default;
  explicit Rope(Slice slice) { append(std::move(slice)); }

  void append(Slice slice);
  void append(FileRange range);
  void append(const Rope& rope);
  void append(Rope&& rope);

  const std::vector<Piece>& pieces() const { return pieces_; }
  std::vector<Piece> take_pieces() && { return std::move(pieces_); }
  uint64_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

  // All bytes in memory. One slice is returned as it is, several are copied, files are read.
  Result<Slice> flatten() const;

 private:
  std::vector<Piece> pieces_;
  uint64_t size_ = 0;
};

}  // namespace isthmus
