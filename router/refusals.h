// Refusals: the answers of a broker that is not the one to ask, in the shape of each API, so that
// every client does what it does when a leader or coordinator has moved: it asks for metadata or
// for the coordinator again, and finds the new one.
//
// Plain functions; any loop.
#pragma once

#include "server/service.h"

namespace isthmus::router {

// What is bound to one node: a partition's leader (NOT_LEADER_OR_FOLLOWER) or a coordinator
// (NOT_COORDINATOR).
bool is_bound_to_a_node(kafka::ApiKey key);

// The complete answer to a request that is bound to a node. A fetch of an incremental session names
// only what has changed, so its partitions cannot be refused one by one: it is answered with
// FETCH_SESSION_ID_NOT_FOUND, and the client's next one names them all.
// REQUIRES: is_bound_to_a_node(), and a version that we speak.
Result<Rope> refuse(const server::Request& request);

}  // namespace isthmus::router
