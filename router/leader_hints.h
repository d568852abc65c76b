// Leader hints (KIP-951): a refused Produce or Fetch names who leads now, so that clients which
// know hints go there without asking for metadata first. Plain functions, on the router's loop.
#pragma once

#include "kafka/gen/fetch.h"
#include "kafka/gen/produce.h"
#include "router/picture.h"
#include "server/service.h"

namespace isthmus::router {

// From these versions on, answers have hints.
inline constexpr int16_t first_produce_with_hints = 10;
inline constexpr int16_t first_fetch_with_hints = 16;

// Whether anything is to be changed in the answer: a refusal, or addresses that are not ours.
bool wants_hints(const kafka::ProduceResponse& response);
bool wants_hints(const kafka::FetchResponse& response);

// Gives the nodes that an answer of `node` names their addresses here; those that are not known go.
// Adds who leads what it has refused because another cluster, or another of its own, leads by now.
void lead_hints(const Picture& picture, NodeId node, kafka::ProduceResponse& response);
void lead_hints(const Picture& picture, NodeId node, kafka::FetchResponse& response);

// The refusal (router/refusals.h) of a request that came to the node's port, with hints where its
// version has them.
Result<Rope> refuse_with_hints(const Picture& picture, NodeId node, const server::Request& request);

}  // namespace isthmus::router
