// EpochCache: where each leader epoch of a partition begins (KIP-101), and which cluster gave that
// epoch out.
//
// A pure value beside its Log, on the Log's loop; the Log decides when it is written. Kafka's file
// `leader-epoch-checkpoint` holds the entries; `epoch-owners` beside it holds the owners, because
// two clusters that were both leader of "epoch 7" wrote different records under it: a common
// prefix of two histories is therefore searched by (owner, epoch), never by epoch alone.
//
// What a Kafka broker wrote, before its folder was carried over, may lack whole stretches of
// offsets: its compaction took them, and noted nothing. So it is kept up to where the log is
// Kafka's; above, no segment of ours ends below the next one.
//
// Entries have strictly ascending epochs and non-descending start offsets.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/ids.h"
#include "io/disk.h"

namespace isthmus::broker {

struct EpochEntry {
  LeaderEpoch epoch = -1;
  Offset start_offset = 0;
  ClusterNumber owner = 0;
  friend bool operator==(const EpochEntry&, const EpochEntry&) = default;
};

struct EpochOwner {
  LeaderEpoch epoch = -1;
  ClusterNumber owner = 0;
};

struct EpochEnd {
  LeaderEpoch epoch = -1;  // -1: nothing at or below the epoch that was asked for is known
  Offset end_offset = -1;
  friend bool operator==(const EpochEnd&, const EpochEnd&) = default;
};

class EpochCache {
 public:
  EpochCache() = default;
  // Keeps the longest ascending part of `entries`, in case the file was written by hand.
  explicit EpochCache(std::vector<EpochEntry> entries);

  const std::vector<EpochEntry>& entries() const { return entries_; }
  bool empty() const { return entries_.empty(); }
  // -1 if there is none.
  LeaderEpoch latest() const { return entries_.empty() ? -1 : entries_.back().epoch; }
  // The epoch of the record at `offset`; -1 if it is before the first entry.
  LeaderEpoch epoch_of(Offset offset) const;
  // The owner of `epoch`, if there is an entry of it.
  std::optional<ClusterNumber> owner_of(LeaderEpoch epoch) const;

  // Begins `epoch` at `start`, if it is above latest(). An epoch that began at `start` or later
  // has no record and gives way. True if anything changed.
  // REQUIRES: epoch >= latest() (an epoch never means two things).
  bool assign(LeaderEpoch epoch, Offset start, ClusterNumber owner);

  // Of epochs that a failover of an earlier release opened: where its records begin (gap.h).
  using OldGaps = std::map<LeaderEpoch, Offset>;
  const OldGaps& old_gaps() const { return old_gaps_; }
  void set_old_gaps(OldGaps gaps) { old_gaps_ = std::move(gaps); }
  void forget_old_gaps() { old_gaps_.clear(); }

  // Below it the records are a Kafka broker's; not_known in a folder of before this was kept.
  static constexpr Offset not_known = -1;
  static constexpr Offset all_of_it = INT64_MAX;
  Offset kafka_end() const { return kafka_end_; }
  void set_kafka_end(Offset end) { kafka_end_ = end; }

  // The largest epoch at or below `asked`, and where it ends: the start of the next epoch, or
  // `log_end` (KIP-101, KIP-279). An `asked` above latest() is unknown here: {-1, -1}.
  EpochEnd end_offset_for(LeaderEpoch asked, Offset log_end) const;

  // Forgets epochs that begin at or above `end`. True if anything changed.
  bool truncate_end(Offset end);
  // Forgets what lies wholly below `start`; the epoch that holds `start` then begins there. True
  // if anything changed. The files may lag behind in this: recovery does it again.
  bool truncate_start(Offset start);

  // Until saved() the files lag behind.
  bool dirty() const { return dirty_; }
  void saved() { dirty_ = false; }
  void not_as_saved() { dirty_ = true; }

 private:
  std::vector<EpochEntry> entries_;
  OldGaps old_gaps_;
  Offset kafka_end_ = 0;
  bool dirty_ = false;
};

// Where two histories part: the offset up to which both hold the same records, judged by the
// (owner, epoch) that each offset was written under. Offsets below both logs' starts count as
// common. `*_end` are the log end offsets.
struct CommonPrefix {
  Offset end = 0;
  // The last epoch that both share; -1 if there is none.
  LeaderEpoch epoch = -1;
  friend bool operator==(const CommonPrefix&, const CommonPrefix&) = default;
};
CommonPrefix common_prefix(std::span<const EpochEntry> ours, Offset our_end,
                           std::span<const EpochEntry> theirs, Offset their_end);

// Whether no epoch of this folder was ever saved here: then all of it is Kafka's.
bool is_as_kafka_left_it(io::Disk& disk, const std::string& folder);
// An entry whose owner is not on disk belongs to `own_cluster`.
Result<EpochCache> load_epochs(io::Disk& disk, const std::string& folder,
                               ClusterNumber own_cluster);
// Durable when it returns. Owners first: an entry must never be found without its owner.
Result<void> save_epochs(io::Disk& disk, const std::string& folder, EpochCache& epochs);

}  // namespace isthmus::broker
