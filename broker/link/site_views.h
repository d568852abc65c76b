// SiteViews: what each broker of this cluster alone knows, collected by the one that is asked: how
// partitions stand, from their leaders; groups, from their coordinators (BrokerView).
//
// What a broker says counts for the partitions that the image names it leader of, and for no other:
// a leader that was replaced and has not heard so still has a view of its own. Who does not answer
// in time is named, and what only he could tell is missing. One that was silent lately is given a
// short time only, or a broker that stands still would make every answer late.
//
// Owned by Broker, on the main loop.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "broker/colleagues/colleagues.h"
#include "broker/group/lag_keeper.h"
#include "broker/link/site_plans.h"
#include "broker/replica/partition_table.h"
#include "kafka/gen/broker_view.h"

namespace isthmus::broker {

class SiteViews {
 public:
  SiteViews(io::Env& env, PartitionTable& partitions, Coordinator& groups, Colleagues& colleagues);

  using Partition = kafka::BrokerViewResponse::ViewedPartition;
  using Group = kafka::BrokerViewResponse::ViewedGroup;
  struct View {
    std::map<std::pair<Uuid, PartitionIndex>, Partition> partitions;
    std::vector<Group> groups;
    Coordinated coordinated;               // by whom told the groups
    std::map<NodeId, std::string> silent;  // who did not answer, and why

    // Of one that is missing: why nobody serves it, or can say so; empty: its leader has yet to.
    std::string why_absent(NodeId leader) const;
  };

  // Of this broker alone.
  io::Task<kafka::BrokerViewResponse> own(kafka::BrokerViewRequest request);
  // Of the whole cluster.
  io::Task<View> collect(kafka::BrokerViewRequest request);
  // Of the groups that this broker coordinates.
  LagKeeper& lags() { return lags_; }

 private:
  io::Task<void> add_groups(const kafka::BrokerViewRequest& request,
                            kafka::BrokerViewResponse& out);
  io::Task<void> add_own(kafka::BrokerViewRequest request, View& view);
  io::Task<void> add_other(NodeId node, kafka::BrokerViewRequest request, View& view);
  void add(NodeId from, const kafka::BrokerViewRequest& request, kafka::BrokerViewResponse answer,
           View& view) const;
  std::set<NodeId> others_to_ask(const kafka::BrokerViewRequest& request) const;

  io::Env& env_;
  PartitionTable& partitions_;
  Coordinator& groups_;
  Colleagues& colleagues_;
  LagKeeper lags_;
  std::map<NodeId, io::Instant> silent_since_;
};

}  // namespace isthmus::broker
