// Opening a partition's folder: finds out what of it is good, and makes the rest follow from that.
//
// After a clean stop the files are believed. After any other, every batch from the segment of the
// recovery point on is read and its checksum compared; offset, time and transaction indexes, epochs
// and producer states are built anew from there. What is wrong at the end is one of two things:
//
//   a torn tail: beyond the recovery point, and nothing good after it. A crash between write and
//     sync leaves that; nobody was told of those records. It is cut.
//   corruption: below the recovery point, or with a good batch after it. Records that may have been
//     acknowledged would go with a cut. Nothing is touched, and the error says where it is, what
//     would be cut and what an operator can do.
//
// A segment that ends below the base of the next one is either the gap of a failover, which the
// epochs know (epochs.h), or has lost its tail: then the log ends there, and what follows is judged
// as above. With durability page_cache a segment is not synced before the next one is begun, so a
// power loss may take the tail of one and leave the next: nobody was promised anything beyond the
// recovery point, and the segments after the damaged one go with it. A mirror fetches all that
// again; a topic that clients write has lost it.
//
// Runs on the log's loop and holds it: at start-up.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "broker/log/config.h"
#include "broker/log/epochs.h"
#include "broker/log/file_cache.h"
#include "broker/log/producers.h"
#include "broker/log/segment.h"

namespace isthmus::broker {

struct RecoveredLog {
  std::vector<std::unique_ptr<Segment>> segments;  // at least one, the last one active
  std::vector<Offset> snapshots;                   // of producer states, ascending
  EpochCache epochs;
  ProducerStates producers;
  Offset start = 0;
  Offset end = 0;
  RecoveryReport report;
};

Result<RecoveredLog> recover_log(FileCache& files, const std::string& folder,
                                 const LogConfig& config, const RecoveryHints& hints);

// The producer states at `end`: from the newest good snapshot at or below it, and the batches
// between. Removes bad snapshots and those above `end`, from the disk and from `snapshots`.
Result<ProducerStates> rebuild_producers(FileCache& files, const std::string& folder,
                                         const std::vector<std::unique_ptr<Segment>>& segments,
                                         std::vector<Offset>& snapshots, const EpochCache& epochs,
                                         Offset end);

// The marker in a control batch; nothing if it is another kind of control batch.
Result<std::optional<kafka::EndTransactionMarker>> marker_of(Bytes control_batch);

}  // namespace isthmus::broker
