// Context: what a handler may use. One per broker, shared by the handlers of all loops; made and
// outlived by Broker (broker/broker.h).
//
// A handler is one file, named by API key and name. It decodes its request, hops to where the state
// lives (io::call_on), and encodes its answer. Most answer in one go (answer.h); the few
// whose order of arrival matters (produce) or whose answer waits (produce, fetch, groups) return
// the second stage themselves, see server/service.h.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "broker/controller/controller.h"
#include "broker/controller/live_brokers.h"
#include "broker/image/image.h"
#include "broker/replica/partition_table.h"
#include "broker/security/authorizer.h"
#include "io/env.h"
#include "io/gate.h"
#include "kafka/errors.h"
#include "process/broker_config.h"
#include "server/quota.h"
#include "server/reply.h"
#include "server/service.h"

namespace isthmus::server {
class Audit;
}

namespace isthmus::broker {

class Coordinator;
class Holds;
class LinkService;
class LogIns;
class SiteViews;
class Switchovers;
class WayBack;

// Members are references so that a handler says which it uses by naming it.
struct Context {
  io::Env& env;
  const process::BrokerConfig& config;
  PublishedImage& image;
  Controller& controller;
  PartitionTable& partitions;
  Coordinator& groups;
  LinkService& links;
  SiteViews& views;
  Switchovers& switchovers;
  WayBack& way_back;
  LogIns& log_ins;
  io::Gate& admin;  // what admin requests have begun; some goes on after their time-out
  const Authorizer& authorizer;
  server::Quotas& quotas;
  server::Audit& audit;
  LiveBrokers& live;

  // The address that clients of this listener are told.
  const io::Address& advertised(const std::string& listener) const;
  const process::ListenerConfig& listener(const std::string& name) const;
  // What the connection may do, by the ACLs in force now. On its loop.
  Rights rights_of(const server::ConnectionContext& connection) const;
};

using Handler = io::Task<server::Reply> (*)(Context&, server::Request);
// nullptr: this broker does not serve the API.
Handler find_handler(kafka::ApiKey key);

// How many partitions a request may name: each is looked up, and no client of this cluster has to
// do with more.
inline constexpr size_t most_partitions = 200'000;
Error too_many_partitions();
// Of a list of topics with a member `partitions`.
template <auto Partitions, typename Topics>
bool names_too_many(const Topics& topics) {
  size_t count = 0;
  for (const auto& topic : topics) count += (topic.*Partitions).size();
  return count > most_partitions;
}

// What a request is told that does not decode: Kafka closes the connection, and so do we.
server::Reply refuse_malformed(const server::Request& request, const Error& error);

using kafka::error_code;
using kafka::refuse;

}  // namespace isthmus::broker
