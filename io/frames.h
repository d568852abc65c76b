// FrameReader: the messages of a stream, each preceded by its length in four big-endian bytes.
//
// One read takes all that has arrived, and frames are slices of the buffer that it was read into:
// nothing is copied, except the beginning of a frame that does not fit in the rest of its buffer.
// A frame larger than the largest buffer gets one of its own, of its exact size, so that no other
// frame keeps it alive. Reading header and body apart costs sixteen times as much when many small
// requests are under way.
//
// How much is read at once follows what recently arrived, between 4 KiB and 256 KiB: thousands of
// connections that say little hold 4 KiB each, and a small request that waits for long does not
// keep a large buffer alive. Who must account for memory asks next_buffer() before each fill().
//
// Owned by one conversation, on the loop of its stream, which must outlive it.
#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/error.h"
#include "io/buffers.h"
#include "io/loop.h"
#include "io/stream.h"
#include "io/task.h"

namespace isthmus::io {

// The largest buffer that is not made for one frame.
inline constexpr size_t largest_buffer = size_t{256} << 10;

class FrameReader {
 public:
  // Frames longer than `max_frame` bytes are an error.
  FrameReader(Loop& loop, Stream& stream, size_t max_frame)
      : loop_(loop), stream_(stream), max_frame_(max_frame) {}

  // The next frame that has arrived whole, without its length; nullopt if fill() must bring more.
  // Error::corrupt for a length that is negative or too large: the stream is of no use then.
  // `at_most`: less than the reader takes, of this frame.
  Result<std::optional<Slice>> next(size_t at_most = SIZE_MAX);

  // Waits for bytes. False at the end of the stream; an end inside a frame is Error::closed.
  Task<Result<bool>> fill();

  // The four bytes at the front, as a text when they are one: what a peer that speaks another
  // protocol began with. Empty if fewer have arrived.
  std::string_view front() const;

  // A frame at the front that has not arrived whole: what it takes with its length (0 while that is
  // not known), and how much of it is here.
  struct Unfinished {
    size_t size = 0;
    size_t arrived = 0;
  };
  Unfinished unfinished() const;

  // From now on a read takes a buffer of at most so many bytes, unless one frame needs more.
  void limit_buffer(size_t bytes) { buffer_limit_ = bytes; }
  // Bytes of the buffer that the next fill() reads into.
  size_t next_buffer() const;
  // Bytes of its present buffer.
  size_t buffer_size() const { return buffer_.size; }
  // How many frames next() has returned.
  uint64_t frames() const { return frames_; }

 private:
  size_t unparsed() const { return end_ - at_; }
  // What the frame at the front takes with its length, as far as that is known yet.
  size_t needed() const;
  size_t wanted_buffer() const;
  bool keeps_buffer() const;
  void make_room();
  void learn(size_t arrived, Duration waited);

  Loop& loop_;
  Stream& stream_;
  const size_t max_frame_;
  Buffer buffer_;
  size_t at_ = 0;      // where the next frame begins
  size_t end_ = 0;     // where the bytes that have arrived end
  size_t recent_ = 0;  // what one read brings these days
  size_t latest_frame_ = 0;
  size_t buffer_limit_ = largest_buffer;
  uint64_t frames_ = 0;
};

}  // namespace isthmus::io
