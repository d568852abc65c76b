#include "io/frames.h"

#include <algorithm>
#include <bit>

namespace isthmus::io {

namespace {

// The first read after a large frame: another one likely follows, and what is read of it before
// its size is known must be moved.
constexpr size_t peek_buffer = size_t{16} << 10;
constexpr Duration long_wait = milliseconds(100);
constexpr size_t length_size = 4;

}  // namespace

Result<std::optional<Slice>> FrameReader::next(size_t at_most) {
  at_most = std::min(at_most, max_frame_);
  if (unparsed() < length_size) return std::nullopt;
  const auto length = load_be<int32_t>(buffer_.bytes.get() + at_);
  if (length < 0 || static_cast<size_t>(length) > at_most) {
    return fail(Error::corrupt("frame of " + std::to_string(length) + " bytes, at most " +
                               std::to_string(at_most) + " are allowed"));
  }
  const auto size = static_cast<size_t>(length);
  if (unparsed() < length_size + size) return std::nullopt;
  Slice frame(buffer_.bytes, Bytes(buffer_.bytes.get() + at_ + length_size, size));
  at_ += length_size + size;
  latest_frame_ = size;
  ++frames_;
  return frame;
}

std::string_view FrameReader::front() const {
  if (unparsed() < length_size) return {};
  return as_text({buffer_.bytes.get() + at_, length_size});
}

Task<Result<bool>> FrameReader::fill() {
  make_room();
  const Instant asked = loop_.now();
  auto n = co_await stream_.read_some({buffer_.bytes.get() + end_, buffer_.size - end_});
  if (!n) co_return fail(n.error());
  if (*n == 0) {
    if (unparsed() == 0) co_return false;
    co_return fail(Error::closed("closed by the peer in the middle of a frame"));
  }
  end_ += *n;
  learn(*n, loop_.now() - asked);
  co_return true;
}

void FrameReader::learn(size_t arrived, Duration waited) {
  if (waited > long_wait) recent_ = 0;
  const bool more_was_there = end_ == buffer_.size;
  recent_ = std::max(more_was_there ? arrived * 4 : arrived, recent_ / 2);
}

size_t FrameReader::wanted_buffer() const {
  if (latest_frame_ > largest_buffer) return std::min(peek_buffer, buffer_limit_);
  return std::bit_ceil(std::clamp(recent_, smallest_buffer, buffer_limit_));
}

FrameReader::Unfinished FrameReader::unfinished() const {
  if (unparsed() < length_size) return {0, unparsed()};
  return {needed(), unparsed()};
}

size_t FrameReader::needed() const {
  if (unparsed() < length_size) return length_size;
  return length_size + load_be<uint32_t>(buffer_.bytes.get() + at_);
}

// Whether the next read goes on in the present buffer, behind what it holds.
bool FrameReader::keeps_buffer() const {
  const size_t wanted = wanted_buffer();
  if (unparsed() > 0) return at_ + needed() <= buffer_.size && end_ < buffer_.size;
  const bool fitting = buffer_.size >= wanted && buffer_.size <= 2 * wanted;
  return fitting && (buffer_.unshared() || buffer_.size - end_ >= wanted / 2);
}

size_t FrameReader::next_buffer() const {
  if (keeps_buffer()) return buffer_.size;
  const size_t needs = needed();
  return needs > largest_buffer ? needs : std::max(needs, wanted_buffer());
}

void FrameReader::make_room() {
  const size_t kept = unparsed();
  if (keeps_buffer()) {
    if (kept == 0 && buffer_.unshared()) at_ = end_ = 0;
    return;
  }
  Buffer larger = acquire_buffer(next_buffer());
  if (kept > 0) std::memcpy(larger.bytes.get(), buffer_.bytes.get() + at_, kept);
  buffer_ = std::move(larger);
  at_ = 0;
  end_ = kept;
}

}  // namespace isthmus::io
