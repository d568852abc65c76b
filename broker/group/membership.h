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
  // Where these members go on, generations have been given out, up to `given`: none is given out
  // twice, so all join again where theirs is one of them. `parted`: theirs may be another of the
  // same number. What is stored is a generation that nobody has: should it be read again before
  // the next one is made, it is nobody's.
  void raise_above(int32_t given, bool parted) {
    const bool is_above = parted ? stored.generation > given : stored.generation >= given;
    if (is_above || given == INT32_MAX) return;
    stored.generation = given + 1;
    rebalancing = true;
  }
  bool operator==(const Membership&) const = default;
};

// Where a group goes on without its members, because nobody could ask for them: the site that is
// lost may have given out generations that nobody here knows of, and a later move may meet them. So
// they begin far away, at a place that depends on the promotion. What is left to chance costs
// little: members have ids of their own beside.
inline int32_t first_generation_after(int32_t known, const Uuid& promotion) {
  constexpr int32_t apart = 16;  // that a short-lived lineage may use
  const int32_t place = (promotion.bytes[14] << 8) | promotion.bytes[15];
  const int32_t jump = (place + 1) * apart;
  return known > INT32_MAX - jump ? known : known + jump;
}

// The members of a link's group, and the switchover that has brought them.
struct MovedGroup {
  Uuid switchover_id;
  Membership membership;
  bool operator==(const MovedGroup&) const = default;
};

}  // namespace isthmus::broker
