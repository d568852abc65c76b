// Switchovers: what a site does in a switchover, as the source (fence, hand over, finish) or as the
// target (wish, promote, abandon). Each step is a request of the mirror process that drives it
// (mirror/switchover) or of the operator's command; each may be lost, repeated and late. What is
// written down, and which guard stands where, is in switchover_plans.h.
//
// Of a site of several brokers any may be asked. What its partitions and groups have to do with a
// step their leaders and coordinators are asked for (site_holds.h), each of which answers for what
// it holds itself (holds.h), this broker among them. Nothing about a step is kept here in between.
//
// A promotion or hand-over first has the partitions held without a deadline, then their ends looked
// at, then writes the record; so the ends in the record are the ends that stay. If the record
// is refused the hold is lifted. If it is not known whether it was written, nothing opens on that
// account: who holds finds out by a record (holds.h).
//
// Lives on the main loop.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/log.h"
#include "broker/controller/controller.h"
#include "broker/link/holds.h"
#include "broker/link/site_holds.h"
#include "broker/link/switchover_plans.h"
#include "broker/link/topic_changes.h"
#include "broker/replica/partition_table.h"
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
  Switchovers(io::Env& env, Controller& controller, PartitionTable& partitions, Coordinator& groups,
              Colleagues& colleagues);

  // What administrators do to topics waits while a switchover is under way.
  TopicChanges& topic_changes() { return topic_changes_; }
  // What this broker holds itself, for itself or another one that asks.
  Holds& holds() { return holds_; }
  // Until `stop` is closed.
  io::Task<void> keep_giving_up(io::Event& stop);

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
  struct Trouble {
    Uuid id;
    std::string why;
  };
  using PromotedTopics = std::map<std::string, std::vector<PromotedPartition>>;

  void note_trouble(const std::string& link, const Uuid& id, std::string why);
  const Error& said_loudly(const Error& refusal);
  Uuid draw_attempt();

  Result<kafka::HoldPartitionsRequest> fence_order(const kafka::FenceRequest& request) const;
  kafka::FenceResponse fenced(const kafka::HoldPartitionsRequest& order,
                              const SiteHolds::Answers& answers,
                              const kafka::FenceRequest& request) const;
  io::Task<kafka::HandOverResponse> handed_over(kafka::HandOverRequest request);
  io::Task<Result<void>> write_hand_over(kafka::HandOverRequest request, Uuid attempt);
  io::Task<kafka::ReadMembersResponse::ReadMembersGroup> read_group(std::string group, Uuid id);

  io::Task<kafka::PromoteResponse> try_promote(kafka::PromoteRequest request);
  io::Task<Result<void>> write_promotion(kafka::PromoteRequest request, std::vector<Uuid> topics,
                                         Promotion& promotion);
  io::Task<std::vector<std::string>> promote_groups(const kafka::PromoteRequest& request,
                                                    int attempts);
  io::Task<void> await_gaps(PromotedTopics promoted);

  io::Task<kafka::FinishSwitchoverResponse> take_back(kafka::FinishSwitchoverRequest request,
                                                      ClusterIdentity target);
  io::Task<Result<void>> look_at_what_is_taken_back(TakeBack& order, PromotedTopics& found,
                                                    Uuid attempt);

  io::Env& env_;
  Logger log_{LogComponent::switchover};
  Controller& controller_;
  PartitionTable& partitions_;
  Coordinator& groups_;
  TopicChanges topic_changes_;
  Holds holds_;
  SiteHolds site_;
  std::string said_;                         // the latest refusal in the log
  std::map<std::string, Trouble> troubles_;  // by link; of the switchover that its record is about
};

}  // namespace isthmus::broker
