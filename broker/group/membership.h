// Membership: a classic group's members on their way from one cluster's coordinator to another's,
// as the last round of a switchover takes them along: who comes there with the id and the
// generation that it has goes on as if the coordinator had only changed its address, as in Kafka
// when a partition of __consumer_offsets gets another leader. Unlike there, what is not stored
// comes too: that a generation is being made, and ids that were given out (KIP-394).
//
// Plain values; how they are written down stands in records.h.
#pragma once

#include <string>
#include <vector>

#include "base/ids.h"
#include "kafka/gen/group_metadata_value.h"

namespace isthmus::broker {

struct Membership {
  kafka::GroupMetadataValue stored;
  bool rebalancing = false;           // a generation is being made: every member has to join again
  std::vector<std::string> expected;  // ids that were given out, whose members have not joined yet

  // Nobody is a member or about to be one.
  bool empty() const { return stored.members.empty() && expected.empty(); }
  // Here generations have come further than there: none is given out twice, so all join again.
  void raise_to(int32_t generation) {
    if (stored.generation >= generation) return;
    stored.generation = generation;
    rebalancing = true;
  }
  bool operator==(const Membership&) const = default;
};

// The members of a link's group, and the switchover that has brought them.
struct MovedGroup {
  Uuid switchover_id;
  Membership membership;
  bool operator==(const MovedGroup&) const = default;
};

}  // namespace isthmus::broker
