// Whose the directories of log.dirs are. The metadata store stands in the first of them and knows
// its cluster; the others hold nothing but logs, and a directory of another cluster among them
// would be taken for one full of topics that are gone. So each has its meta.properties.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "broker/image/image.h"
#include "io/env.h"

namespace isthmus::broker {

// Before anything is written: an error that names the directory which is not of the same node of
// the same cluster as the first, or the first if it has a mark and no metadata.
Result<void> check_log_dirs(io::Disk& disk, const std::vector<std::string>& dirs);

// Marks those that have no mark yet, each with an id of its own (KIP-858).
// REQUIRES: check_log_dirs(), and that the cluster is founded.
Result<void> mark_log_dirs(io::Disk& disk, io::Random& random, const std::vector<std::string>& dirs,
                           const Image& image);

}  // namespace isthmus::broker
