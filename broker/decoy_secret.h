// The secret from which users who do not exist have their salts (kafka/sasl/credential.h): drawn
// once for a cluster and kept in the first of its log directories, readable by the broker's own
// user alone. A salt that changed with a restart would tell that nobody stands behind the name.
#pragma once

#include <string>

#include "io/env.h"
#include "kafka/sasl/credential.h"

namespace isthmus::broker {

inline constexpr const char* decoy_secret_file = "scram-decoy";

// Draws it where there is none, or none that is whole. Where that cannot be written down it holds
// for this start, and the log says so.
kafka::ScramDecoy::Secret decoy_secret(io::Disk& disk, io::Random& random, const std::string& dir);

}  // namespace isthmus::broker
