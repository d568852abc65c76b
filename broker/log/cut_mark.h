// CutMark: says that a partition lacks records which a cluster of several counts on this broker
// for: an operator's repair has cut them, or a start with durability page_cache may have lost them,
// and the next is one with fsync, which would not see that. It is not opened before the metadata
// have it that the broker is in no ISR and no ELR of it, unless nobody else is (PartitionTable).
// Then the mark goes.
//
// File `lacks-records` in the partition's folder, whose content says nothing. Durable before the
// first byte is cut.
#pragma once

#include <string>

#include "base/error.h"
#include "io/disk.h"

namespace isthmus::broker {

bool has_cut_mark(io::Disk& disk, const std::string& folder);
Result<void> write_cut_mark(io::Disk& disk, const std::string& folder);
Result<void> remove_cut_mark(io::Disk& disk, const std::string& folder);

}  // namespace isthmus::broker
