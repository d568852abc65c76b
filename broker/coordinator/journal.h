// Journal: the topic in which a coordinator keeps its state (__consumer_offsets,
// __transaction_state), as far as this broker leads its partitions. A seam: implemented above this
// folder, and in memory by tests.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "base/ids.h"
#include "io/task.h"
#include "kafka/errors.h"

namespace isthmus::broker {

// No value is a tombstone.
struct JournalRecord {
  Slice key;
  std::optional<Slice> value;
};

class Journal {
 public:
  virtual ~Journal() = default;

  // Appends the records as one batch, all or none, in the order of the calls; done when they are as
  // durable as acks=all promises. `leader_epoch` is the one in which the caller has become leader:
  // under any other nothing is written (kafka::fenced_leader_epoch, not_leader_or_follower), also
  // if this broker has lost the partition and leads it again. An old coordinator never writes
  // behind a new one.
  virtual io::Task<Result<void>> append(PartitionIndex partition, LeaderEpoch leader_epoch,
                                        std::vector<JournalRecord> records) = 0;

  // Shows all records that the log holds now, the oldest first. An error of `visit` ends it.
  using Visit = std::function<Result<void>(const JournalRecord&)>;
  virtual io::Task<Result<void>> replay(PartitionIndex partition, Visit visit) = 0;

  // Whether an append could succeed now: a leader, and enough in-sync replicas.
  virtual bool writable(PartitionIndex partition) const = 0;
};

// The answer for what a journal, or another seam of a coordinator, failed with.
kafka::ErrorCode coordinator_error(const Error& error);

}  // namespace isthmus::broker
