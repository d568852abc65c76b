// What the group coordinator can be told in the broker's options, under Kafka's names (in the
// comments) and, unless said otherwise, with Kafka's defaults. Read only once the broker runs.
#pragma once

#include <cstdint>

namespace isthmus::broker {

struct GroupConfig {
  // offsets.topic.num.partitions: of __consumer_offsets. A group's partition depends on it, so it
  // never changes once the topic exists.
  int32_t partitions = 50;

  // group.initial.rebalance.delay.ms: an empty group waits for more members before its first
  // generation. Kafka waits 3,000; a short wait already spares most of the double rebalance.
  int32_t initial_rebalance_delay_ms = 500;
  int32_t min_session_timeout_ms = 6'000;      // group.min.session.timeout.ms
  int32_t max_session_timeout_ms = 1'800'000;  // group.max.session.timeout.ms
  // A member that waits for its first generation sends no heartbeats; after this long it is taken
  // for gone. Kafka has this as a constant.
  int32_t new_member_timeout_ms = 300'000;
  // group.max.size: members, with those that still have to come back with their id. Kafka's
  // default is no limit.
  int32_t max_members = 10'000;

  int32_t max_offset_metadata_bytes = 4'096;            // offset.metadata.max.bytes
  int64_t offsets_retention_ms = 7LL * 24 * 3'600'000;  // offsets.retention.minutes
  int64_t retention_check_ms = 600'000;                 // offsets.retention.check.interval.ms
};

}  // namespace isthmus::broker
