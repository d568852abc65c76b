// PartitionTable: the partitions of this broker, following the image.
//
// find() may be called from any loop: the table is published whole, like the image. What it gives
// out is a PartitionRef, the only door to a partition. Opening, changing and deleting happen on the
// main loop, one image after the other; each partition is then told on its own loop. A partition
// whose log cannot be opened has an empty ref with the reason: clients are told that the disk is at
// fault, not that it does not exist. One that the image has and the table has not yet is being
// opened: clients ask again.
//
// Also keeps what stands beside the logs in each log directory: the lock, the checkpoints, the mark
// of a clean stop.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/log.h"
#include "broker/image/image.h"
#include "broker/log/checkpoints.h"
#include "broker/log/file_cache.h"
#include "broker/replica/partition_ref.h"
#include "io/env.h"

namespace isthmus::broker {

class PartitionTable {
 public:
  // `config_of` gives a topic's log configuration from its overrides.
  using ConfigOf = std::function<LogConfig(const std::map<std::string, std::string>&)>;
  PartitionTable(io::Env& env, PublishedImage& image, std::vector<std::string> log_dirs,
                 ConfigOf config_of);

  // Locks the directories. Another process in one of them is an error.
  Result<void> claim();
  // Reads their checkpoints and takes their marks of a clean stop. Only once they are known to be
  // this cluster's: a directory given by mistake is left as it was.
  Result<void> take_over();

  // Opens, changes and deletes until the table is what `image` says.
  io::Task<Result<void>> follow(std::shared_ptr<const Image> image);

  // Empty if it is not here; its absence() says why.
  PartitionRef find(const std::string& topic, PartitionIndex index) const;
  // In order of their indexes; without those that are offline.
  std::vector<PartitionRef> all_of(const std::string& topic) const;
  std::vector<PartitionRef> all() const;
  // Those that are not served, or not wholly, by topic and index. Any loop.
  struct Offline {
    TopicPartition name;
    std::shared_ptr<const Outage> outage;
  };
  std::vector<Offline> offline() const;
  std::shared_ptr<const Image> image() const { return image_.load(); }
  LogConfig config_of(const TopicImage& topic) const { return config_of_(topic.configs); }
  LogConfig defaults() const { return config_of_({}); }

  // Writes the checkpoints; the recovery points are those at the time of the call.
  io::Task<Result<void>> checkpoint();
  io::Task<void> apply_retention();
  // Since the start, of all loops.
  io::Task<Histogram> fsyncs();
  // A clean stop: everything durable, and marked so.
  io::Task<void> close();

 private:
  struct LogDir {
    std::string path;
    std::shared_ptr<void> lock;
    bool clean = false;
    OffsetCheckpoint::Offsets recovery_points, log_starts;
    size_t partitions = 0;
  };
  using Topic = std::vector<PartitionRef>;
  using Table = std::unordered_map<std::string, Topic>;

  size_t dir_of(const TopicPartition& tp);
  size_t loop_of(const TopicPartition& tp) const;
  void sweep_deleted(const LogDir& dir);
  bool holds_log_of(const std::string& folder, const Uuid& topic_id);
  void forget_checkpoints_beyond(const Image& image);
  io::Task<PartitionRef> open(std::shared_ptr<const Image> image,
                              std::shared_ptr<const TopicImage> topic, PartitionIndex index);
  io::Task<void> follow_topic(std::shared_ptr<const Image> image,
                              std::shared_ptr<const TopicImage> topic, Topic& partitions);
  io::Task<void> drop(Topic partitions);

  io::Env& env_;
  PublishedImage& image_;
  ConfigOf config_of_;
  Logger log_{"partitions"};
  std::map<io::Loop*, FileCache> files_;  // one for each loop, used there only
  std::vector<LogDir> dirs_;
  std::unordered_map<TopicPartition, size_t> placed_;
  std::atomic<std::shared_ptr<const Table>> table_{std::make_shared<const Table>()};
  std::shared_ptr<const Image> followed_ = std::make_shared<const Image>();
};

}  // namespace isthmus::broker
