// What can be set of a broker at run time: how fast it copies partitions that are being added to it
// (KIP-73), as kafka-reassign-partitions sets and removes it. Pure.
#pragma once

#include "broker/controller/topic_plans.h"

namespace isthmus::broker {

inline constexpr const char* leader_rate_key = "leader.replication.throttled.rate";
inline constexpr const char* follower_rate_key = "follower.replication.throttled.rate";

// INVALID_REQUEST: no such broker, or another key, which stands in the YAML; INVALID_CONFIG: no
// number of bytes. A key that this cluster has no use for can be removed.
Result<Plan> plan_broker_configs(const Image& image, const std::string& broker,
                                 const ConfigChanges& changes, bool replace_all);

}  // namespace isthmus::broker
