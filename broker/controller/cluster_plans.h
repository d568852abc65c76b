// What is decided about the brokers of a cluster and about who leads: pure functions from the image
// to the records to be written. The rules are those of docs/model/replication.py.
//
//   start ──► fenced ──plan_unfence──► serves ──plan_fence──► fenced
//
// A fenced broker leads nothing and is in no ISR. Who leads is elected out of the ISR, in the order
// of the replicas; where that is empty, out of the ELR; where nobody of them serves, nobody leads
// until one does. Nobody else is ever elected, and nobody who has it is waited for in vain: the
// first of them leads, also after all were down. A broker that is fenced by mistake can do no harm:
// each of its commits demands that it still has its session, and what it has acknowledged all
// others in the ISR had.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "broker/controller/elections.h"
#include "broker/image/image.h"
#include "broker/image/records.h"

namespace isthmus::broker {

// `node` starts, for the next time, and is reached as `says` has it. In a cluster of several it is
// fenced until it serves: somebody else leads meanwhile what it led. With another data directory
// than before it has nothing that anybody could be led by.
Plan plan_start(const Image& image, NodeId node, const BrokerImage& says);

// For the log, before such a start: `node` had another data directory than `directory`, and so has
// nothing of what it had. Empty: it had this one, or none yet.
std::string missing_directory(const Image& image, NodeId node, const Uuid& directory);

// `node` was found dead, or begins to stop. Empty if it is fenced already.
Result<Plan> plan_fence(const Image& image, NodeId node);

// What cannot be opened, or written, of what is on a broker's disk, or may lack what was
// acknowledged: it is in sync with nothing, but for the last that is left (is_counted_on()).
struct DamagedReplica {
  Uuid topic;
  PartitionIndex index = -1;
  bool all = false;      // nothing is left of it
  bool is_open = false;  // it may lack something, and serves
};
// `node` follows the image and is reached by clients, in its start number `starts`: it may lead.
// STALE_BROKER_EPOCH: it has started anew since.
Result<Plan> plan_unfence(const Image& image, NodeId node, int32_t starts,
                          const std::vector<DamagedReplica>& damaged = {});

// `node` serves, and has lost these since: others lead them. Where it is the last that is left it
// stays, and leads, unless the topic rather loses records (may_lose() in elections.h).
// `unclean` has what was elected so.
Result<Plan> plan_lose(const Image& image, NodeId node, const std::vector<DamagedReplica>& damaged,
                       std::vector<Election>* unclean = nullptr);

// A leader has seen who is in sync: those who have all that is safe, durably, since its epoch
// began.
struct InSync {
  NodeId node = -1;
  int32_t starts = 0;  // of that broker when it said so: one that has started since is asked anew
};
struct IsrChange {
  Uuid topic;
  PartitionIndex index = -1;
  LeaderEpoch leader_epoch = -1;
  int64_t version = -1;  // of the record that it was proposed from
  std::vector<InSync> isr;
};
// Changes the ISRs that `leader` may change, and leaves the others: its epoch is not in force any
// more, the record has changed since, or a member is fenced, has started since, or is no replica.
// Many in one commit.
Result<Plan> plan_isr(const Image& image, NodeId leader, const std::vector<IsrChange>& changes);

}  // namespace isthmus::broker
