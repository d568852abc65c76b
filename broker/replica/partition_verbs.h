// What the verbs of a partition take and give (partition_ref.h): plain values, which may cross
// loops.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "broker/log/epochs.h"
#include "broker/log/txn_index.h"
#include "broker/replica/isr_keeper.h"
#include "broker/replica/source_view.h"
#include "broker/replica/write_gate.h"
#include "broker/replica/writer.h"
#include "kafka/errors.h"

namespace isthmus::broker {

// Why a partition is not served, or not wholly: its log could not be opened, or a disk refused a
// write. A restart looks again.
struct Outage {
  std::string reason;
  bool readable = false;  // what is durable is read still
  bool all = false;       // nothing is left of it
};

struct Appended {
  Offset first_offset = -1, last_offset = -1;  // of the batches; -1 where there were none
  int64_t log_append_time = -1;                // -1 with create time
  bool duplicate = false;                      // nothing was appended: it is in the log already
  Offset log_start = -1, log_end = -1;         // afterwards
  // Of the leader's time in which it was appended: what is appended at the same offset in another
  // is something else.
  uint64_t tenure = 0;
};

// A replica that copies this one, and has all below the offset that it reads from durably.
struct ReadingFollower {
  NodeId node = -1;
  int32_t starts = -1;  // of that broker
  Offset log_start = -1;
};

struct ReadSpec {
  Offset offset = 0;
  LeaderEpoch current_leader_epoch = -1;  // as the reader believes; -1 = it does not say
  LeaderEpoch last_fetched_epoch = -1;
  uint64_t max_bytes = 0;
  bool read_committed = false;
  bool at_least_one_batch = false;
  std::optional<ReadingFollower> follower = std::nullopt;  // reads beyond what is safe
  // Also where it is followed only (KIP-392).
  bool from_follower = false;
  // Brokers that are nearer to the reader than this one; may be null.
  std::shared_ptr<const std::vector<NodeId>> nearer = nullptr;
};

struct ReadResult {
  kafka::ErrorCode error = kafka::ErrorCode::none;
  Offset high_watermark = -1;
  Offset last_stable_offset = -1;
  Offset start_offset = -1;
  Rope records;
  std::vector<AbortedTxn> aborted;
  std::optional<EpochEnd> diverging;
  NodeId preferred = -1;  // has what is asked for and is nearer: nothing was read here
  bool has_more = false;  // there is something, and no room was left for it
  bool by_follower = false;
};

// A time in milliseconds, or one of Kafka's special ones.
struct OffsetQuery {
  static constexpr int64_t latest = -1;
  static constexpr int64_t earliest = -2;
  static constexpr int64_t max_timestamp = -3;   // KIP-734
  static constexpr int64_t earliest_local = -4;  // no tiers: the same as earliest (KIP-405)
  static constexpr int64_t latest_tiered = -5;

  int64_t timestamp = latest;
  LeaderEpoch current_leader_epoch = -1;
  bool read_committed = false;
};
struct ListedOffset {
  Offset offset = -1;  // -1 = there is none
  int64_t timestamp = -1;
  LeaderEpoch leader_epoch = -1;
};

struct PartitionView {
  LeaderEpoch leader_epoch = -1;
  Offset start_offset = -1;
  Offset high_watermark = -1;
  Offset end_offset = -1;
  LeaderEpoch last_batch_epoch = -1;
  int32_t open_transactions = 0;
  bool disk_full = false;  // but for its reserve
  SourceView source;
  // Where it leads: that the replica which is furthest from being in sync lacks, by the average
  // size of records; 0: all are.
  int64_t bytes_to_go = 0;
};

// What was counted since the partition was opened, and how it stands.
struct PartitionNumbers {
  uint64_t bytes_in = 0, records_in = 0;  // from clients
  uint64_t link_bytes_in = 0;
  uint64_t bytes_out = 0;  // to consumers and mirrors
  uint64_t size_bytes = 0;
  PartitionView view;
};

struct EpochHistory {
  LeaderEpoch leader_epoch = -1;  // in force
  bool leads = false;
  Offset start_offset = -1;
  Offset end_offset = -1;
  std::vector<EpochEntry> entries;
};

// Who should be in the ISR, as the leader of that epoch sees it; and what became of that.
struct IsrProposal {
  LeaderEpoch leader_epoch = -1;
  int64_t version = -1;  // of the record that it was made from
  IsrKeeper::Proposal isr;
};
enum class IsrOutcome : uint8_t { decided, unknown };

// Where a follower's log ends.
struct FollowerEnd {
  Offset end_offset = -1;  // durable, unless durability is page_cache
  LeaderEpoch last_epoch = -1;
  Offset start_offset = -1;
};

// The answer to a fence: with no refusal nothing is written behind what the view shows.
struct Held {
  std::optional<Refusal> refusal;
  PartitionView view;
  int64_t number = 0;  // of the fence; see WriteGate
};

// Where our log and another's part.
struct Parting {
  std::optional<Refusal> refusal;
  Offset cut_at = 0;
  Offset end_offset = 0;
  LeaderEpoch last_batch_epoch = -1;
  LeaderEpoch leader_epoch = -1;  // under which it is fenced
};

// The last offset before `offset` that is there, and its epoch: where a group may go on.
struct ClampedOffset {
  Offset offset = -1;
  LeaderEpoch leader_epoch = -1;
};

// What the checkpoints keep.
struct Marks {
  Offset recovery_point = 0, log_start = 0, high_watermark = 0;
  std::optional<SourceMark> source;
  // The log was cut since the last checkpoint, for the `cuts`-th time (log/synced_end.h).
  bool doubts_checkpoint = false;
  uint64_t cuts = 0;
};

}  // namespace isthmus::broker
