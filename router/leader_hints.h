// Leader hints (KIP-951): a refused Produce names who leads now, so that clients which know hints
// go there without asking for metadata first. Plain functions, on the router's loop.
#pragma once

#include "kafka/gen/produce.h"
#include "router/picture.h"

namespace isthmus::router {

// Gives the nodes that an answer names their addresses here; those that are not known go.
void lead_hints_here(const Picture& picture, kafka::ProduceResponse& response);

// Adds who leads what `cluster` has refused because it is at home elsewhere by now.
void add_hints(const Picture& picture, const std::string& cluster,
               kafka::ProduceResponse& response);

}  // namespace isthmus::router
