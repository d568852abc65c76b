// Partition: one partition as this broker leads it. It only sequences its four parts:
//
//   Log        the bytes: append, read, truncate                       (log/log.h)
//   Replica    which offset is safe: the high watermark                (replica.h)
//   WriteGate  who may write now                                       (write_gate.h)
//   Waiters    producers that wait for the watermark, fetches for data (waiters.h)
//
// An append is immediate and returns the offset; committed() waits until it is safe. Between the
// two, appends of many requests share one fsync (group commit): while one sync runs, what arrives
// is covered by the next. With durability page_cache an append counts as durable at once.
//
// Lives on one loop (loop()), which whoever calls has hopped to. A failed write or sync takes the
// partition offline: every later call answers KAFKA_STORAGE_ERROR until a restart has looked at the
// disk again.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "base/log.h"
#include "broker/image/image.h"
#include "broker/log/log.h"
#include "broker/replica/replica.h"
#include "broker/replica/waiters.h"
#include "broker/replica/write_gate.h"
#include "io/gate.h"

namespace isthmus::broker {

// What a mirror process says beside the batches; for display and for what a failover would lose.
struct SourceView {
  Offset end_offset = -1;  // -1 = never heard
  int64_t lag_ms = -1;     // -1 = unknown
  io::Instant heard_at{};
  double records_per_second = 0;
};

struct ReadSpec {
  Offset offset = 0;
  LeaderEpoch current_leader_epoch = -1;  // as the reader believes; -1 = it does not say
  LeaderEpoch last_fetched_epoch = -1;
  uint64_t max_bytes = 0;
  bool read_committed = false;
  bool at_least_one_batch = false;
};

struct ReadResult {
  kafka::ErrorCode error = kafka::ErrorCode::none;
  Offset high_watermark = -1;
  Offset last_stable_offset = -1;
  Offset start_offset = -1;
  Rope records;
  std::vector<AbortedTxn> aborted;
  std::optional<EpochEnd> diverging;
};

struct ClientAppend {
  Slice batch;            // one batch, header and CRC checked
  io::Instant opened_at;  // when the producer's connection was opened
};
struct LinkAppend {
  std::string link;
  int64_t link_epoch = 0;
  Offset expected_offset = 0;
  LeaderEpoch source_leader_epoch = -1;
  Offset source_high_watermark = -1;
  Offset advance_to = -1;      // the source's log ends in a gap that reaches to here
  LeaderEpoch gap_epoch = -1;  // of the source, which begins where the gap does
  Offset start_at = -1;        // while the mirror is initializing: where the source's log begins
  Offset log_start = -1;       // what lies before was deleted at the source long enough ago
  std::vector<EpochOwner> owners;
  Slice batches;  // CRCs checked
};

class Partition {
 public:
  Partition(io::Loop& loop, TopicPartition name, Uuid topic_id, NodeId self,
            std::unique_ptr<Log> log);

  io::Loop& loop() const { return loop_; }
  const TopicPartition& name() const { return name_; }
  const Uuid& topic_id() const { return topic_id_; }

  // The controller's records, whenever they change.
  void on_image(const Image& image, const TopicImage& topic, const LogConfig& config);

  Result<AppendInfo> append(const ClientAppend& append);
  // The new end of the log, from which the mirror goes on.
  Result<Offset> append_from_link(const LinkAppend& append);
  // For the coordinators' own topics: records built here.
  Result<AppendInfo> append_internal(Bytes batch);
  // For the export of a diverged suffix: batches at their own offsets.
  Result<AppendInfo> append_saved(Bytes batches);
  // Waits until everything before `end` is safe. REQUEST_TIMED_OUT leaves the outcome unknown.
  io::Task<Result<void>> committed(Offset end, io::Instant deadline);

  ReadResult read(const ReadSpec& spec);
  void wait_for_data(std::weak_ptr<FetchWait> wait) { fetches_.add(std::move(wait)); }

  // A reader that believes in another epoch than the one in force (KIP-320).
  std::optional<kafka::ErrorCode> check_epoch(LeaderEpoch believed) const;
  // Where `asked` ends, or the largest epoch before it.
  EpochEnd epoch_end(LeaderEpoch asked) const;

  WriteGate& gate() { return gate_; }
  Log& log() { return *log_; }
  const SourceView& source() const { return source_; }
  void note_source(Offset end_offset, int64_t lag_ms);
  Offset high_watermark() const { return replica_.high_watermark(); }
  Offset last_stable_offset() const;
  LeaderEpoch leader_epoch() const { return leader_epoch_; }

  // Cuts a suffix that another site never had; the caller has saved it. Returns the new end.
  Result<Offset> truncate(Offset end);
  Result<void> delete_records_before(Offset offset);
  // Removes segments that are too old or too many, and forgets silent producers.
  Result<void> apply_retention();
  io::Task<Result<void>> sync_all();

  // Ends all waits and background work and closes the log; nothing is called afterwards.
  io::Task<Result<void>> close();
  // The same for a deleted topic: the folder goes.
  io::Task<Result<void>> erase();

 private:
  std::optional<Error> offline_error() const;
  Result<void> take_gap(const LinkAppend& append);
  Result<void> follow_start(Offset start);
  void on_appended();
  void advanced(bool moved);
  void abort_open_transactions();
  void catch_up_with_promotion(const PartitionImage& image);
  bool is_flush_due() const;
  io::Task<void> flush();
  io::Task<void> stop();

  io::Loop& loop_;
  TopicPartition name_;
  Uuid topic_id_;
  Logger logger_;
  std::unique_ptr<Log> log_;
  Replica replica_;
  WriteGate gate_;
  AckQueue acks_;
  FetchWaiters fetches_;
  SourceView source_;
  LeaderEpoch leader_epoch_ = 0;
  bool initializing_ = false;
  ClusterNumber origin_ = 0;  // whose epochs a mirror's batches bring, unless it is told
  // When a client was last refused. After a failover producers may jump ahead once
  // (Log::leave_gap), but not with what they had sent behind a batch that was refused.
  std::optional<io::Instant> refused_at_;
  bool flushing_ = false;
  bool closing_ = false;
  io::Gate background_;
};

}  // namespace isthmus::broker
