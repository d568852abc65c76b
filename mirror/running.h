// Running: the partitions that a session mirrors, each with its pump, and what is told of them all:
// to the target in reports, to operators in numbers.
//
// Plain values of a Session, on its loop.
#pragma once

#include <map>
#include <string>

#include "base/log.h"
#include "kafka/gen/ensure_mirror_topics.h"
#include "kafka/gen/report_mirror.h"
#include "mirror/access_sync.h"
#include "mirror/pump.h"
#include "mirror/source.h"

namespace isthmus::mirror {

struct Running {
  Pump pump;
  Uuid topic_id;
  Source::Owners owners;
  io::Instant fetched_at{};
  std::string said;   // in the log, of what keeps it from going on
  uint64_t born = 0;  // tells it from those of the same name before
  // Who leads it at the target, as that has said last.
  NodeId leader = -1;
  LeaderEpoch leader_epoch = -1;
  bool owners_known = true;

  // What an outcome must be of to be its own.
  uint64_t life() const { return born << 32 | pump.life(); }
};
using RunningPumps = std::map<TopicPartition, Running>;

// What a session tells of itself.
struct LinkStatus {
  bool attached = false;
  std::string problem;  // why not, or why something is not mirrored
  int64_t link_epoch = 0;
  size_t topics = 0, partitions = 0, failed = 0, groups = 0, held = 0;
  uint64_t bytes = 0, requests = 0;
  std::optional<int64_t> lag_ms;  // the worst; nothing while all is there
  int64_t lag_records = 0;
  std::optional<AccessStatus> access;  // where it follows
};

// What the target is told of the source's topics.
void add_topics(const std::vector<SourceTopic>& topics, kafka::EnsureMirrorTopicsRequest& request);
// The partitions' part of a report to the target.
void add_partitions(const RunningPumps& running, io::Instant now,
                    kafka::ReportMirrorRequest& request);
// And of the numbers.
void add_partitions(const RunningPumps& running, io::Instant now, LinkStatus& status);
// The first that cannot go on, with its reason: "orders-1: waiting(target_full: ...)".
std::optional<std::string> first_stuck(const RunningPumps& running);
// Says once what keeps a partition from going on, and once that it goes on.
void say_changes(RunningPumps& running, Logger& log);

}  // namespace isthmus::mirror
