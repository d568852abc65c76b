// How the folder of a partition goes: first to a name that no partition has, so that its own is
// free at once and what a crash leaves of it is known for what it is.
//
// `<topic id>.<partition>-delete`, beside where it was. By the id: behind the longest topic names
// there is no room for more, and a topic of this name may come, and go, again.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/ids.h"
#include "io/disk.h"

namespace isthmus::broker {

inline constexpr std::string_view doomed_suffix = "-delete";

std::string doomed_path(const std::string& folder, const Uuid& topic_id, PartitionIndex index);
// nullopt: nothing that this release has named.
std::optional<Uuid> topic_of_doomed(const std::string& path);
std::optional<std::pair<Uuid, PartitionIndex>> partition_of_doomed(const std::string& path);

// Renames it. Its files may be removed when that name is durable (sync_folder() of the directory):
// else a power loss could leave the old name with a part of what was in it. Any thread.
Result<void> doom(io::Disk& disk, const std::string& folder, const Uuid& topic_id,
                  PartitionIndex index);

// What is not known to be gone for good goes to `<topic id>.<partition>-stray` instead, and stays
// until an operator removes it. Refused where there is one already.
std::string stray_path(const std::string& folder, const Uuid& topic_id, PartitionIndex index);
Result<void> set_aside(io::Disk& disk, const std::string& folder, const Uuid& topic_id,
                       PartitionIndex index);

}  // namespace isthmus::broker
