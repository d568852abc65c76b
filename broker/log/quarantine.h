// Quarantine: the durable mark of a partition that holds damage. Where it lies, the log is not
// opened: nothing of it is served, nothing is written behind it, and no later start can take the
// damage for what a crash leaves (recovery.h). An operator's repair removes it when all is done: so
// the mark is also what keeps a running broker and a repair apart. A broker removes it by itself
// only where others have all that was acknowledged (PartitionTable::others_have_all()).
//
// File `quarantine` in the partition's folder: JSON, for people and for `isthmus partition`.
#pragma once

#include <optional>
#include <string>

#include "base/error.h"
#include "base/ids.h"
#include "io/disk.h"

namespace isthmus::broker {

struct Quarantine {
  Offset offset = -1;      // of the first record that is damaged or gone; -1 = not known
  Offset segment = -1;     // base offset of the segment it lies in
  uint64_t position = 0;   // there
  Offset synced_end = -1;  // up to where the log is known to have been synced
  std::string why;
  friend bool operator==(const Quarantine&, const Quarantine&) = default;
};

// What an operator is told, with the commands that help.
Error quarantine_error(const std::string& folder, const Quarantine& mark);

// A mark that cannot be understood is one still, of unknown damage.
Result<std::optional<Quarantine>> read_quarantine(io::Disk& disk, const std::string& folder);
bool has_quarantine(io::Disk& disk, const std::string& folder);
Result<void> write_quarantine(io::Disk& disk, const std::string& folder, const Quarantine& mark);
Result<void> remove_quarantine(io::Disk& disk, const std::string& folder);

}  // namespace isthmus::broker
