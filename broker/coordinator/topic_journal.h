// TopicJournal: a topic of this broker as a coordinator's journal, and beside each partition a
// snapshot (snapshot.h), so that a start reads little of a log that nobody compacts: what is not in
// a snapshot yet is kept below some 64 MiB, over all partitions.
//
//   <log.dirs[0]>/<kind>-<partition>.snapshot
//
// A snapshot is made from the one before and the log behind it, up to the high watermark, in
// slices. It is replaced whole; one that is missing, damaged, or not of this log costs time,
// nothing else. On the main loop, like the coordinator; owned by Broker.
#pragma once

#include <map>
#include <string>

#include "base/log.h"
#include "broker/coordinator/journal.h"
#include "broker/coordinator/snapshot.h"
#include "broker/replica/partition_table.h"
#include "io/event.h"
#include "io/gate.h"

namespace isthmus::broker {

struct SnapshotLimits {
  uint64_t bytes_behind = size_t{64} << 20;  // of log, over all partitions
  uint64_t least = size_t{1} << 20;          // of one partition's log, for a new snapshot
};

class TopicJournal final : public Journal {
 public:
  struct Options {
    std::string topic;   // "__consumer_offsets"
    std::string kind;    // of what it keeps, for its files and lines in the log: "groups"
    std::string folder;  // where the snapshots lie
    SnapshotLimits limits = {};
  };
  TopicJournal(io::Env& env, PartitionTable& partitions, Options options);
  // Ends what is under way. Required before the partitions close and before destruction, unless the
  // loop has ended.
  io::Task<void> close();

  io::Task<Result<void>> append(PartitionIndex partition, LeaderEpoch leader_epoch,
                                std::vector<JournalRecord> records) override;
  io::Task<Result<void>> replay(PartitionIndex partition, Visit visit) override;
  bool writable(PartitionIndex partition) const override;

  std::string snapshot_path(PartitionIndex partition) const;
  // Of the log, over all partitions, in no snapshot.
  uint64_t bytes_behind() const;

 private:
  struct Tail {
    uint64_t log_bytes = 0;  // behind the snapshot
    uint64_t snapshot_bytes = 0;
  };
  using ShowBytes = std::function<Result<void>(Bytes key, std::optional<Bytes> value)>;

  Error not_here() const;
  PartitionRef find(PartitionIndex partition) const;
  // Shows what the snapshot holds; the offset at which the log goes on, 0 without a snapshot. What
  // was shown of one that turns out to be damaged stands in the log as well.
  io::Task<Result<Offset>> show_snapshot(PartitionIndex partition, PartitionRef ref,
                                         ShowBytes show);
  io::Task<Result<SnapshotHead>> open_snapshot(SnapshotReader& reader, PartitionIndex partition,
                                               PartitionRef ref);
  // Shows the log between two offsets; returns where it ended, and how many bytes that were.
  struct Shown {
    Offset next = 0;
    uint64_t bytes = 0;
  };
  io::Task<Result<Shown>> show_log(PartitionRef ref, Offset from, Offset end, ShowBytes show);

  void note_behind(PartitionIndex partition, uint64_t bytes);
  std::optional<PartitionIndex> most_behind() const;
  io::Task<void> keep_up();
  io::Task<Result<void>> take_snapshot(PartitionIndex partition);
  io::Task<Result<void>> write_snapshot(std::string path, SnapshotHead head, const Fold& fold);

  io::Env& env_;
  io::Loop& loop_;
  PartitionTable& partitions_;
  const Options options_;
  Logger log_;
  std::map<PartitionIndex, Tail> tails_;
  io::Event changed_;
  io::Gate gate_;
  bool keeping_up_ = false;
};

}  // namespace isthmus::broker
