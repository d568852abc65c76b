// The records of __consumer_offsets, against bytes that Apache Kafka 4.1.1 has written.
#include "broker/group/records.h"

#include <gtest/gtest.h>

#include "kafka/gen/offset_commit_value.h"

namespace isthmus::broker {
namespace {

Slice from_hex(std::string_view text) {
  std::vector<uint8_t> bytes;
  for (size_t i = 0; i + 1 < text.size(); i += 2) {
    bytes.push_back(static_cast<uint8_t>(std::stoi(std::string(text.substr(i, 2)), nullptr, 16)));
  }
  return Slice::take(std::move(bytes));
}
std::string to_hex(const Slice& bytes) {
  std::string text;
  for (const uint8_t byte : bytes.view()) {
    constexpr char digits[] = "0123456789abcdef";
    text += {digits[byte >> 4], digits[byte & 15]};
  }
  return text;
}

// The commit of kafka-python: offset 7, epoch 0, metadata "día 7".
constexpr std::string_view golden_offset_key = "00010006676f6c64656e00066f726465727300000000";
constexpr std::string_view golden_offset =
    "00040000000000000007000000000764c3ad612037000001a1fe3fa53b00";
// A static member "till-1" with client id "shop", assigned partition 0 of "orders".
constexpr std::string_view golden_group_key = "00020006676f6c64656e";
constexpr std::string_view golden_group =
    "00030008636f6e73756d657200000001000572616e6765002b74696c6c2d312d34613334363964352d363432342d34"
    "3432302d626466392d373266356139303536663838000001a1fe3fa4af00000001002b74696c6c2d312d3461333436"
    "3964352d363432342d343432302d626466392d373266356139303536663838000674696c6c2d31000473686f70000a"
    "2f3132372e302e302e31000493e00000afc80000001200000000000100066f7264657273000000000000001a000000"
    "00000100066f7264657273000000010000000000000000";

TEST(GroupRecords, KafkasOffsetIsUnderstood) {
  const auto key = decode_key(from_hex(golden_offset_key));
  ASSERT_TRUE(key);
  EXPECT_EQ(std::get<OffsetKey>(*key), (OffsetKey{"golden", {"orders", 0}, false}));
  const auto value = decode_offset(from_hex(golden_offset));
  ASSERT_TRUE(value);
  EXPECT_EQ(*value, (CommittedOffset{7, 0, "día 7", 0x1a1fe3fa53b, -1}));
}

TEST(GroupRecords, KafkasGroupIsUnderstoodAndWrittenTheSame) {
  const auto key = decode_key(from_hex(golden_group_key));
  ASSERT_TRUE(key);
  EXPECT_EQ(std::get<GroupKey>(*key), GroupKey{"golden"});
  const auto value = decode_group(from_hex(golden_group));
  ASSERT_TRUE(value);
  EXPECT_EQ(value->generation, 1);
  EXPECT_EQ(value->protocol, "range");
  ASSERT_EQ(value->members.size(), 1u);
  EXPECT_EQ(value->members[0].group_instance_id, "till-1");
  EXPECT_EQ(value->members[0].client_host, "/127.0.0.1");
  EXPECT_EQ(value->members[0].session_timeout, 45'000);

  const JournalRecord again = encode_group("golden", *value);
  EXPECT_EQ(to_hex(again.key), golden_group_key);
  EXPECT_EQ(to_hex(*again.value), golden_group);
}

TEST(GroupRecords, OffsetsAreWrittenUnderKafkasKeyInAVersionThatAllReleasesRead) {
  const CommittedOffset committed{7, 3, "m", 0x1a1fe3fa53b, -1};
  const JournalRecord record = encode_offset({"golden", {"orders", 0}, false}, committed);
  EXPECT_EQ(to_hex(record.key), golden_offset_key);
  EXPECT_EQ(to_hex(*record.value), "000300000000000000070000000300016d000001a1fe3fa53b");
  EXPECT_EQ(*decode_offset(*record.value), committed);
}

// As Kafka 4.1 writes it: version 4, the id as tagged field 0.
TEST(GroupRecords, TheTopicsIdIsKeptWhereItIsKnown) {
  CommittedOffset committed{7, 3, "m", 1'000, -1};
  for (uint8_t i = 0; i < 16; ++i) committed.topic_id.bytes[i] = i;
  const JournalRecord record = encode_offset({"g", {"t", 5}, false}, committed);
  EXPECT_EQ(to_hex(*record.value),
            "0004000000000000000700000003026d00000000000003e8"
            "010010000102030405060708090a0b0c0d0e0f");
  EXPECT_EQ(*decode_offset(*record.value), committed);
}

TEST(GroupRecords, AnExpiryThatAClientAskedForIsKept) {
  const CommittedOffset committed{7, -1, "", 1'000, 2'000};
  const JournalRecord record = encode_offset({"g", {"t", 5}, false}, committed);
  EXPECT_EQ(*decode_offset(*record.value), committed);
}

TEST(GroupRecords, AnyExpiryBelowZeroIsNone) {
  kafka::OffsetCommitValue value;
  value.expire_timestamp = -7;
  EXPECT_EQ(decode_offset(kafka::encode_versioned(value, 1))->expire_ms, -1);
}

TEST(GroupRecords, ALinksOffsetHasAKeyThatKafkaSkips) {
  const OffsetKey key{"g", {"t", 5}, true};
  const JournalRecord record = encode_offset(key, {7, -1, "", 1'000, -1});
  EXPECT_EQ(load_be<int16_t>(record.key.data()), link_offset_version);
  EXPECT_EQ(std::get<OffsetKey>(*decode_key(record.key)), key);
}

TEST(GroupRecords, TombstonesHaveTheKeyAndNoValue) {
  const JournalRecord record = encode_tombstone(OffsetKey{"golden", {"orders", 0}, false});
  EXPECT_EQ(to_hex(record.key), golden_offset_key);
  EXPECT_FALSE(record.value);
  EXPECT_EQ(to_hex(encode_tombstone(GroupKey{"golden"}).key), golden_group_key);
}

TEST(GroupRecords, KeysOfOtherVersionsAreNotAnError) {
  const auto key = decode_key(from_hex("0005000161"));  // of a KIP-848 group
  ASSERT_TRUE(key);
  EXPECT_EQ(std::get<UnknownKey>(*key).version, 5);
}

TEST(GroupRecords, EveryTruncationIsAnError) {
  const std::string_view key = golden_offset_key;
  for (size_t size = 0; size < key.size(); size += 2) {
    const auto decoded = decode_key(from_hex(key.substr(0, size)));
    EXPECT_FALSE(decoded) << size;
  }
  for (size_t size = 0; size < golden_group.size(); size += 2) {
    EXPECT_FALSE(decode_group(from_hex(golden_group.substr(0, size)))) << size;
  }
  for (size_t size = 0; size < golden_offset.size(); size += 2) {
    EXPECT_FALSE(decode_offset(from_hex(golden_offset.substr(0, size)))) << size;
  }
}

}  // namespace
}  // namespace isthmus::broker
