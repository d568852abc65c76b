// What a Log is told with the batches that it appends, and what it answers (log.h).
#pragma once

#include <span>

#include "base/bytes.h"
#include "base/error.h"
#include "base/ids.h"
#include "broker/log/epochs.h"
#include "broker/log/producers.h"

namespace isthmus::broker {

struct AppendInfo {
  Offset first_offset = -1;
  Offset last_offset = -1;
  int64_t log_append_time = -1;  // -1 with create time
  uint64_t bytes = 0;
  bool duplicate = false;  // nothing was appended: the batch is in the log already
};

struct LeaderAppend {
  AppendOrigin origin = AppendOrigin::client;
  bool behind_a_refusal = false;  // see ProducerStates::check
};

// One writer's batches among those that are written together, and what became of them.
struct GroupedAppend {
  Bytes batches;
  LeaderAppend how;
  Result<AppendInfo> result;
};

// What is known of batches that come from a leader or from a mirror's source.
struct VerbatimAppend {
  ClusterNumber owner = 0;  // of new epochs that `owners` does not name
  std::span<const EpochOwner> owners = {};
  // A batch of a later epoch than the sender claimed to be in is refused (KAFKA-18723).
  LeaderEpoch max_epoch = INT32_MAX;
};

}  // namespace isthmus::broker
