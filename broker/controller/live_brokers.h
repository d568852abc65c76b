// LiveBrokers: what the records of a cluster do not say of its brokers: whose process runs, who
// holds the controller's seat, who has just ceased to answer. For who describes the cluster;
// nothing is decided by it.
//
// On the main loop, where nothing else is said.
#pragma once

#include <set>

#include "base/ids.h"
#include "io/loop.h"
#include "io/task.h"

namespace isthmus::broker {

class LiveBrokers {
 public:
  virtual ~LiveBrokers() = default;

  // -1 = not known, or nobody. Any loop.
  virtual NodeId controller() const = 0;
  // Who may be dead: see silent_brokers.h. Any loop.
  virtual bool is_silent(NodeId, io::Instant) const { return false; }
  // As far as it can be read now; this one always.
  virtual io::Task<std::set<NodeId>> running() = 0;
};

}  // namespace isthmus::broker
