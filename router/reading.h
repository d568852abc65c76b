// Reading: the little that the router must know of requests that it passes on as bytes.
//
// Records are never looked at. What does not decode makes the connection end, as at a broker.
// Plain functions; any loop.
#pragma once

#include "router/picture.h"
#include "server/service.h"

namespace isthmus::router {

// What a request on a node's port names, held against the routes.
enum class Whereabouts : uint8_t {
  here,       // all of it is at home in the node's cluster
  elsewhere,  // a topic or group of it is not
};

// Of a request of Fetch, ListOffsets, OffsetForLeaderEpoch, DeleteRecords, or of a group.
Result<Whereabouts> whereabouts(const server::Request& request, const Picture& picture,
                                const std::string& cluster);

// The group that a request is about, if that is one group; nullopt also for what is about none.
std::optional<std::string> only_group(const server::Request& request);

// Produce with acks=0 has no answer.
Result<bool> expects_reply(const server::Request& produce);

// The epoch of the fetch session (KIP-227): above 0, only changes are named, the broker remembers
// the rest. 0 or -1 names everything.
Result<int32_t> fetch_session_epoch(const server::Request& fetch);

}  // namespace isthmus::router
