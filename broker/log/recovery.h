// Opening a partition's folder: finds out what of it is good, and makes the rest follow from that.
//
// After a clean stop the files are believed, but for a look at the end of the log. After any other,
// every batch from the segment of the known end on is read and its checksum compared; offset, time
// and transaction indexes, epochs and producer states are built anew from there.
//
// The known end is up to where the log was once synced for certain: the highest of what its slot
// says (synced_end.h), of the recovery-point checkpoint, and, with durability fsync, of where its
// last segment but one begins (Log::seal_and_begin()), unless a cut was under way or the segments
// are of a start with page_cache. It decides what is wrong:
//
//   damage: below it a batch is bad, or the log ends. What was synced, and may have been
//     acknowledged, the disk has lost. Nothing is cut; a mark is left (quarantine.h), and the
//     partition stays closed until an operator says what to give up (RecoveryHints::cut_from), or
//     the metadata say that others have it all (RecoveryHints::others_have_all): then it is cut
//     where the damage begins, and copied again from who leads.
//   a torn tail: all else. Nobody was told of those records, and the pages of what was not synced
//     reach a disk in any order: a good batch behind a bad one proves nothing. The log is cut at
//     the first bad batch; what is cut is kept beside it (cut_bytes.h).
//
// A read that fails is neither: the partition stays closed for this start, and nothing is noted.
//
// A segment that ends below the base of the next one is Kafka's and was compacted there (epochs.h),
// or has lost its tail: then the log ends there, and is judged as above. Every start looks at the
// ends of all segments, also of those that it believes. A segment is not synced before the next one
// is begun, so a power loss may take the tail of one and leave the next: nobody was promised
// anything beyond the known end, and the segments after the damaged one go with it. With durability
// page_cache that may be more than clients have given up: a mirror fetches it again; a topic that
// clients write has lost it.
//
// Believed, and not scanned, are the segments below the one of the recovery point. One that ends
// just there is not: what was synced up to its last record may be less than its indexes.
//
// A batch's base offset is not under its checksum. So offsets must ascend, and a batch must end
// exactly at the known end: what jumps over it has a wrong offset.
//
// Waits for the disk; any thread (opening.h).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "broker/log/config.h"
#include "broker/log/epochs.h"
#include "broker/log/file_cache.h"
#include "broker/log/producers.h"
#include "broker/log/segment.h"
#include "broker/log/synced_end.h"

namespace isthmus::broker {

struct RecoveredLog {
  std::vector<std::unique_ptr<Segment>> segments;  // at least one, the last one active
  std::vector<Offset> snapshots;                   // of producer states, ascending, on the disk
  EpochCache epochs;
  ProducerStates producers;
  Offset start = 0;
  Offset end = 0;
  RecoveryReport report;
};

// Loads `synced`, and lowers it where it cuts on an operator's word.
Result<RecoveredLog> recover_log(FileCache& files, const std::string& folder,
                                 const LogConfig& config, const RecoveryHints& hints,
                                 SyncedEnd& synced);

}  // namespace isthmus::broker
