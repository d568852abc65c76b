// SiteHolds: asks each broker of this site to hold what it leads, for a step of a switchover: the
// others over their listeners for brokers, this one without a socket. What is asked, and what the
// answers amount to, is in site_plans.h.
//
// A leader that is replaced meanwhile is asked for again, where whoever waits has the time; whether
// all answers together mean anything is decided where the record is, which nothing may have come
// before (switchover_plans.h).
//
// Owned by Switchovers, on the main loop.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/log.h"
#include "broker/colleagues/colleagues.h"
#include "broker/controller/controller.h"
#include "broker/link/holds.h"
#include "broker/link/site_plans.h"
#include "io/env.h"
#include "kafka/gen/read_members.h"

namespace isthmus::broker {

class SiteHolds {
 public:
  using Request = kafka::HoldPartitionsRequest;
  using Answers = std::map<NodeId, kafka::HoldPartitionsResponse>;

  SiteHolds(io::Loop& loop, Controller& controller, Colleagues& colleagues, Holds& here);

  // Asks the leaders, again while they change, until all answer for what they lead or `patience`
  // is over. `without_leaders`: a partition that nobody leads is left out.
  io::Task<Result<Answers>> ask(Request request, io::Duration patience, bool without_leaders);
  // Asks once, and each for the fence of its number.
  io::Task<Result<Answers>> hold(Request request, std::map<NodeId, int64_t> numbers);
  // What was held or frozen for that attempt, or only fenced (zero), opens. Who does not answer
  // opens by itself. Refused where a hand-over holds what was fenced.
  io::Task<Result<void>> lift(std::string link, Uuid id, Uuid attempt);

  // All groups here, in order, as those tell who coordinate all partitions of them; asked again
  // while these change, until `patience` is over. They count while check_coordinators() still
  // holds.
  struct Groups {
    std::vector<std::string> names;
    Coordinated coordinated;
  };
  io::Task<Result<Groups>> groups(io::Duration patience);
  // In the order of the groups.
  io::Task<std::vector<kafka::ErrorCode>> promote_groups(std::string link, Uuid id,
                                                         std::vector<std::string> groups);
  io::Task<Result<kafka::ReadMembersResponse>> ask_members(NodeId node,
                                                           kafka::ReadMembersRequest request);

 private:
  io::Task<Result<Answers>> ask_all(HoldsByBroker asked);
  template <typename Request>
  io::Task<std::map<NodeId, Result<typename Request::Response>>> ask_each(
      std::map<NodeId, Request> asked);
  template <typename Request>
  io::Task<void> ask_into(Result<typename Request::Response>& answer, NodeId node, Request request);
  io::Task<Result<kafka::HoldPartitionsResponse>> ask_one(NodeId node,
                                                          kafka::HoldPartitionsRequest request);
  io::Task<Result<kafka::AskGroupsResponse>> ask_one(NodeId node, kafka::AskGroupsRequest request);
  io::Task<Result<Groups>> ask_for_all_groups();
  io::Task<std::map<NodeId, Result<kafka::AskGroupsResponse>>> ask_for_groups(
      kafka::AskGroupsRequest request);

  io::Loop& loop_;
  Logger log_{LogComponent::switchover};
  Controller& controller_;
  Colleagues& colleagues_;
  Holds& here_;
};

}  // namespace isthmus::broker
