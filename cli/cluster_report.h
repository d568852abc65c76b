// What `cluster describe` says, as text and as JSON. Pure.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "cli/cluster_view.h"
#include "cli/output.h"

namespace isthmus::cli {

// "OK", or "DEGRADED: " and why.
std::string summary(const ClusterView& view);
// `partitions`: also those that are not whole, each in a line.
Lines text_of(const ClusterView& view, bool partitions);
nlohmann::json json_of(const ClusterView& view, bool partitions);

}  // namespace isthmus::cli
