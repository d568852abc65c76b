// How one partition's log behaves: its topic's configuration, resolved. Units are Kafka's (bytes,
// milliseconds), so are the defaults; -1 means without limit where Kafka says so.
#pragma once

#include <cstdint>
#include <string>

#include "base/ids.h"
#include "kafka/batch.h"

namespace isthmus::broker {

// Whether sync() reaches the disk. page_cache is Kafka's way: replication alone protects what was
// acknowledged last. Segments are synced as they are completed, in the background; a power loss may
// take the end of the log from any record on that was written since (recovery.h).
enum class Durability : uint8_t { fsync, page_cache };

struct LogConfig {
  int32_t segment_bytes = 1 << 30;
  int64_t segment_ms = int64_t{7} * 24 * 3600 * 1000;
  int64_t retention_ms = int64_t{7} * 24 * 3600 * 1000;
  int64_t retention_bytes = -1;
  int32_t index_interval_bytes = 4096;
  int32_t max_message_bytes = 1048588;
  bool delete_old = true;  // cleanup.policy has "delete"
  bool compact = false;    // cleanup.policy has "compact"
  kafka::TimestampType timestamp_type = kafka::TimestampType::create_time;
  int64_t timestamp_before_max_ms = INT64_MAX;
  int64_t timestamp_after_max_ms = 3'600'000;
  Durability durability = Durability::fsync;
  int64_t producer_expiration_ms = int64_t{24} * 3600 * 1000;
  // The cluster that this broker belongs to: owner of the epochs that its own leaders begin.
  ClusterNumber cluster = 0;
};

// What the broker knows about a log from before: its checkpoints (checkpoints.h).
struct RecoveryHints {
  Offset recovery_point = 0;  // everything below was synced
  Offset log_start = 0;
  bool clean_shutdown = false;
  // An operator's word: damage that begins exactly at this offset may be cut, with all after it.
  Offset cut_from = -1;
  // By the metadata the other replicas have all that was acknowledged, and nobody counts on this
  // one: what is marked as damaged may be cut wherever that begins.
  bool others_have_all = false;
};

struct RecoveryReport {
  uint64_t bytes_cut = 0;  // of a torn tail, or of what was given up
  std::string cut_file;    // where they are kept; empty if nothing was worth it, or could be
  bool has_cuts = false;   // there are such files, of now or of before
  Offset end_offset = 0;   // where the log ends now
  size_t segments_scanned = 0;
  // It was not stopped cleanly, and appends were durability page_cache's: what was acknowledged
  // last may be gone.
  bool may_lack = false;
};

}  // namespace isthmus::broker
