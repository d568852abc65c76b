#include "io/frames.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>

#include "io/gate.h"

namespace isthmus::io {
namespace {

// A loop that stands still: what is posted runs at once, time is what the test says.
class StillLoop : public Loop {
 public:
  void post(Callback callback) override { callback(); }
  TimerId run_at(Instant, Callback) override { return 0; }
  void cancel(TimerId) override {}
  Instant now() const override { return time; }
  int64_t wall_ms() const override { return 0; }

  Instant time{};
};

// Delivers given pieces, each after a given wait, as far as they fit into the reader's buffer.
class ScriptedStream : public Stream {
 public:
  explicit ScriptedStream(StillLoop& loop) : loop_(loop) {}

  void arrive(std::vector<uint8_t> bytes, Duration after = {}) {
    pieces_.push_back({std::move(bytes), after});
  }
  Task<Result<size_t>> read_some(MutableBytes into) override {
    if (pieces_.empty()) co_return 0;
    auto& [bytes, after] = pieces_.front();
    loop_.time += std::exchange(after, Duration{});
    const size_t n = std::min(bytes.size(), into.size());
    std::copy_n(bytes.begin(), n, into.begin());
    bytes.erase(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(n));
    if (bytes.empty()) pieces_.pop_front();
    ++reads;
    co_return n;
  }
  Task<Result<void>> write(Rope) override { co_return Result<void>{}; }
  void close() override {}
  const Address& peer() const override { return peer_; }

  size_t reads = 0;

 private:
  StillLoop& loop_;
  std::deque<std::pair<std::vector<uint8_t>, Duration>> pieces_;
  Address peer_{"peer", 1};
};

std::vector<uint8_t> frame_of(size_t size, uint8_t fill) {
  std::vector<uint8_t> bytes(4 + size, fill);
  store_be(bytes.data(), static_cast<uint32_t>(size));
  return bytes;
}

struct Reading {
  std::vector<Slice> frames;
  std::optional<Error> error;
  std::vector<size_t> buffers;  // the buffer's size at each read
};

Task<void> read_all(FrameReader& reader, Reading& reading) {
  for (;;) {
    auto more = co_await reader.fill();
    reading.buffers.push_back(reader.buffer_size());
    if (!more) reading.error = more.error();
    if (!more || !*more) co_return;
    for (;;) {
      auto frame = reader.next();
      if (!frame) reading.error = frame.error();
      if (!frame || !*frame) break;
      reading.frames.push_back(std::move(**frame));
    }
    if (reading.error) co_return;
  }
}

class frames : public testing::Test {
 protected:
  Reading read(size_t max_frame = size_t{64} << 20) {
    FrameReader reader(loop, stream, max_frame);
    Reading reading;
    Gate gate(loop);
    gate.spawn("read", read_all(reader, reading));
    return reading;
  }

  StillLoop loop;
  ScriptedStream stream{loop};
};

constexpr size_t kib = 1024;

TEST_F(frames, that_stay_small_are_read_into_small_buffers) {
  for (int i = 0; i < 100; ++i) stream.arrive(frame_of(200, 'a'));
  const auto reading = read();
  EXPECT_EQ(reading.frames.size(), 100u);
  for (const size_t size : reading.buffers) EXPECT_EQ(size, 4 * kib);
}

TEST_F(frames, that_arrive_in_bulk_are_read_many_at_a_time) {
  std::vector<uint8_t> bulk;
  for (int i = 0; i < 1000; ++i) {
    const auto frame = frame_of(16 * kib, 'b');
    bulk.insert(bulk.end(), frame.begin(), frame.end());
  }
  stream.arrive(std::move(bulk));
  const auto reading = read();
  EXPECT_EQ(reading.frames.size(), 1000u);
  EXPECT_EQ(reading.buffers[20], 256 * kib);
  EXPECT_LT(stream.reads, 100u);
}

TEST_F(frames, of_a_connection_that_fell_silent_are_read_into_a_small_buffer_again) {
  stream.arrive(std::vector<uint8_t>(frame_of(200 * kib, 'c')));
  stream.arrive(frame_of(100, 'd'), milliseconds(500));
  stream.arrive(frame_of(100, 'e'), milliseconds(500));
  const auto reading = read();
  EXPECT_EQ(reading.frames.size(), 3u);
  EXPECT_EQ(reading.buffers.back(), 4 * kib);
}

TEST_F(frames, larger_than_any_buffer_get_one_of_their_exact_size) {
  for (uint8_t fill : {'f', 'g', 'h'}) stream.arrive(frame_of(1000 * kib, fill));
  const auto reading = read();
  ASSERT_EQ(reading.frames.size(), 3u);
  EXPECT_EQ(std::ranges::count(reading.buffers, 1000 * kib + 4), 3);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(reading.frames[i].size(), 1000 * kib);
    EXPECT_TRUE(std::ranges::all_of(reading.frames[i].view(),
                                    [i](uint8_t byte) { return byte == 'f' + i; }));
  }
}

TEST_F(frames, that_are_held_are_not_overwritten) {
  for (int i = 0; i < 500; ++i) stream.arrive(frame_of(100, static_cast<uint8_t>(i)));
  const auto reading = read();
  for (int i = 0; i < 500; ++i) {
    EXPECT_EQ(reading.frames[static_cast<size_t>(i)].data()[99], static_cast<uint8_t>(i));
  }
}

TEST_F(frames, too_long_or_of_negative_length_are_corrupt) {
  stream.arrive(frame_of(10, 'i'));
  stream.arrive(frame_of(1001, 'j'));
  const auto reading = read(1000);
  EXPECT_EQ(reading.frames.size(), 1u);
  ASSERT_TRUE(reading.error);
  EXPECT_EQ(reading.error->kind, Error::Kind::corrupt);
}

TEST_F(frames, cut_short_by_the_end_of_the_stream_are_an_error) {
  stream.arrive({0, 0, 0, 9, 'k'});
  const auto reading = read();
  ASSERT_TRUE(reading.error);
  EXPECT_EQ(reading.error->kind, Error::Kind::closed);
}

TEST(buffers, return_to_the_pool_when_their_last_share_is_dropped) {
  const size_t before = pooled_bytes();
  Buffer buffer = acquire_buffer(300 * kib);
  EXPECT_TRUE(buffer.unshared());
  {
    Slice share(buffer.bytes, Bytes(buffer.bytes.get(), 10));
    EXPECT_FALSE(buffer.unshared());
    buffer = {};
    EXPECT_LE(pooled_bytes(), before);
  }
  EXPECT_GE(pooled_bytes(), 512 * kib);
  const uint8_t* reused = acquire_buffer(400 * kib).bytes.get();
  EXPECT_EQ(acquire_buffer(500 * kib).bytes.get(), reused) << "of the same class";
}

TEST(buffers, of_a_size_that_is_used_no_more_make_room_for_others) {
  constexpr size_t limit = 32 * 1024 * kib;
  {
    std::vector<Buffer> once;
    for (size_t held = 0; held < 2 * limit; held += 256 * kib) {
      once.push_back(acquire_buffer(256 * kib));
    }
  }
  EXPECT_LE(pooled_bytes(), limit);
  acquire_buffer(2048 * kib);
  const size_t before = pooled_bytes();
  EXPECT_LE(before, limit);
  {
    const Buffer again = acquire_buffer(2048 * kib);
    EXPECT_EQ(pooled_bytes(), before - 2048 * kib) << "it was kept";
  }
  acquire_buffer(2 * limit);
  EXPECT_EQ(pooled_bytes(), before) << "larger than all that is kept";
}

}  // namespace
}  // namespace isthmus::io
