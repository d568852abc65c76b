// Creating a topic that clients write, on their word (CreateTopics) or by their first use of its
// name (Metadata).
#pragma once

#include "broker/controller/topic_plans.h"
#include "broker/handlers/context.h"
#include "broker/link/topic_changes.h"

namespace isthmus::broker {

// What the broker's options say of a topic that says nothing of it.
void add_defaults(const Context& context, NewTopic& wish);

// The id is chosen here. While a switchover is under way it waits (link/topic_changes.h).
io::Task<Result<void>> create_topic(Context& context, NewTopic wish, TopicChanges::Turn turn);

// The coordinator's own topic, made when a group is first looked for.
extern const char* const offsets_topic;
io::Task<Result<void>> ensure_offsets_topic(Context& context);

}  // namespace isthmus::broker
