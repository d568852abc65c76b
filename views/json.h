// Views as JSON: what commands print with -o json, and /status. Plain functions; members that are
// not known are null.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <vector>

#include "views/cluster_view.h"
#include "views/link_view.h"
#include "views/readiness.h"

namespace isthmus::views {

nlohmann::json json_of(const std::vector<Finding>& findings);
// The latest switchover of a link, or null.
nlohmann::json switchover_json(const LinkView& view);
// "handed_over", as interfaces write it.
std::string phase_word(kafka::SwitchoverPhase phase);
nlohmann::json json_of(const std::vector<BrokerHealth>& brokers);
// `tells_of_all` is the view's.
nlohmann::json json_of(const std::vector<PartitionHealth>& partitions, bool tells_of_all);

}  // namespace isthmus::views
