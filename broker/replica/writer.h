// Writer: who appends to a partition or deletes from it. Every append names one, and the WriteGate
// admits it or says why not: records that this broker makes itself pass like everybody's. All but
// one write to leaders.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "base/ids.h"
#include "broker/log/epochs.h"
#include "io/loop.h"

namespace isthmus::broker {

// A producer, or an administrator who deletes records. The batch is one, and the partition's
// record_rules() hold for it (kafka/validate.h).
struct ClientWriter {
  io::Instant opened_at{};    // when its connection was opened
  io::Instant waits_until{};  // at a gate that will open (fence_wait.h), before it is refused
  bool acks_all = true;       // it waits until the batch is safe
};

// The mirror process of an incoming link. The batches are verbatim, CRCs checked; none is fine.
struct LinkWriter {
  std::string link;
  int64_t link_epoch = 0;
  Offset expected_offset = 0;
  LeaderEpoch source_leader_epoch = -1;
  Offset source_high_watermark = -1;
  Offset start_at = -1;   // while the mirror is initializing: where the source's log begins
  Offset log_start = -1;  // what lies before was deleted at the source long enough ago
  std::vector<EpochOwner> owners;
};

// A coordinator of this cluster, in its own topic. It names the epoch under which it leads: one
// whose partition was another's in between must not write behind that one.
struct CoordinatorWriter {
  LeaderEpoch leader_epoch = 0;
};

// The end of a transaction, written by the leader of the partition.
struct MarkerWriter {};

// The way back, which saves a diverged suffix: batches verbatim, at their own offsets. An empty log
// begins at `start`.
struct ExportWriter {
  Offset start = 0;
};

// The copy of a follower: batches as the leader has them, none of a later epoch than the one under
// which they were asked for. CRCs are checked where they are written. None is fine.
struct ReplicaWriter {
  LeaderEpoch leader_epoch = -1;  // under which they were asked for
  Offset expected_offset = 0;     // our end; where an empty log then begins
  Offset high_watermark = -1;     // the leader's
  Offset log_start = -1;          // the leader's
  std::vector<EpochOwner> owners;
};

using Writer = std::variant<ClientWriter, LinkWriter, CoordinatorWriter, MarkerWriter, ExportWriter,
                            ReplicaWriter>;

}  // namespace isthmus::broker
