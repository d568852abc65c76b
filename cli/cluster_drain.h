// cluster drain and cluster remove, two of the commands of the group that cluster.cc makes.
#pragma once

#include "cli/command.h"

namespace isthmus::cli {

void add_cluster_drain(Command group);

}  // namespace isthmus::cli
