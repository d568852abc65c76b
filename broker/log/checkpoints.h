// What a broker keeps beside its partitions, one set per log directory, under Kafka's names:
//
//   recovery-point-offset-checkpoint   up to where each partition is known to be synced
//   log-start-offset-checkpoint        the first offset of each partition
//   replication-offset-checkpoint      the high watermark of each partition
//   .kafka_cleanshutdown               exists from a clean stop until the next start
//   meta.properties                    whose directory this is
//
// Read once at start, before any log opens; written by one owner on one loop. The writes hold the
// loop for two fsyncs: they belong to a tick of some seconds and to shutdown, not to requests.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>

#include "base/error.h"
#include "base/ids.h"
#include "io/disk.h"

namespace isthmus::broker {

// One offset per partition.
class OffsetCheckpoint {
 public:
  static constexpr const char* recovery_points = "recovery-point-offset-checkpoint";
  static constexpr const char* log_starts = "log-start-offset-checkpoint";
  static constexpr const char* high_watermarks = "replication-offset-checkpoint";

  using Offsets = std::map<TopicPartition, Offset>;

  OffsetCheckpoint(io::Disk& disk, const std::string& log_dir, const char* name)
      : disk_(disk), path_(log_dir + "/" + name) {}

  // Empty if the file is absent: every partition is then treated as never synced.
  Result<Offsets> read() const;
  Result<void> write(const Offsets& offsets);

 private:
  io::Disk& disk_;
  std::string path_;
};

// The mark of a clean stop. take() removes it durably *before* any log is opened: a crash during
// start-up must not be taken for a clean stop later (KAFKA-10471).
class CleanShutdownMark {
 public:
  CleanShutdownMark(io::Disk& disk, const std::string& log_dir) : disk_(disk), folder_(log_dir) {}

  struct Found {
    bool clean = false;
    int64_t broker_epoch = -1;  // the epoch under which the broker stopped (KIP-966); -1 = unknown
    std::set<std::string> except;  // partitions that were not open, or did not close
  };
  Result<Found> take();
  // REQUIRES: every log of the directory is closed and synced, but for those of `except`.
  Result<void> leave(int64_t broker_epoch, const std::set<std::string>& except = {});

 private:
  std::string path() const { return folder_ + "/.kafka_cleanshutdown"; }
  io::Disk& disk_;
  std::string folder_;
};

// Whose data this is. A directory of another node or cluster is refused by whoever compares.
struct MetaProperties {
  std::string cluster_id;
  NodeId node_id = -1;
  ClusterNumber cluster_number = 0;
  int incarnation = 0;  // of the cluster's metadata; part of its producer ids (8 bits)
  Uuid directory_id;    // this directory's own (KIP-858); zero: it has none yet

  friend bool operator==(const MetaProperties&, const MetaProperties&) = default;

  // nullopt: a fresh directory.
  static Result<std::optional<MetaProperties>> read(io::Disk& disk, const std::string& log_dir);
  Result<void> write(io::Disk& disk, const std::string& log_dir) const;
};

// A partition's own mark (`partition.metadata`, KIP-516): the id of the topic that its folder
// belongs to, so that a topic recreated under the same name never adopts the old data.
Result<std::optional<Uuid>> read_partition_topic_id(io::Disk& disk, const std::string& folder);
Result<void> write_partition_topic_id(io::Disk& disk, const std::string& folder, Uuid topic_id);

}  // namespace isthmus::broker
