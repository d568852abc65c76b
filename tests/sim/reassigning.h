// What an operator does to the brokers of a cluster while they are under load and at fault: who
// joins, what is moved, drained and elected, who leaves. Each is one attempt, and may be refused.
#pragma once

#include "tests/sim/cluster.h"

namespace isthmus::sim {

// One of these, of a topic with so many partitions.
void reassign(Stage& stage, Cluster& cluster, const std::string& topic, int32_t partitions);
// Nothing is drained any more.
void undo_drains(Stage& stage, Cluster& cluster);

}  // namespace isthmus::sim
