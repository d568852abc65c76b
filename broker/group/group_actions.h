// What goes into a Group and what comes out of it: who asks, when, and what the owner has to do.
// Plain values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "io/loop.h"
#include "kafka/gen/group_metadata_value.h"
#include "kafka/gen/join_group.h"
#include "kafka/gen/sync_group.h"

namespace isthmus::broker {

enum class GroupState : uint8_t { empty, preparing_rebalance, completing_rebalance, stable };
std::string_view state_name(GroupState state);  // Kafka's: "PreparingRebalance"

using RequestId = uint64_t;  // of a join or a sync that waits; 0 = none

// Who sent a request, and in which version of its API.
struct Caller {
  std::string client_id;
  std::string client_host;
  int16_t version = 0;
};

struct Now {
  io::Instant steady;   // timeouts
  int64_t wall_ms = 0;  // what is stored
};
inline Now now_on(const io::Loop& loop) { return {loop.now(), loop.wall_ms()}; }

// What a member says of itself with each of its requests.
struct MemberClaim {
  std::string_view member_id;
  const std::optional<std::string>& instance_id;
  int32_t generation = -1;
};

// What the owner has to do after an event.
struct GroupActions {
  struct Join {
    RequestId request;
    kafka::JoinGroupResponse response;
  };
  struct Sync {
    RequestId request;
    kafka::SyncGroupResponse response;
  };
  // Make this durable, then call stored() with the ticket.
  struct Store {
    uint64_t ticket;
    kafka::GroupMetadataValue value;
  };

  std::vector<Join> joins;
  std::vector<Sync> syncs;
  std::optional<Store> store;
};

}  // namespace isthmus::broker
