// CRC-32C (Castagnoli), the checksum of Kafka's record batches. ISA-L does the work, in several
// lanes: a loop over the single instruction is eight times slower than Kafka's own.
#pragma once

#include "base/bytes.h"

namespace isthmus {

// The checksum of `bytes`, continued from `seed` (0 at the start).
uint32_t crc32c(Bytes bytes, uint32_t seed = 0);

}  // namespace isthmus
