// The leader epochs of topics at one of our clusters, with their owners (EpochHistory): each broker
// tells of what it leads, so all are asked. A partition whose leader does not answer in time is
// missing; an error only where nobody answers.
#pragma once

#include <string>
#include <vector>

#include "client/cluster.h"
#include "kafka/gen/epoch_history.h"

namespace isthmus::client {

using EpochHistories = Result<kafka::EpochHistoryResponse>;

io::Task<EpochHistories> epoch_histories(Cluster& cluster, std::vector<std::string> topics,
                                         io::Instant deadline);

}  // namespace isthmus::client
