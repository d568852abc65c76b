// The partition of a coordinators' topic in which a key (a group id, a transactional id) lives:
// Java's String.hashCode, over UTF-16, as in Kafka. Pure.
#pragma once

#include <string_view>

#include "base/ids.h"

namespace isthmus::broker {

// REQUIRES: partitions > 0.
PartitionIndex partition_of_key(std::string_view key, int32_t partitions);

}  // namespace isthmus::broker
