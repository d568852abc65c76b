// Whose the directories of log.dirs are. An embedded metadata store stands in the first of them and
// knows its cluster; the others, and all of them where the metadata are in ZooKeeper, hold nothing
// but logs, and a directory of another cluster would be taken for one full of topics that are gone.
// So each has its meta.properties.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "broker/image/image.h"
#include "io/env.h"

namespace isthmus::broker {

// Who they belong to by the mark of the first. Empty and zero: nobody yet.
struct DirectoryOwner {
  std::string cluster_id;
  Uuid directory_id;  // of the first directory
};

// Before anything is written: an error that names the directory which is not of the same node of
// the same cluster as the first, or the first if it has a mark and no metadata (`embedded`), or
// metadata that nobody asked for, or is another node's (not `embedded`).
Result<DirectoryOwner> check_log_dirs(io::Disk& disk, const std::vector<std::string>& dirs,
                                      bool embedded, NodeId self);

// Marks those that have no mark yet, each with an id of its own (KIP-858): the first with
// `first_id`, if that is not zero.
// REQUIRES: check_log_dirs(), and that the cluster is founded.
Result<void> mark_log_dirs(io::Disk& disk, io::Random& random, const std::vector<std::string>& dirs,
                           const Image& image, NodeId self, const Uuid& first_id = {});

}  // namespace isthmus::broker
