// Partition: one partition as this broker has it. It only sequences its parts:
//
//   Log        the bytes: append, read, truncate                       (log/log.h)
//   Replica    which offset is safe: the high watermark                (replica.h)
//   IsrKeeper  who should be in the ISR                                (isr_keeper.h)
//   WriteGate  who may write now                                       (write_gate.h)
//   Waiters    producers that wait for the watermark, fetches for data (waiters.h)
//
// An append is immediate and returns the offset; those of clients may also be written together with
// what arrives beside them (enqueue(), append_group.h). committed() waits until an offset is safe.
// Between the two, appends of many requests share one fsync (group commit): while one sync runs,
// what arrives is covered by the next. With durability page_cache an append counts as durable at
// once.
//
// The image says who leads. A follower serves nobody and takes nothing but what it copies from the
// leader of the epoch in force (append() with a ReplicaWriter, cut_to(), begin_anew()): what was
// asked for under an epoch that has ended is refused, however late it comes (KAFKA-18991). Where
// clients may read from followers (KIP-392) one that is in the ISR gives them what is safe, as far
// as it knows.
//
// Lives on one loop (loop()), where its PartitionRef calls it (partition_ref.h): everybody else
// holds a ref. A failed write or sync takes the partition offline: appends are answered
// KAFKA_STORAGE_ERROR until a restart has looked at the disk again; what is safe is read on, and
// deleted. Without room on the disk, or with only the reserve left (storage_room.h), the answer is
// the same, and appends go on by themselves.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "base/log.h"
#include "base/published.h"
#include "broker/image/image.h"
#include "broker/log/log.h"
#include "broker/replica/append_group.h"
#include "broker/replica/isr_bell.h"
#include "broker/replica/isr_keeper.h"
#include "broker/replica/partition_verbs.h"
#include "broker/replica/refusals.h"
#include "broker/replica/replica.h"
#include "broker/replica/storage_rooms.h"
#include "broker/replica/verdicts.h"
#include "broker/replica/waiters.h"
#include "broker/replica/write_gate.h"
#include "io/gate.h"
#include "kafka/validate.h"

namespace isthmus::broker {

// What a partition of several replicas is told; one that is alone needs none of it.
struct ReplicaOptions {
  Offset high_watermark = 0;  // as the last checkpoint had it
  io::Duration allowed_lag = std::chrono::seconds(10);
  std::shared_ptr<IsrBell> bell = nullptr;  // rung when the ISR should be another
  Confirm confirm = nullptr;                // before a verdict; none: nobody else can lead
};

class Partition {
 public:
  Partition(io::Loop& loop, TopicPartition name, Uuid topic_id, NodeId self,
            std::unique_ptr<Log> log, std::shared_ptr<StorageWatch> room = nullptr,
            ReplicaOptions replication = {});

  io::Loop& loop() const { return loop_; }
  const TopicPartition& name() const { return name_; }
  const Uuid& topic_id() const { return topic_id_; }

  // The controller's records, whenever they change. An earlier image than the latest changes
  // nothing: one may be heard of while its predecessor is followed.
  void on_image(const Image& image, const TopicImage& topic, const LogConfig& config);

  // What a client's records must be. Any loop.
  std::shared_ptr<const kafka::RecordRules> record_rules() const { return rules_.load(); }
  // `batches` are what `writer` says they are. The one way into the log.
  Result<Appended> append(const Writer& writer, const Slice& batches);
  // A client's batch, to be written with others; written() tells what became of it.
  std::shared_ptr<PendingAppend> enqueue(ClientWriter writer, Slice batch);
  io::Task<Result<Appended>> written(std::shared_ptr<PendingAppend> append);
  // Whether it leads, and has since `tenure`, by all that was committed by `since`; 0: the present
  // one. See verdicts.h.
  io::Task<bool> leads_still(io::Instant since, uint64_t tenure = 0);
  // Before anybody looks: what waits goes into the log, unless a fence holds it back.
  void write_pending();
  // Until clients may write, or have to be told why not; or the deadline.
  io::Task<void> fence_ended(io::Instant deadline);
  // From now on nobody waits at a fence: the broker stops.
  void end_waits();
  // The broker's word counts no more, and another may lead: who waits is refused, and who comes,
  // with NOT_LEADER_OR_FOLLOWER. What was written stays, and only close() comes after.
  void refuse_all();
  // Waits until everything before `end` is safe. REQUEST_TIMED_OUT and
  // NOT_ENOUGH_REPLICAS_AFTER_APPEND leave the outcome unknown; so does NOT_LEADER_OR_FOLLOWER,
  // where the `tenure` (Appended) has ended; 0: the present one.
  io::Task<Result<void>> committed(Offset end, io::Instant deadline, uint64_t tenure = 0);

  ReadResult read(const ReadSpec& spec);
  void wait_for_data(std::weak_ptr<FetchWait> wait, bool of_follower = false) {
    (of_follower ? follower_fetches_ : fetches_).add(std::move(wait));
  }
  Result<Slice> read_own(Offset from, uint64_t max_bytes);
  io::Task<Result<ListedOffset>> list_offset(OffsetQuery query, io::Workers& workers);
  // Below the high watermark; see Log.
  io::Task<Result<std::optional<int64_t>>> unread_time(Offset from, io::Workers& workers);

  // A reader that believes in another epoch than the one in force (KIP-320), or in another leader.
  Result<void> check_epoch(LeaderEpoch believed) const;
  // Where `asked` ends, or the largest epoch before it.
  EpochEnd epoch_end(LeaderEpoch asked) const;
  ClampedOffset clamp(Offset offset) const;
  PartitionView describe() const;
  int64_t bytes_to_go() const;
  PartitionNumbers numbers() const;
  EpochHistory history() const;
  Marks marks() const;
  void checkpointed(uint64_t cuts) { log_->synced_end().checkpointed(cuts); }

  Held fence(const Uuid& id, io::Duration for_at_most, int64_t number = 0);
  Held hold(const Uuid& id, const Uuid& attempt, int64_t number = 0);
  Held freeze(const Uuid& id, const Uuid& attempt, bool takes_over);
  void lift(const Uuid& id, const Uuid& attempt = {}) {
    gate_.lift(id, attempt);
    gate_changed_.notify_all();
  }
  Parting fence_and_compare(const Uuid& id, io::Duration for_at_most,
                            std::span<const EpochEntry> theirs, Offset their_end);

  void note_source(Offset end_offset, int64_t lag_ms, std::optional<io::Duration> age);
  void remember_source(const SourceMark& mark);  // of before the start

  // Cuts a suffix that another site never had; the caller has saved it. Returns the new end.
  Result<Offset> truncate(Offset end);
  // The same, and lifts the fence. Done when nobody who is in sync has it: whoever is elected next
  // of them has cut, too. REQUEST_TIMED_OUT: cut here, and somebody may have it; it may be
  // repeated.
  io::Task<Result<void>> cut(Offset end, Uuid fence, io::Instant deadline);
  // -1 means up to the high watermark. Returns the new start.
  Result<Offset> delete_records(const Writer& writer, Offset before);
  // Until nobody who is in sync has anything below `start`: the lowest start of their logs.
  // REQUEST_TIMED_OUT: somebody may have.
  io::Task<Result<Offset>> deleted(Offset start, io::Instant deadline);
  // Any loop may ask. Noted after each verb that may have met a bad disk.
  std::shared_ptr<const Outage> outage() const { return outage_.load(); }
  void note_outage();

  // As a follower under `epoch`: the log is cut, or forgotten, as the leader has it. The end that
  // is left; FENCED_LEADER_EPOCH: another epoch is in force.
  Result<FollowerEnd> cut_to(LeaderEpoch epoch, Offset end);
  Result<FollowerEnd> begin_anew(LeaderEpoch epoch, Offset start);
  // When all that is in the log is durable.
  io::Task<Result<FollowerEnd>> copied();

  // As the leader: who should be in the ISR, if it should be changed; and what became of it.
  std::optional<IsrProposal> propose_isr();
  void isr_proposed(LeaderEpoch leader_epoch, IsrOutcome outcome);

  // Removes segments that are too old or too many, and forgets silent producers.
  Result<void> apply_retention();
  io::Task<Result<void>> sync_all();

  // Ends all waits and background work and closes the log; nothing is called afterwards.
  io::Task<Result<void>> close();
  // The same for a deleted topic: the folder goes.
  io::Task<Result<void>> erase();

 private:
  bool leads() const { return leader_ == self_; }
  Error not_leading() const;
  void take_role(const Image& image, const TopicImage& topic);
  void begin_to_lead(IsrKeeper::Record record, int min_isr);
  void step_down();
  Result<void> check_reader(const ReadSpec& spec) const;
  Result<void> check_follower(const ReadSpec& spec) const;
  bool note_follower(const ReadSpec& spec);
  // What a follower was answered: the log is told of what lasts.
  void note_answer(const ReadSpec& spec, const Result<void>& answer);
  Result<void> check_following(LeaderEpoch epoch) const;
  // Whether there is room for it.
  Result<void> take_copy(const ReplicaWriter& copy, const Slice& batches);
  FollowerEnd follower_end() const;
  std::optional<Error> offline_error() const;
  Result<void> admit(const Writer& writer);
  bool is_refused_still(const PendingAppend& append) const;
  LeaderAppend how_for(const ClientWriter& writer) const;
  Appended told(const AppendInfo& info) const;
  io::Task<void> write_at_the_end_of_the_turn();
  // What clients wait for at present, rather than being refused.
  std::optional<Refusal> fence_that_passes() const;
  void set_gate(const kafka::TopicWriter& writer, int64_t link_epoch);
  void hold_back(const Refusal& fence);
  io::Task<void> await_opening();
  void write_together(std::vector<std::shared_ptr<PendingAppend>> appends);
  Result<AppendInfo> write(const ClientWriter& writer, const Slice& batch);
  Result<AppendInfo> write(const LinkWriter& writer, const Slice& batches);
  Result<AppendInfo> write(const CoordinatorWriter& writer, const Slice& batch);
  Result<AppendInfo> write(const MarkerWriter& writer, const Slice& batch);
  Result<AppendInfo> write(const ExportWriter& writer, const Slice& batches);
  Result<AppendInfo> write(const ReplicaWriter& writer, const Slice& batches);
  Result<AppendInfo> write_own(const Slice& batch);
  Result<void> follow_start(Offset start);
  void on_appended();
  void count(const Writer& writer, const AppendInfo& info);
  void advanced(bool moved);
  void abort_open_transactions();
  void catch_up_with_promotion(const PartitionImage& image);
  bool is_flush_due() const;
  io::Task<void> flush();
  io::Task<void> stop();
  Offset last_stable_offset() const;

  io::Loop& loop_;
  TopicPartition name_;
  Uuid topic_id_;
  Logger logger_;
  std::unique_ptr<Log> log_;
  Published<kafka::RecordRules> rules_;
  std::shared_ptr<StorageWatch> room_;
  const NodeId self_;
  NodeId leader_ = -1;  // by the image
  bool in_sync_ = false;
  uint64_t image_number_ = 0;
  // Grows whenever this broker stops to lead: what was appended before may be cut since.
  uint64_t tenure_ = 1;
  // What an earlier leader has acknowledged lies below: readers are told of no end before that is
  // safe here, too.
  Offset acknowledged_below_ = 0;
  Replica replica_;
  IsrKeeper isr_;
  std::map<NodeId, Refusals> refusals_;  // of followers; of no more than there are replicas
  std::shared_ptr<IsrBell> bell_;
  Confirm confirm_;
  WriteGate gate_;
  io::Event gate_changed_;
  io::Event followers_moved_;  // where their logs start, or end since ours was cut
  bool awaits_cuts_ = false;
  AppendGroup pending_;
  bool held_back_ = false;    // by a fence, and await_opening() runs
  bool waits_ended_ = false;  // nobody waits at a fence any more
  io::Event written_;
  AckQueue acks_;
  FetchWaiters fetches_;           // for what is safe
  FetchWaiters follower_fetches_;  // for what is in the log
  SourceView source_;
  PartitionNumbers counted_;  // its counts
  LeaderEpoch leader_epoch_ = 0;
  bool initializing_ = false;
  ClusterNumber origin_ = 0;  // whose epochs a mirror's batches bring, unless it is told
  // When a client was last refused. After a failover producers may jump ahead once
  // (log/gap.h), but not with what they had sent behind a batch that was refused.
  std::optional<io::Instant> refused_at_;
  Published<Outage> outage_;
  bool flushing_ = false;
  bool closing_ = false;
  io::Gate background_;
};

}  // namespace isthmus::broker
