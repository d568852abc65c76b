// The records of __consumer_offsets, in Kafka's format: other tools read this topic (Burrow,
// kminion), and Kafka's own can take over a group from it.
//
// A key is an int16 version and fields: 0 and 1 are a committed offset, 2 a group's generation. Two
// versions are ours: link_offset_version, an offset that a link has committed at its full height,
// which may lie above what has been copied, with the fields of a committed offset; and
// moved_group_version, the members of a link's group that wait for its promotion. They stand beside
// Kafka's keys so that no tool that knows Kafka's takes them for a committed offset or a group:
// unknown versions are skipped (KIP-915). Pure functions; a damaged record is Error::corrupt.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "base/bytes.h"
#include "base/error.h"
#include "base/ids.h"
#include "broker/coordinator/journal.h"
#include "broker/group/membership.h"
#include "kafka/gen/group_metadata_value.h"

namespace isthmus::broker {

// One committed position of one group in one partition.
struct CommittedOffset {
  Offset offset = -1;
  LeaderEpoch leader_epoch = -1;
  std::string metadata;
  int64_t commit_ms = 0;   // wall clock
  int64_t expire_ms = -1;  // wall clock; set only by clients that ask for it (OffsetCommit v2-4)
  // The topic that it is a position in: another one of that name is not meant. Zero = not known,
  // for offsets of a link, those with expire_ms (their format has no room), and older ones.
  Uuid topic_id = {};

  bool operator==(const CommittedOffset&) const = default;
};

struct OffsetKey {
  std::string group;
  TopicPartition partition;
  bool from_link = false;
  bool operator==(const OffsetKey&) const = default;
};
struct GroupKey {
  std::string group;
  bool operator==(const GroupKey&) const = default;
};
struct MovedGroupKey {
  std::string group;
  bool operator==(const MovedGroupKey&) const = default;
};
struct UnknownKey {
  int16_t version = 0;
  bool operator==(const UnknownKey&) const = default;
};
using GroupRecordKey = std::variant<OffsetKey, GroupKey, MovedGroupKey, UnknownKey>;

inline constexpr int16_t link_offset_version = 10'000;
inline constexpr int16_t moved_group_version = 10'001;

JournalRecord encode_offset(const OffsetKey& key, const CommittedOffset& committed);
JournalRecord encode_group(const std::string& group, const kafka::GroupMetadataValue& value);
JournalRecord encode_moved(const std::string& group, const MovedGroup& moved);
JournalRecord encode_tombstone(const OffsetKey& key);
JournalRecord encode_tombstone(const GroupKey& key);
JournalRecord encode_tombstone(const MovedGroupKey& key);

Result<GroupRecordKey> decode_key(const Slice& key);
Result<CommittedOffset> decode_offset(const Slice& value);
Result<kafka::GroupMetadataValue> decode_group(const Slice& value);
Result<MovedGroup> decode_moved(const Slice& value);

// As it crosses from site to site.
Slice encode_membership(const Membership& membership);
Result<Membership> decode_membership(const Slice& bytes);

}  // namespace isthmus::broker
