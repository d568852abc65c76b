// What the group coordinator can be told in the broker's options, under Kafka's names (in the
// comments) and, unless said otherwise, with Kafka's defaults. Read only once the broker runs.
#pragma once

#include <cstdint>

namespace isthmus::broker {

struct GroupConfig {
  // offsets.topic.num.partitions: of __consumer_offsets. A group's partition depends on it, so what
  // counts is how many the topic has, once it exists (Coordinator::has_partitions()).
  int32_t partitions = 50;

  // group.initial.rebalance.delay.ms: an empty group waits for more members before its first
  // generation. Kafka waits 3,000; a short wait already spares most of the double rebalance.
  int32_t initial_rebalance_delay_ms = 500;
  int32_t min_session_timeout_ms = 6'000;      // group.min.session.timeout.ms
  int32_t max_session_timeout_ms = 1'800'000;  // group.max.session.timeout.ms
  // A member that waits for its first generation sends no heartbeats; after this long it is taken
  // for gone. Kafka has this as a constant.
  int32_t new_member_timeout_ms = 300'000;
  // group.max.size: members, with those that still have to come back with their id.
  int32_t max_members = INT32_MAX;
  // group.max.member.bytes and group.max.bytes (Kafka has neither): what one member may say of
  // itself, and what all of a group and their assignment may take. A group is stored as one record.
  int32_t max_member_bytes = 1 << 20;
  int32_t max_group_bytes = 8 << 20;
  // What the groups of a coordinator may take together: so many times the largest.
  int32_t largest_groups = 32;

  int32_t max_offset_metadata_bytes = 4'096;            // offset.metadata.max.bytes
  int64_t offsets_retention_ms = 7LL * 24 * 3'600'000;  // offsets.retention.minutes
  int64_t retention_check_ms = 600'000;                 // offsets.retention.check.interval.ms
};

}  // namespace isthmus::broker
