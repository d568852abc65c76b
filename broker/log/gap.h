// The gap of a failover, in the log: offsets that the lost site may have given out, and consumers
// may have read there, are not given out again. It is a batch like any other (kafka::build_gap), of
// the epoch that the failover opened: from where the records end that the new site had, up to where
// its own begin. So that epoch begins where it must, whoever reads to the end arrives there, and
// links copy it. Whoever holds the log comes to it at the same place between the batches, and lets
// producers jump there (ProducerStates::allow_one_gap).
//
// A batch reaches 2^31 offsets at most. A wider gap is two, one at each end, with a hole between
// as compaction leaves them.
//
// A gap begins a segment, and retention takes it with records behind it only: if it went before
// them, a site that follows could not tell the gap from records that it has missed.
#pragma once

#include <string>
#include <vector>

#include "base/bytes.h"
#include "broker/log/epochs.h"
#include "broker/log/file_cache.h"

namespace isthmus::broker {

// REQUIRES: from < to.
Slice make_gap(Offset from, Offset to, LeaderEpoch epoch);

// Earlier releases left nothing but a segment that begins where the gap ends, and noted its end
// beside the epoch (EpochCache::old_gaps). What belongs there is put there, in segments of its own:
// the same bytes at each site that holds the gap. `bases` are those of the folder's segments and
// follow; `snapshots` where producer states are known. Durable; again after a crash.
Result<void> fill_old_gaps(FileCache& files, const std::string& folder, EpochCache& epochs,
                           std::vector<Offset>& bases, const std::vector<Offset>& snapshots);

}  // namespace isthmus::broker
