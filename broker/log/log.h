// Log: one partition's records on disk, and everything that follows from them: offsets, leader
// epochs, producer states, aborted transactions. In Kafka's layout, so that Kafka's tools read it:
//
//   <base>.log .index .timeindex .txnindex   segment.h, index.h, txn_index.h
//   <offset>.snapshot                        producer_snapshot.h
//   leader-epoch-checkpoint, epoch-owners    epochs.h
//   partition.metadata                       checkpoints.h
//   synced-end, quarantine, <offset>.cut     synced_end.h, quarantine.h, cut_bytes.h
//
// Owned by a Partition, on its loop; no locks. Appends and reads do not wait; sync() does. What was
// read stays readable: a reply keeps its file, whatever happens to the log meanwhile.
//
// Errors: kafka for what a client is answered, corrupt for bytes that break their format, io for
// the disk. After a failed write or fsync the log is offline for good: it takes nothing more and
// retries nothing, because what the disk then holds is unknown. What was durable before is read on,
// and leaves by its start (DeleteRecords, retention).
//
// A disk without room (io::lacks_room) is no broken one: what was to be appended is refused whole,
// nothing has changed, and the next append tries again. So every step of an append that may meet it
// can be taken back or done twice.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/log.h"
#include "broker/log/append.h"
#include "broker/log/config.h"
#include "broker/log/epochs.h"
#include "broker/log/file_cache.h"
#include "broker/log/producers.h"
#include "broker/log/segment.h"
#include "broker/log/synced_end.h"
#include "broker/log/syncer.h"

namespace isthmus::broker {

class Log {
 public:
  // Creates the folder if it is absent, then starting at hints.log_start. A folder of another topic
  // id is an error.
  static Result<std::unique_ptr<Log>> open(FileCache& files, io::Loop& loop, std::string folder,
                                           TopicPartition tp, Uuid topic_id, LogConfig config,
                                           RecoveryHints hints);
  // The same in two steps, of which the first, open_folder() in opening.h, may run elsewhere.
  static Result<std::unique_ptr<Log>> open(FileCache& files, io::Loop& loop, std::string folder,
                                           TopicPartition tp, Uuid topic_id, LogConfig config,
                                           struct OpenedFolder opened);
  const RecoveryReport& recovery() const { return report_; }

  // `batches` are whole, their CRCs checked. Gives them offsets and `epoch`, and judges producers.
  // All or nothing. At most one batch of an idempotent producer.
  Result<AppendInfo> append_as_leader(Bytes batches, LeaderEpoch epoch, int64_t now_ms,
                                      LeaderAppend how = {});
  // The same for each of a group, in order, in as few writes as segments allow. Each is judged as
  // though those before it were in the log; if the write fails, they all fail that are not in it.
  void append_together(std::span<GroupedAppend> group, LeaderEpoch epoch, int64_t now_ms);
  // Batches at their own offsets, at or above end_offset(), ascending; holes are allowed. Not a
  // byte is changed, and epochs come from the batches alone. All or nothing.
  Result<AppendInfo> append_verbatim(Bytes batches, int64_t now_ms, const VerbatimAppend& from);
  // A failover: `epoch` begins at the end with a gap (gap.h), its records at `offset`.
  Result<void> leave_gap(Offset offset, LeaderEpoch epoch, int64_t now_ms);

  // Whole batches below `upper_bound`, from the one that holds `from` (or the next, after a hole),
  // up to `max_bytes`. With `at_least_one` the first comes even if it is larger.
  // OFFSET_OUT_OF_RANGE outside [start_offset(), end_offset()].
  Result<Rope> read(Offset from, uint64_t max_bytes, Offset upper_bound, bool at_least_one);
  // Those that overlap [from, upper), for a read_committed consumer.
  Result<std::vector<AbortedTxn>> aborted_in(Offset from, Offset upper) const;
  // The first record with at least this timestamp; with the largest of all (KIP-734). Nothing if
  // there is none. One lookup at a time (time_search.h). REQUIRES: the log outlives the call.
  io::Task<Result<std::optional<TimestampOffset>>> find_time(int64_t timestamp, io::Workers& on);
  io::Task<Result<std::optional<TimestampOffset>>> find_latest(io::Workers& on);
  // When the first of what is to be read in [from, bound) was written, in milliseconds since 1970,
  // by headers alone (unread_time.h); -1 = it does not say. Nothing if there is nothing to read.
  // REQUIRES: the log outlives the call.
  io::Task<Result<std::optional<int64_t>>> unread_time(Offset from, Offset bound, io::Workers& on);

  Offset start_offset() const { return start_; }
  Offset end_offset() const { return end_; }
  // Up to where an acknowledgement may rest: synced, or with page_cache simply the end.
  Offset durable_offset() const { return syncs() ? syncer_.durable() : end_; }
  // Up to where the log and what follows from it is synced.
  Offset recovery_point() const;
  SyncedEnd& synced_end() { return synced_end_; }  // the same, for the next start
  uint64_t size_bytes() const;
  bool is_empty() const;  // of bytes; its offsets may begin anywhere
  size_t segment_count() const { return segments_.size(); }
  // Never above the high watermark, never below the start.
  Offset last_stable_offset(Offset high_watermark);

  // The durable end when all appended before the call is durable; in page_cache mode at once.
  // Concurrent callers share an fsync. REQUIRES: the log outlives the call.
  io::Task<Result<Offset>> sync();
  // The same, in every mode. In page_cache mode it is due when a segment is complete: only what is
  // synced is safe from the loss of a tail below it (recovery.h), and not read again at a start.
  io::Task<Result<Offset>> flush() { return syncer_.sync(); }
  // What the next start is told of it becomes durable (synced_end.h), where it has to. After each
  // sync() or flush(), when whoever waits for the records was told. REQUIRES: as they do.
  io::Task<void> keep_synced_end() { return syncer_.keep(); }
  bool is_flush_due() const { return syncer_.durable() < segments_.back()->base(); }
  uint64_t sync_rounds() const { return syncer_.rounds(); }

  // Cuts all from the batch that holds `offset` on; returns the new end. Holds the loop.
  // REQUIRES: offset >= start_offset().
  Result<Offset> truncate_to(Offset offset);
  // Forgets everything; the log is empty and starts at `offset`.
  Result<void> restart_at(Offset offset);
  // Moves the start up (DeleteRecords) and removes segments wholly below it; what the disk does not
  // let go is tried again later. The caller's log-start checkpoint keeps the number. Also when the
  // log is offline. REQUIRES: offset <= end_offset().
  Result<void> move_start_to(Offset offset);
  // Removes old segments by time and size, none at or above `high_watermark`; returns how many. Of
  // a log that is offline the active one stays.
  Result<size_t> apply_retention(int64_t now_ms, Offset high_watermark);
  Result<void> roll();  // begins a new segment, unless the active one is empty

  EpochCache& epochs() { return epochs_; }
  const EpochCache& epochs() const { return epochs_; }
  ProducerStates& producers() { return producers_; }
  void expire_producers(int64_t now_ms);

  const LogConfig& config() const { return config_; }
  void configure(LogConfig config) { config_ = config; }
  const TopicPartition& partition() const { return tp_; }
  const Uuid& topic_id() const { return topic_id_; }
  const std::string& folder() const { return folder_; }
  const Error* offline() const;  // why nothing is appended any more; nullptr while it works
  void give_up(Error reason) { (void)go_offline(std::move(reason)); }  // the owner must not go on

  // Makes everything durable and quick to open again: a clean stop. The log is done afterwards.
  io::Task<Result<void>> close();
  // Its folder is nobody's from now on (doomed.h); its owner removes it when that is durable.
  io::Task<Result<void>> erase();

 private:
  struct Prepared;
  struct Group;
  // A place used lately, for tail readers and the high watermark: where the first batch begins
  // whose last offset is at least `offset`.
  struct Boundary {
    Offset offset = -1;
    Offset segment = -1;
    uint64_t position = 0;
  };

  Log(FileCache& files, io::Loop& loop, std::string folder, TopicPartition tp, Uuid topic_id,
      LogConfig config, struct RecoveredLog recovered, SyncedEnd synced_end);

  bool syncs() const { return config_.durability == Durability::fsync; }
  bool stamps() const { return config_.timestamp_type == kafka::TimestampType::log_append_time; }
  Segment& active() { return *segments_.back(); }
  std::unexpected<Error> go_offline(Error reason);
  std::unexpected<Error> failed(Error reason);
  Result<void> refuse_if_offline() const;
  Result<void> refuse_if_closed() const;
  Result<AppendInfo> take(const GroupedAppend& item, LeaderEpoch epoch, int64_t now_ms,
                          Group& group) const;
  Result<void> judge(std::span<const Prepared> batches, const LeaderAppend& how, const Group& group,
                     AppendInfo& info) const;
  void number(Prepared& batch, Offset offset, LeaderEpoch epoch, int64_t now_ms) const;
  Result<void> begin_epochs(std::span<const Prepared> batches);
  void forget_epochs_not_written(const EpochCache& before);
  Result<void> write_all(std::span<const Prepared> batches, int64_t now_ms);
  Result<void> write(std::span<const Prepared> batches, int64_t now_ms);
  Result<void> write_run(std::span<const Prepared> run, int64_t now_ms);
  Result<void> note(const Prepared& batch, int64_t now_ms);
  Result<bool> must_roll(const Prepared& next, int64_t now_ms);
  Result<void> roll_to(Offset base);
  Result<void> seal_and_begin(Offset base);
  Result<void> save_epochs();
  Result<std::shared_ptr<io::File>> save_snapshot();
  Result<void> complete(Segment& segment);
  Result<void> complete_sealed();
  Offset readable_end() const { return syncer_.lost() ? syncer_.durable() : end_; }
  Result<std::optional<TimeStretch>> next_stretch(int64_t timestamp, Offset behind) const;
  io::Task<Result<TimeFound>> look_up(int64_t timestamp, io::Workers& on);
  size_t segment_index(Offset offset) const;
  Result<uint64_t> locate(const Segment& segment, Offset offset);
  void remember(Offset offset, Offset segment, uint64_t position);
  void forget_places();
  void remove_below_start();
  Result<size_t> forgettable_segments();
  Result<void> secure_snapshot(Offset at);
  Result<std::shared_ptr<io::File>> snapshot_file(Offset at);
  Result<void> remove_newest();
  Result<void> reload_producers();
  Result<bool> is_old(const Segment& segment, int64_t now_ms) const;
  Result<bool> is_only_a_gap(const Segment& segment) const;

  FileCache& files_;
  io::Loop& loop_;
  std::string folder_;
  TopicPartition tp_;
  Uuid topic_id_;
  LogConfig config_;
  Logger logger_;
  std::vector<std::unique_ptr<Segment>> segments_;  // ascending; the last is active
  std::vector<Offset> snapshots_;
  Offset safe_snapshot_ = -1;  // those at or below are on the disk, and segments that begin there
  Offset start_ = 0;
  Offset end_ = 0;
  EpochCache epochs_;
  ProducerStates producers_;
  SyncedEnd synced_end_;
  Syncer syncer_;
  RecoveryReport report_;
  bool closed_ = false;
  bool cramped_ = false;  // appends were refused for want of room, and none was taken since
  std::array<Boundary, 16> boundaries_;
  size_t next_boundary_ = 0;  // the oldest, which is replaced next
  TimeLookups lookups_;
};

}  // namespace isthmus::broker
