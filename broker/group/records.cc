#include "broker/group/records.h"

#include <algorithm>

#include "kafka/gen/group_metadata_key.h"
#include "kafka/gen/membership_value.h"
#include "kafka/gen/moved_group_value.h"
#include "kafka/gen/offset_commit_key.h"
#include "kafka/gen/offset_commit_value.h"

namespace isthmus::broker {

namespace {

constexpr int16_t offset_key_version = 1;
constexpr int16_t group_key_version = 2;
// 4 is what Kafka 4.1 writes: it has the topic's id. All releases since 2.1 read 3; 1 alone can say
// when the offset expires.
int16_t value_version(const CommittedOffset& committed) {
  if (committed.expire_ms >= 0) return 1;
  return committed.topic_id.is_zero() ? 3 : 4;
}
constexpr int16_t group_value_version = 3;

Slice encode_key(const OffsetKey& key) {
  kafka::OffsetCommitKey fields;
  fields.group = key.group;
  fields.topic = key.partition.topic;
  fields.partition = key.partition.partition;
  kafka::Writer writer;
  writer.int16(key.from_link ? link_offset_version : offset_key_version);
  fields.encode(writer, offset_key_version);
  return Slice::copy_of(writer.unsealed());
}

Slice encode_group_key(const std::string& group, int16_t version) {
  kafka::GroupMetadataKey fields;
  fields.group = group;
  kafka::Writer writer;
  writer.int16(version);
  fields.encode(writer, group_key_version);
  return Slice::copy_of(writer.unsealed());
}

Slice encode_key(const GroupKey& key) { return encode_group_key(key.group, group_key_version); }
Slice encode_key(const MovedGroupKey& key) {
  return encode_group_key(key.group, moved_group_version);
}

template <typename Value>
Result<Value> decode_value(const Slice& bytes) {
  kafka::Reader reader(bytes);
  const int16_t version = reader.int16();
  if (!reader.ok()) return fail(Error::corrupt("__consumer_offsets: a value without a version"));
  return Value::decode(reader, version);
}

}  // namespace

JournalRecord encode_offset(const OffsetKey& key, const CommittedOffset& committed) {
  kafka::OffsetCommitValue value;
  value.offset = committed.offset;
  value.leader_epoch = committed.leader_epoch;
  value.metadata = committed.metadata;
  value.commit_timestamp = committed.commit_ms;
  value.expire_timestamp = committed.expire_ms;
  value.topic_id = committed.topic_id;
  return {encode_key(key), kafka::encode_versioned(value, value_version(committed))};
}

JournalRecord encode_group(const std::string& group, const kafka::GroupMetadataValue& value) {
  return {encode_key(GroupKey{group}), kafka::encode_versioned(value, group_value_version)};
}

JournalRecord encode_moved(const std::string& group, const MovedGroup& moved) {
  kafka::MovedGroupValue value;
  value.switchover_id = moved.switchover_id;
  value.membership = encode_membership(moved.membership);
  return {encode_key(MovedGroupKey{group}), kafka::encode_versioned(value, value.max_version)};
}

JournalRecord encode_tombstone(const OffsetKey& key) { return {encode_key(key), std::nullopt}; }
JournalRecord encode_tombstone(const GroupKey& key) { return {encode_key(key), std::nullopt}; }
JournalRecord encode_tombstone(const MovedGroupKey& key) { return {encode_key(key), std::nullopt}; }

Result<GroupRecordKey> decode_key(const Slice& key) {
  kafka::Reader reader(key);
  const int16_t version = reader.int16();
  if (!reader.ok()) return fail(Error::corrupt("__consumer_offsets: a key without a version"));
  const bool from_link = version == link_offset_version;
  if (from_link || (version >= 0 && version <= offset_key_version)) {
    auto fields = kafka::OffsetCommitKey::decode(reader, from_link ? offset_key_version : version);
    if (!fields) return fail(fields.error());
    return OffsetKey{fields->group, {fields->topic, fields->partition}, from_link};
  }
  const bool moved = version == moved_group_version;
  if (moved || version == group_key_version) {
    auto fields = kafka::GroupMetadataKey::decode(reader, group_key_version);
    if (!fields) return fail(fields.error());
    if (moved) return MovedGroupKey{fields->group};
    return GroupKey{fields->group};
  }
  return UnknownKey{version};
}

Result<CommittedOffset> decode_offset(const Slice& bytes) {
  auto value = decode_value<kafka::OffsetCommitValue>(bytes);
  if (!value) return fail(value.error());
  const int64_t expire_ms = std::max<int64_t>(value->expire_timestamp, -1);
  return CommittedOffset{value->offset,           value->leader_epoch, std::move(value->metadata),
                         value->commit_timestamp, expire_ms,           value->topic_id};
}

Result<kafka::GroupMetadataValue> decode_group(const Slice& bytes) {
  return decode_value<kafka::GroupMetadataValue>(bytes);
}

Result<MovedGroup> decode_moved(const Slice& bytes) {
  auto value = decode_value<kafka::MovedGroupValue>(bytes);
  if (!value) return fail(value.error());
  auto membership = decode_membership(value->membership);
  if (!membership) return fail(membership.error());
  return MovedGroup{value->switchover_id, std::move(*membership)};
}

Slice encode_membership(const Membership& membership) {
  kafka::MembershipValue value;
  value.rebalancing = membership.rebalancing;
  value.expected = membership.expected;
  value.stored = kafka::encode_versioned(membership.stored, group_value_version);
  return kafka::encode_versioned(value, value.max_version);
}

Result<Membership> decode_membership(const Slice& bytes) {
  auto value = decode_value<kafka::MembershipValue>(bytes);
  if (!value) return fail(value.error());
  auto stored = decode_group(value->stored);
  if (!stored) return fail(stored.error());
  return Membership{std::move(*stored), value->rebalancing, std::move(value->expected)};
}

}  // namespace isthmus::broker
