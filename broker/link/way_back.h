// WayBack: the old source of a failover becomes the mirror of the site that took over.
//
// What the lost site acknowledged and never mirrored lies above the point where the two logs part.
// For each topic:
//
//   1. fence      nobody writes while the logs are compared; what is closed already stays so
//   2. compare    by (owner, epoch), never by epoch alone: two sites may both have led "epoch 7"
//   3. export     what lies above the common prefix goes to <topic>.diverged.<epoch> (exports.h),
//                 batches verbatim and at the same offsets, durably
//                 Compared again: were they written meanwhile, nothing goes on
//   4. record     the topic is a mirror of the link from now on: one commit, with higher epochs,
//                 if the leaders are still those that have fenced
//   5. cut        the logs to the common prefix; only then does the link append. A leader cuts, and
//                 lets its fence go, when it has read the record: before, clients would write. It
//                 is cut when it is at all that are in sync: whoever of them leads next
//
// Each step may be repeated after a crash: an export goes on where it ended, a topic that is a
// mirror of the link already is compared and cut again.
//
// Any broker of the site goes it; what concerns one partition is done by its leader
// (way_back_steps.h). Followers cut where their leader has: it tells them so when they fetch.
//
// A topic that cannot go a step further stays as it is, closed where it was, and the others go on.
//
// Lives on the main loop.
#pragma once

#include <string>
#include <vector>

#include "base/log.h"
#include "broker/controller/controller.h"
#include "broker/link/site_views.h"
#include "broker/link/way_back_steps.h"
#include "broker/replica/partition_table.h"
#include "kafka/gen/become_mirror.h"

namespace isthmus::broker {

class Coordinator;

class WayBack {
 public:
  WayBack(io::Env& env, Controller& controller, PartitionTable& partitions, Coordinator& groups,
          SiteViews& views, Colleagues& colleagues);

  io::Task<kafka::BecomeMirrorResponse> become_mirror(kafka::BecomeMirrorRequest request);
  WayBackSteps& steps() { return steps_; }

 private:
  using Wanted = kafka::BecomeMirrorRequest::BecomeMirrorTopic;
  using Answer = kafka::BecomeMirrorResponse::BecomeMirrorResult;

  struct Compared {
    Answer answer;
    std::vector<LeaderEpoch> epochs;  // of the leaders that have fenced, by partition
  };

  io::Task<Result<WayBackSteps::Response>> compare_one(Uuid topic, PartitionIndex index, Uuid fence,
                                                       const Wanted& wanted);
  io::Task<Compared> compare(const kafka::BecomeMirrorRequest& request, const Wanted& wanted,
                             Uuid fence);
  io::Task<Result<void>> compare_again(const Wanted& wanted, Uuid fence, Compared& compared);
  static Result<void> check_leaders(const Image& image, const Wanted& wanted,
                                    const Compared& compared);
  io::Task<Result<void>> write_down(const kafka::BecomeMirrorRequest& request,
                                    const std::vector<Compared>& compared);
  io::Task<Result<void>> export_suffix(const Wanted& wanted, Answer& answer);
  io::Task<Result<void>> export_partition(Uuid from, Uuid to, PartitionIndex index, Offset cut_at);
  io::Task<Result<void>> cut(const Wanted& wanted, const Answer& answer, Uuid fence);
  io::Task<void> lift(const Wanted& wanted, Uuid fence);

  io::Env& env_;
  Logger log_{LogComponent::switchover, "way back"};
  Controller& controller_;
  PartitionTable& partitions_;
  Coordinator& groups_;
  SiteViews& views_;
  WayBackSteps steps_;
};

}  // namespace isthmus::broker
