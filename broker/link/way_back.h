// WayBack: the old source of a failover becomes the mirror of the site that took over.
//
// What the lost site acknowledged and never mirrored lies above the point where the two logs part.
// For each topic:
//
//   1. fence      nobody writes while the logs are compared
//   2. compare    by (owner, epoch), never by epoch alone: two sites may both have led "epoch 7"
//   3. export     what lies above the common prefix goes to <topic>.diverged.<epoch> (exports.h),
//                 batches verbatim and at the same offsets, durably
//   4. record     the topic is a mirror of the link from now on: one commit, with higher epochs
//   5. cut        the logs to the common prefix; only then does the link append
//
// Each step may be repeated after a crash: an export goes on where it ended, a topic that is a
// mirror of the link already is compared and cut again.
//
// A topic that cannot go a step further stays as it is, closed where it was, and the others go on.
//
// Lives on the main loop.
#pragma once

#include <string>
#include <vector>

#include "base/log.h"
#include "broker/controller/controller.h"
#include "broker/replica/partition_table.h"
#include "kafka/gen/become_mirror.h"

namespace isthmus::broker {

class Coordinator;

class WayBack {
 public:
  WayBack(io::Env& env, Controller& controller, PartitionTable& partitions, Coordinator& groups);

  io::Task<kafka::BecomeMirrorResponse> become_mirror(kafka::BecomeMirrorRequest request);

 private:
  using Wanted = kafka::BecomeMirrorRequest::BecomeMirrorTopic;
  using Answer = kafka::BecomeMirrorResponse::BecomeMirrorResult;

  io::Task<Answer> compare(const kafka::BecomeMirrorRequest& request, const Wanted& wanted,
                           Uuid fence);
  io::Task<Result<void>> write_down(const kafka::BecomeMirrorRequest& request,
                                    const std::vector<Answer>& answers);
  io::Task<Result<void>> export_suffix(const Wanted& wanted, Answer& answer);
  io::Task<Result<void>> export_partition(std::string from, std::string to, PartitionIndex index,
                                          Offset cut_at);
  io::Task<Result<void>> cut(const Wanted& wanted, const Answer& answer, Uuid fence);
  io::Task<void> lift(std::string topic, Uuid fence);

  io::Env& env_;
  Logger log_{"way back"};
  Controller& controller_;
  PartitionTable& partitions_;
  Coordinator& groups_;
};

}  // namespace isthmus::broker
