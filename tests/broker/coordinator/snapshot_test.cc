#include "broker/coordinator/snapshot.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

namespace isthmus::broker {
namespace {

class MemoryFile : public ReadableFile {
 public:
  Result<size_t> read_at(uint64_t position, MutableBytes into) const override {
    if (position >= bytes.size()) return 0;
    const size_t n = std::min<size_t>(into.size(), bytes.size() - position);
    std::copy_n(bytes.begin() + static_cast<ptrdiff_t>(position), n, into.begin());
    return n;
  }
  int native_handle() const override { return -1; }

  std::vector<uint8_t> bytes;
};

using Records = std::map<std::string, std::string>;

class JournalSnapshot : public testing::Test {
 protected:
  JournalSnapshot() {
    head.topic_id.bytes.fill(7);
    head.partition = 3;
    head.offset = 12'345;
    head.epoch = 5 << 20;
  }
  void write(const Fold& fold) {
    SnapshotWriter writer(head, fold);
    for (auto part = writer.next(); !part.empty(); part = writer.next()) {
      file->bytes.insert(file->bytes.end(), part.begin(), part.end());
      largest_part = std::max(largest_part, part.size());
    }
  }
  // nullopt if anything of it is wrong.
  std::optional<Records> read() {
    Records records;
    SnapshotReader reader(file);
    auto found = reader.head();
    if (!found || *found != head) return std::nullopt;
    for (;;) {
      auto more = reader.next([&](Bytes key, Bytes value) -> Result<void> {
        records.emplace(as_text(key), as_text(value));
        return {};
      });
      if (!more) return std::nullopt;
      if (!*more) return records;
    }
  }

  SnapshotHead head;
  std::shared_ptr<MemoryFile> file = std::make_shared<MemoryFile>();
  size_t largest_part = 0;
};

TEST_F(JournalSnapshot, HoldsTheLastValueOfEachKeyAndNoneThatIsGone) {
  Fold fold;
  Records expected;
  for (int i = 0; i < 20'000; ++i) {
    const std::string key = "key " + std::to_string(i % 5000);
    const std::string value = "value " + std::to_string(i);
    fold.add(as_bytes(key), as_bytes(value));
    expected[key] = value;
  }
  fold.add(as_bytes("key 17"), std::nullopt);
  fold.add(as_bytes("never there"), std::nullopt);
  expected.erase("key 17");
  fold.add(as_bytes(""), as_bytes(""));
  expected[""] = "";
  fold.add(as_bytes("large"), as_bytes(std::string(300'000, 'x')));
  expected["large"] = std::string(300'000, 'x');
  write(fold);
  EXPECT_EQ(fold.size(), expected.size());
  EXPECT_EQ(read(), expected);
  EXPECT_LT(largest_part, 400'000u);
}

TEST_F(JournalSnapshot, MayBeEmpty) {
  write(Fold());
  EXPECT_EQ(read(), Records());
}

// A coordinator begins to read the log there.
TEST_F(JournalSnapshot, IsNotBelievedIfItsPlaceIsNone) {
  const SnapshotHead right = head;
  const auto readable = [this] {
    file->bytes.clear();
    write(Fold());
    return read().has_value();
  };
  head.offset = -1;
  EXPECT_FALSE(readable());
  head = right;
  head.partition = -1;
  EXPECT_FALSE(readable());
  head = right;
  head.epoch = -2;
  EXPECT_FALSE(readable());
  head = right;
  head.offset = 0;
  head.epoch = -1;
  EXPECT_TRUE(readable()) << "of a log without records";
}

TEST_F(JournalSnapshot, IsNotBelievedIfAnythingOfItIsMissingOrWrong) {
  Fold fold;
  for (int i = 0; i < 30; ++i) fold.add(as_bytes("k" + std::to_string(i)), as_bytes("v"));
  write(fold);
  ASSERT_TRUE(read());
  const std::vector<uint8_t> whole = file->bytes;
  for (size_t size = 0; size < whole.size(); ++size) {
    file->bytes.assign(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(size));
    EXPECT_FALSE(read()) << "cut at " << size;
  }
  for (size_t at = 0; at < whole.size(); ++at) {
    for (uint8_t bit : {0x01, 0x80}) {
      file->bytes = whole;
      file->bytes[at] ^= bit;
      EXPECT_FALSE(read()) << "a bit of byte " << at;
    }
  }
}

}  // namespace
}  // namespace isthmus::broker
