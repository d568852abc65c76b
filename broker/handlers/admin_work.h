// What CreateTopics, DeleteTopics and CreatePartitions share: each item of a request takes its time
// (a commit, partitions to be opened), and the request says how long its sender waits.
#pragma once

#include "broker/handlers/context.h"
#include "broker/link/topic_changes.h"

namespace isthmus::broker {

// How long the changes of a request that names this time-out wait for a switchover to end.
TopicChanges::Turn turn_of(Context& context, int32_t timeout_ms);
// Of one that names none.
TopicChanges::Turn turn_of(Context& context);

// Starts `work` and waits for its end, or until the sender's time is over; it then goes on by
// itself. `work` fills in an answer that both share: items that it has not come to by then say
// REQUEST_TIMED_OUT, as Kafka does, which is "unknown" and not "undone". Call it on the main loop.
io::Task<void> wait_for_work(Context& context, int32_t timeout_ms, io::Task<void> work);

}  // namespace isthmus::broker
