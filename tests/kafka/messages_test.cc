// Every message in every version: what is encoded is decoded, what is cut off is refused, and what
// is damaged is never read past its end (the sanitizer build sees to the last).
#include "tests/kafka/messages.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "kafka/api.h"
#include "kafka/errors.h"
#include "kafka/gen/delete_groups.h"
#include "kafka/gen/describe_site.h"
#include "kafka/gen/fetch.h"
#include "kafka/gen/metadata.h"
#include "kafka/gen/mirror_append.h"

namespace isthmus::kafka {
namespace {

constexpr uint64_t samples = 8;

template <typename Test>
void for_each_sample(Test&& test) {
  for (const Codec& codec : all_codecs()) {
    for (int16_t v = codec.min_version; v <= codec.max_version; ++v) {
      for (uint64_t seed = 0; seed < samples; ++seed) {
        SCOPED_TRACE(codec.name + " v" + std::to_string(v) + " seed " + std::to_string(seed));
        test(codec, v, seed);
        if (testing::Test::HasFailure()) return;
      }
    }
  }
}

TEST(Messages, EveryApiHasBothDirections) { EXPECT_GE(all_codecs().size(), 2 * all_apis().size()); }

// tests/fuzz/message_fuzz.cc: an input that nobody decodes any more finds nothing.
TEST(Messages, TheFuzzersCorpusNamesMessagesThatDecode) {
  size_t inputs = 0;
  for (const auto& entry : std::filesystem::directory_iterator(KAFKA_FUZZ_CORPUS)) {
    SCOPED_TRACE(entry.path());
    ++inputs;
    std::ifstream file(entry.path(), std::ios::binary);
    std::string name;
    std::getline(file, name);
    const int version = file.get();
    const std::string body{std::istreambuf_iterator<char>(file), {}};
    const auto codec = std::ranges::find(all_codecs(), name, &Codec::name);
    ASSERT_NE(codec, all_codecs().end());
    const auto recoded = codec->recode(Slice::copy_of(body), static_cast<int16_t>(version));
    EXPECT_TRUE(recoded) << recoded.error().text;
  }
  EXPECT_GE(inputs, 10u);
}

TEST(Messages, SurviveEncodingAndDecoding) {
  for_each_sample([](const Codec& codec, int16_t v, uint64_t seed) {
    Fill fill(seed);
    EXPECT_TRUE(codec.survives(fill, v));
  });
}

TEST(Messages, EncodeToTheSameBytesAgain) {
  for_each_sample([](const Codec& codec, int16_t v, uint64_t seed) {
    Fill fill(seed);
    const Slice bytes = codec.sample(fill, v);
    const auto again = codec.recode(bytes, v);
    ASSERT_TRUE(again) << again.error().text;
    EXPECT_EQ(*again, bytes);
  });
}

TEST(Messages, EveryTruncationIsRefused) {
  for_each_sample([](const Codec& codec, int16_t v, uint64_t seed) {
    Fill fill(seed);
    const Slice bytes = codec.sample(fill, v);
    for (size_t size = 0; size < bytes.size(); ++size) {
      // A copy of its own, so that the sanitizer notices the first byte read beyond it.
      const auto cut = codec.recode(Slice::copy_of(bytes.view().first(size)), v);
      ASSERT_FALSE(cut) << size << " of " << bytes.size() << " bytes";
      ASSERT_EQ(cut.error().kind, Error::Kind::corrupt);
    }
  });
}

TEST(Messages, FlippedBitsDoNoHarm) {
  for_each_sample([](const Codec& codec, int16_t v, uint64_t seed) {
    Fill fill(seed);
    const Slice bytes = codec.sample(fill, v);
    if (bytes.empty()) return;
    for (int round = 0; round < 32; ++round) {
      std::vector<uint8_t> damaged(bytes.view().begin(), bytes.view().end());
      for (size_t flips = fill.pick(3) + 1; flips > 0; --flips) {
        damaged[fill.pick(damaged.size())] ^= static_cast<uint8_t>(1u << fill.pick(8));
      }
      const auto result = codec.recode(Slice::take(std::move(damaged)), v);
      // Whatever still decodes can be encoded without loss of its own meaning.
      if (result) {
        const auto twice = codec.recode(*result, v);
        ASSERT_TRUE(twice) << twice.error().text;
        ASSERT_EQ(*twice, *result);
      }
    }
  });
}

TEST(Messages, OtherVersionsAreRefused) {
  for (const Codec& codec : all_codecs()) {
    const auto newer = codec.recode(Slice(), static_cast<int16_t>(codec.max_version + 1));
    ASSERT_FALSE(newer) << codec.name;
    EXPECT_EQ(newer.error().kind, Error::Kind::kafka);
    EXPECT_TRUE(is(newer.error(), ErrorCode::unsupported_version));
    EXPECT_FALSE(codec.recode(Slice(), static_cast<int16_t>(codec.min_version - 1)));
  }
}

template <typename Message>
bool decodes(const Message& message) {
  Writer w;
  message.encode(w, Message::max_version);
  Reader r(*std::move(w).finish().flatten());
  auto decoded = Message::decode(r, Message::max_version);
  if (!decoded) ADD_FAILURE() << decoded.error().text;
  return decoded.has_value();
}

// Far beyond what clients ask for, and every name as short as names can be: what arrays may take
// in memory is enough for it.
TEST(Messages, OfManyShortElementsDecode) {
  auto name = [](size_t i) { return std::to_string(i); };
  MetadataRequest wanted;
  MetadataResponse metadata;
  FetchRequest fetch;
  MirrorAppendRequest append;
  DeleteGroupsRequest groups;
  DescribeSiteResponse site;
  for (size_t i = 0; i < 100'000; ++i) {
    wanted.topics->emplace_back().name = name(i);
    auto& topic = metadata.topics.emplace_back();
    topic.name = name(i);
    topic.partitions.emplace_back().replica_nodes = {1};
    topic.partitions.back().isr_nodes = {1};
    fetch.topics.emplace_back().partitions.emplace_back();
    append.topics.emplace_back().partitions.emplace_back();
    groups.groups_names.push_back(name(i));
    site.topics.emplace_back().partitions.emplace_back();
  }
  EXPECT_TRUE(decodes(wanted));
  EXPECT_TRUE(decodes(metadata));
  EXPECT_TRUE(decodes(fetch));
  EXPECT_TRUE(decodes(append));
  EXPECT_TRUE(decodes(groups));
  EXPECT_TRUE(decodes(site));
}

// Topics of two bytes each, which would be structures of 56.
TEST(Messages, DoNotGrowWithoutLimit) {
  Writer w;
  w.unsigned_varint(1'000'000 + 1);
  std::vector<uint8_t> payload(w.unsealed().begin(), w.unsealed().end());
  for (size_t i = 0; i < 1'000'000; ++i) payload.insert(payload.end(), {0x01, 0x00});
  payload.insert(payload.end(), {0, 0, 0, 0});
  Reader r(Slice::take(std::move(payload)));
  const auto decoded = MetadataRequest::decode(r, 9);
  ASSERT_FALSE(decoded);
  EXPECT_EQ(decoded.error().kind, Error::Kind::corrupt);
}

}  // namespace
}  // namespace isthmus::kafka
