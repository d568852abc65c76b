// How the brokers of one cluster speak with one another, by a broker's configuration: at which of
// their listeners, as whom, and what the others make of that.
//
// Kafka's inter.broker.listener.name, and, for its security.inter.broker.protocol and what belongs
// to that, the keys with which mirrors and routers dial a cluster.
#pragma once

#include <optional>

#include "process/broker_config.h"

namespace isthmus::process {

// By which the others reach this broker; nullptr: by none. REQUIRES, as all below: the rule
// colleagues_problem() has found nothing, or there is no ZooKeeper.
const ListenerConfig* listener_for_brokers(const BrokerConfig& c);

// How this broker dials the others: as `broker.colleagues` says, or as its own listener for brokers
// is to be dialled, whose certificate and authorities are the broker's own there, too.
DialSecurity dial_security_of(const BrokerConfig& c);

// Who this broker is at the others, if their listener is as its own. Reads its certificate. An
// error: nobody can tell (a token says), or they let nobody of that subject in.
Result<kafka::Principal> principal_at_colleagues(const BrokerConfig& c);

// What contradicts itself.
std::optional<Problem> colleagues_problem(const BrokerConfig& c);

// With an authorizer, and none of its super users: only an ACL can let this broker do its work at
// the others.
std::optional<Problem> unnamed_at_colleagues(const BrokerConfig& c);

}  // namespace isthmus::process
