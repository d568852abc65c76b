#include "kafka/compression.h"

#include <gtest/gtest.h>

#include "kafka/errors.h"
#include "tests/kafka/fill.h"

namespace isthmus::kafka {
namespace {

constexpr size_t limit = 8 << 20;

// Compressible, but not constant.
std::vector<uint8_t> text_of(size_t size) {
  Fill fill(size);
  std::vector<uint8_t> out(size);
  for (auto& b : out) b = static_cast<uint8_t>("abcd efgh"[fill.pick(9)]);
  return out;
}

class Codecs : public testing::TestWithParam<Compression> {};
INSTANTIATE_TEST_SUITE_P(All, Codecs,
                         testing::Values(Compression::gzip, Compression::snappy, Compression::lz4,
                                         Compression::zstd),
                         [](const auto& info) {
                           return std::string(compression_name(info.param));
                         });

TEST_P(Codecs, RoundTrip) {
  for (size_t size : {0, 1, 100, 32768, 32769, 1 << 20}) {
    const auto plain = text_of(size);
    const Slice packed = compress(GetParam(), plain);
    const auto back = decompress(GetParam(), packed, limit);
    ASSERT_TRUE(back) << size << ": " << back.error().text;
    EXPECT_EQ(as_text(*back), as_text(plain)) << size;
    if (size > 1000) {
      EXPECT_LT(packed.size(), size * 9 / 10);
    }
  }
}

TEST_P(Codecs, OutputIsBounded) {
  const Slice bomb = compress(GetParam(), std::vector<uint8_t>(4 << 20, 0));
  const auto exact = decompress(GetParam(), bomb, 4 << 20);
  EXPECT_TRUE(exact) << exact.error().text;
  for (size_t bound : {(4u << 20) - 1, 1000u, 0u}) {
    const auto refused = decompress(GetParam(), bomb, bound);
    ASSERT_FALSE(refused) << bound;
    EXPECT_TRUE(is(refused.error(), ErrorCode::message_too_large));
  }
}

TEST_P(Codecs, TruncationIsRefused) {
  const auto plain = text_of(500);
  const Slice packed = compress(GetParam(), plain);
  for (size_t size = 0; size < packed.size(); ++size) {
    const auto cut = decompress(GetParam(), Slice::copy_of(packed.view().first(size)), limit);
    // xerial's framing has no end mark: whole blocks are all that can be told.
    const bool frame_without_blocks = GetParam() == Compression::snappy && size == 16;
    EXPECT_EQ(cut.has_value(), frame_without_blocks) << size;
  }
}

TEST_P(Codecs, DamageDoesNoHarm) {
  const Slice packed = compress(GetParam(), text_of(2000));
  Fill fill(1);
  for (int round = 0; round < 500; ++round) {
    std::vector<uint8_t> damaged(packed.view().begin(), packed.view().end());
    damaged[fill.pick(damaged.size())] ^= static_cast<uint8_t>(1u << fill.pick(8));
    const auto result = decompress(GetParam(), damaged, limit);
    if (result) {
      EXPECT_LE(result->size(), limit);
    }
  }
}

TEST(Snappy, RawAsLibrdkafkaWritesIt) {
  // Length 5, then a literal of 5 bytes.
  const auto plain = decompress(Compression::snappy,
                                std::vector<uint8_t>{5, 0x10, 'h', 'e', 'l', 'l', 'o'}, limit);
  ASSERT_TRUE(plain) << plain.error().text;
  EXPECT_EQ(as_text(*plain), "hello");
}

TEST(Gzip, MembersMayFollowOneAnother) {
  const Slice one = compress(Compression::gzip, as_bytes("one "));
  const Slice two = compress(Compression::gzip, as_bytes("two"));
  std::vector<uint8_t> both(one.view().begin(), one.view().end());
  both.insert(both.end(), two.view().begin(), two.view().end());
  const auto plain = decompress(Compression::gzip, both, limit);
  ASSERT_TRUE(plain) << plain.error().text;
  EXPECT_EQ(as_text(*plain), "one two");
}

TEST(Compression, Names) {
  for (auto name : {"none", "gzip", "snappy", "lz4", "zstd"}) {
    const auto codec = parse_compression(name);
    ASSERT_TRUE(codec);
    EXPECT_EQ(compression_name(*codec), name);
  }
  EXPECT_FALSE(parse_compression("producer"));
  EXPECT_FALSE(decompress(static_cast<Compression>(5), Bytes(), limit));
}

}  // namespace
}  // namespace isthmus::kafka
