// PartitionRef: the door to a partition. A small value that names it and knows its loop; given out
// by PartitionTable, used on any loop. Every verb hops to the partition's loop and back by itself;
// on that loop it runs at once and suspends nobody. Nobody else reaches into a log or its gate.
//
// What handles many partitions in one request groups them by loop() and hops once for each
// (Produce, Fetch); read() counts on that, as a follower's fetch reads a thousand where nothing has
// come. A ref keeps its partition alive, not open: after close() verbs answer with an
// error.
//
// An empty ref says by absence() and outage() why there is no partition; it has no verbs. Those
// behind "for the table" are for the table alone.
#pragma once

#include <memory>

#include "base/error.h"
#include "broker/image/image.h"
#include "broker/log/config.h"
#include "broker/replica/partition_verbs.h"
#include "io/task.h"
#include "io/workers.h"
#include "kafka/validate.h"

namespace isthmus::sim {
class StepJudge;
}

namespace isthmus::broker {

class Partition;
class FetchWait;
struct PendingAppend;

class PartitionRef {
 public:
  PartitionRef() = default;
  explicit PartitionRef(kafka::ErrorCode absence) : absence_(absence) {}
  // Of a partition whose log cannot be opened.
  explicit PartitionRef(Outage outage);
  explicit PartitionRef(std::shared_ptr<Partition> partition) : partition_(std::move(partition)) {}

  explicit operator bool() const { return partition_ != nullptr; }
  friend bool operator==(const PartitionRef&, const PartitionRef&) = default;
  // UNKNOWN_TOPIC_OR_PARTITION; NOT_LEADER_OR_FOLLOWER of one that is not open yet, which passes;
  // KAFKA_STORAGE_ERROR where the disk is at fault.
  kafka::ErrorCode absence() const { return absence_; }
  bool is_opening() const { return absence_ == kafka::ErrorCode::not_leader_or_follower; }
  // What is wrong with it, or nothing; as of now, on any loop.
  std::shared_ptr<const Outage> outage() const;

  // Of the partition as it is open now: opened again it is another. Keeps nothing alive.
  std::weak_ptr<const void> identity() const { return partition_; }

  const TopicPartition& name() const;
  const Uuid& topic_id() const;
  io::Loop& loop() const;
  // What a client's records must be, before they are appended; no hop.
  std::shared_ptr<const kafka::RecordRules> record_rules() const;

  // Immediate, in the order of the calls on the partition's loop. `log_end` of the answer is where
  // a link goes on.
  io::Task<Result<Appended>> append(Writer writer, Slice batches) const;
  // The same for a client's batch that may be written with others that arrive in the same turn of
  // the loop, in the order of the calls; what became of it comes with written().
  io::Task<std::shared_ptr<PendingAppend>> enqueue(ClientWriter writer, Slice batch) const;
  io::Task<Result<Appended>> written(std::shared_ptr<PendingAppend> append) const;
  // Whether it leads, by all that was committed by `since` (verdicts.h).
  io::Task<bool> leads_still(io::Instant since) const;
  // Until clients may write, or have to be told why not; or the deadline.
  io::Task<void> fence_ended(io::Instant deadline) const;
  // Waits until everything before `end` is safe, see Partition.
  io::Task<Result<void>> committed(Offset end, io::Instant deadline, uint64_t tenure = 0) const;
  // Moves the start of the log up, at most to the high watermark; -1 means up to there. Returns it.
  io::Task<Result<Offset>> delete_records(Writer writer, Offset before) const;
  // When nobody who is in sync has anything below `start`; see Partition.
  io::Task<Result<Offset>> deleted(Offset start, io::Instant deadline) const;

  // With `wait`, what arrives after the read wakes it. REQUIRES: called on the partition's loop.
  ReadResult read(const ReadSpec& spec, const std::shared_ptr<FetchWait>& wait = nullptr) const;
  // As the cluster reads its own records: up to the log's end, whole batches. Empty = the end.
  io::Task<Result<Slice>> read_own(Offset from, uint64_t max_bytes) const;
  // By time it reads and unpacks on the workers.
  io::Task<Result<ListedOffset>> list_offset(OffsetQuery query, io::Workers& workers) const;
  // When the first of what is to be read from there to the high watermark was written; see Log. It
  // looks at headers on the workers.
  io::Task<Result<std::optional<int64_t>>> unread_time(Offset from, io::Workers& workers) const;
  // Where `asked` ends, or the largest epoch before it (KIP-101, KIP-320).
  io::Task<Result<EpochEnd>> epoch_end(LeaderEpoch believed, LeaderEpoch asked) const;
  io::Task<PartitionView> describe() const;
  io::Task<PartitionNumbers> numbers() const;
  io::Task<EpochHistory> history() const;
  io::Task<ClampedOffset> clamp(Offset offset) const;

  // Nobody writes for that long.
  io::Task<Held> fence(Uuid id, io::Duration for_at_most, int64_t number = 0) const;
  // Turns the fence of `id`, if it still holds without a hole (`number`; 0 = whichever it is), into
  // one without a deadline, for that attempt (write_gate.h).
  io::Task<Held> hold(Uuid id, Uuid attempt, int64_t number = 0) const;
  // The same of what need not be fenced yet.
  io::Task<Held> freeze(Uuid id, Uuid attempt, bool takes_over) const;
  // What is fenced, or held for that attempt.
  io::Task<void> lift(Uuid id, Uuid attempt = {}) const;
  // Fences what is not closed already, for that long, and compares with another site's log.
  io::Task<Parting> fence_and_compare(Uuid id, io::Duration for_at_most,
                                      std::vector<EpochEntry> theirs, Offset their_end) const;
  // Cuts a suffix that another site never had, and lifts the fence; see Partition.
  io::Task<Result<void>> cut(Offset end, Uuid fence, io::Instant deadline) const;
  // What a mirror process says of its source, and how long ago that said so; nothing if it has not.
  io::Task<void> note_source(Offset end_offset, int64_t lag_ms,
                             std::optional<io::Duration> age) const;
  io::Task<Result<void>> sync() const;

  // For the copier of a follower (broker/replication/copier.h).
  io::Task<Result<FollowerEnd>> cut_to(LeaderEpoch epoch, Offset end) const;
  io::Task<Result<FollowerEnd>> begin_anew(LeaderEpoch epoch, Offset start) const;
  io::Task<Result<FollowerEnd>> copied() const;
  // For who brings the leader's proposals to the controller (broker/replication/isr_updates.h).
  io::Task<std::optional<IsrProposal>> propose_isr() const;
  io::Task<void> isr_proposed(LeaderEpoch leader_epoch, IsrOutcome outcome) const;

  // For the table.
  io::Task<void> follow(std::shared_ptr<const Image> image, std::shared_ptr<const TopicImage> topic,
                        LogConfig config) const;
  io::Task<Marks> marks() const;
  // A checkpoint with marks of `cuts` cuts is durable.
  io::Task<void> checkpointed(uint64_t cuts) const;
  io::Task<Result<void>> apply_retention() const;
  // Whoever waits at a fence is answered, and nobody waits there any more.
  io::Task<void> end_waits() const;
  // Whoever waits is refused, and whoever comes: this broker's word counts no more.
  io::Task<void> refuse_all() const;
  // Ends all waits and background work and closes the log.
  io::Task<Result<void>> close() const;
  // The same for a deleted topic: the folder goes.
  io::Task<Result<void>> erase() const;

 private:
  friend class sim::StepJudge;  // looks on while no loop runs
  std::shared_ptr<Partition> partition_;
  kafka::ErrorCode absence_ = kafka::ErrorCode::unknown_topic_or_partition;
  std::shared_ptr<const Outage> outage_;  // of an empty ref
};

}  // namespace isthmus::broker
