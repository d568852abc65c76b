// Renaming: the folders of a topic that got another name (TopicImage::renamed_from) follow it.
//
// The name is the metadata's; the folders are told by their topic id, as for deletions (burial.h).
// They are renamed before any partition is opened, so that a topic which has the old name by now
// finds room. Also by a later start, and in a directory that comes back later. One whose folder
// cannot be renamed stays offline, and its records where they are, until it can.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "broker/image/image.h"
#include "io/disk.h"

namespace isthmus::broker {

using NotMoved = std::map<Uuid, Error>;

// Topics without an entry in the answer have no folder under their old name, durably. Beside the
// loop, while nobody opens partitions.
NotMoved move_folders(io::Disk& disk, const std::vector<std::string>& dirs,
                      const std::vector<std::shared_ptr<const TopicImage>>& topics);

}  // namespace isthmus::broker
