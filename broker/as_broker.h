// As whom a broker speaks with the others of its cluster, and whether they will have it. Called by
// Broker, at its start.
#pragma once

#include <string>

#include "broker/colleagues/dial.h"
#include "broker/image/image.h"
#include "broker/security/authorizer.h"
#include "process/broker_config.h"
#include "process/tls_store.h"

namespace isthmus::broker {

// What `tls` gives out follows its files from then on. The error names the key.
Result<Dialer::Options> as_broker(const process::BrokerConfig& config, process::TlsStore& tls,
                                  process::TlsStore::Time now);

// Why the others refuse this broker, by its own super users and ACLs, as theirs are the same;
// empty: nothing says that they do.
std::string refusal_by_others(const process::BrokerConfig& config, const Authorizer& authorizer,
                              const Image& image);

}  // namespace isthmus::broker
