// Switchovers: what a site does in a switchover, as the source (fence, hand over, finish) or as the
// target (wish, promote, abandon). Each step is a request of the mirror process that drives it
// (mirror/switchover) or of the operator's command; each may be lost, repeated and late. What is
// written down, and which guard stands where, is in switchover_plans.h.
//
// A promotion or hand-over first fences the partitions without a deadline, then looks at their
// ends, then writes the record; so the ends in the record are the ends that stay. If the record
// cannot be written the fence is lifted, unless the disk failed: then nothing is known, and nothing
// opens.
//
// Lives on the main loop.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/log.h"
#include "broker/controller/controller.h"
#include "broker/link/switchover_plans.h"
#include "broker/link/topic_changes.h"
#include "broker/replica/partition_table.h"
#include "io/mutex.h"
#include "kafka/gen/fence.h"
#include "kafka/gen/finish_switchover.h"
#include "kafka/gen/hand_over.h"
#include "kafka/gen/promote.h"
#include "kafka/gen/read_members.h"
#include "kafka/gen/step_down.h"
#include "kafka/gen/switchover_wish.h"

namespace isthmus::broker {

class Coordinator;

class Switchovers {
 public:
  Switchovers(io::Env& env, Controller& controller, PartitionTable& partitions,
              Coordinator& groups);
  ~Switchovers();

  // What administrators do to topics waits while a switchover is under way.
  TopicChanges& topic_changes() { return topic_changes_; }

  io::Task<kafka::FenceResponse> fence(kafka::FenceRequest request);
  // What the last round of a switchover takes along, from the fence on.
  io::Task<kafka::ReadMembersResponse> read_members(kafka::ReadMembersRequest request);
  io::Task<kafka::HandOverResponse> hand_over(kafka::HandOverRequest request);
  io::Task<kafka::PromoteResponse> promote(kafka::PromoteRequest request);
  io::Task<kafka::SwitchoverWishResponse> wish(kafka::SwitchoverWishRequest request);
  io::Task<kafka::FinishSwitchoverResponse> finish(kafka::FinishSwitchoverRequest request);
  // A failover went past this site while it was away.
  io::Task<kafka::StepDownResponse> step_down(kafka::StepDownRequest request);

  // At the target: why the switchover `id` was given up, or is not promoted although it was handed
  // over; else empty. In memory: who drives a switchover asks again for what was refused.
  std::string trouble(const std::string& link, const Uuid& id) const;

 private:
  struct Fence {
    Uuid id;
    io::Instant deadline;
    std::vector<std::string> topics;
  };
  struct Trouble {
    Uuid id;
    std::string why;
  };

  void note_trouble(const std::string& link, const Uuid& id, std::string why);
  io::Task<kafka::PromoteResponse> try_promote(kafka::PromoteRequest request);
  const Error& said_loudly(const Error& refusal);
  void lift_fence();
  using PromotedTopics = std::map<std::string, std::vector<PromotedPartition>>;
  io::Task<void> await_gaps(PromotedTopics promoted);
  io::Task<kafka::FinishSwitchoverResponse> take_back(kafka::FinishSwitchoverRequest request,
                                                      ClusterIdentity target);
  io::Task<Result<void>> look_at_what_is_taken_back(TakeBack& order, PromotedTopics& found);
  io::Task<std::vector<std::string>> promote_groups(const kafka::PromoteRequest& request,
                                                    int attempts);
  io::Task<void> lift_partitions(std::vector<std::string> topics, Uuid id);
  std::optional<std::string> cannot_fence(const kafka::FenceRequest& request);
  io::Task<kafka::FenceResponse> refuse_fence(kafka::FenceRequest request, std::string why);
  io::Task<Result<void>> await_durable(const kafka::FenceResponse& fenced, io::Instant deadline);
  io::Task<Result<void>> check_ends(const kafka::HandOverRequest& request);
  io::Task<Result<PromotedPartition>> look_at_end(const kafka::PromoteRequest& request,
                                                  PartitionRef partition,
                                                  std::optional<Offset> wanted,
                                                  io::Instant safe_by);
  io::Task<Result<void>> look_at_ends(const kafka::PromoteRequest& request,
                                      const std::vector<Uuid>& topics, Promotion& promotion);

  io::Env& env_;
  Logger log_{"switchover"};
  Controller& controller_;
  PartitionTable& partitions_;
  Coordinator& groups_;
  TopicChanges topic_changes_;
  std::optional<Fence> fence_;
  std::string said_;                         // the latest refusal in the log
  std::map<std::string, Trouble> troubles_;  // by link; of the switchover that its record is about
  io::Mutex handing_over_;                   // from the comparison of the ends to the record
  io::Loop::TimerId deadline_timer_ = 0;
};

}  // namespace isthmus::broker
