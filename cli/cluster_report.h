// What `cluster describe` says, as text and as JSON. Pure.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "cli/output.h"
#include "views/cluster_view.h"

namespace isthmus::cli {

using views::BrokerHealth;
using views::BrokerState;
using views::ClusterAnswers;
using views::ClusterView;
using views::Finding;
using views::PartitionHealth;
using views::under_replicated_topics;
using views::Verdict;
using views::view_cluster;

// `partitions`: also those that are not whole, each in a line.
Lines text_of(const ClusterView& view, bool partitions);
nlohmann::json json_of(const ClusterView& view, bool partitions);

}  // namespace isthmus::cli
