// SourceView: what a mirror process says of its source beside the batches; for display, and for
// what a failover would lose. Pure; kept by the Partition.
#pragma once

#include "base/ids.h"
#include "io/loop.h"

namespace isthmus::broker {

struct SourceView {
  Offset end_offset = -1;  // -1 = never heard
  int64_t lag_ms = -1;     // -1 = unknown
  io::Instant heard_at{};
  double records_per_second = 0;

  void note(Offset end, int64_t lag, io::Instant now);
};

}  // namespace isthmus::broker
