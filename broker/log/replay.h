// What follows for producers from batches that are in a log already: at a start, after a cut.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "broker/log/file_cache.h"
#include "broker/log/producers.h"
#include "broker/log/segment.h"

namespace isthmus::broker {

// Applies one batch that is in the log to the producer states.
Result<std::optional<CompletedTxn>> replay(ProducerStates& producers,
                                           const kafka::BatchHeader& header, Bytes batch);

// The producer states at `end`: from the newest good snapshot at or below it, and the batches
// between. Removes bad snapshots and those above `end`, from the disk and from `snapshots`.
Result<ProducerStates> rebuild_producers(FileCache& files, const std::string& folder,
                                         const std::vector<std::unique_ptr<Segment>>& segments,
                                         std::vector<Offset>& snapshots, Offset end);

// Writes the snapshot at `at`, not synced. A failure leaves no file.
Result<std::shared_ptr<io::File>> write_snapshot(FileCache& files, const std::string& folder,
                                                 Offset at, const ProducerStates& states);

// What a control batch says.
Result<kafka::ControlRecord> control_in(Bytes control_batch);

}  // namespace isthmus::broker
