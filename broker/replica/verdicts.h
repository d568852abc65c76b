// Verdicts: answers after which a client does not come again as it was. An idempotent producer that
// is out of order is at its end, a static member that is fenced too, a producer that may not write
// to a topic gives its records up, and a consumer that is out of range goes on elsewhere in the
// log.
//
// A leader that was replaced and has not heard of it judges by what it has: others have taken what
// the client speaks of; and who leads what was promoted, and has not heard of that, takes it for a
// mirror. So a verdict is given only by who has heard, after the question came, all
// that was committed until then, and leads still; whoever cannot find that out in time answers what
// a follower would, and the client looks for who can.
#pragma once

#include <chrono>
#include <functional>

#include "io/loop.h"
#include "io/task.h"
#include "kafka/errors.h"

namespace isthmus::broker {

// Whether all that had been committed by `since` has been heard; false: not before the deadline.
// Any loop.
using Confirm = std::function<io::Task<bool>(io::Instant since, io::Instant deadline)>;

inline constexpr auto confirmed_within = std::chrono::seconds(2);

constexpr bool is_verdict(kafka::ErrorCode code) {
  using kafka::ErrorCode;
  switch (code) {
    case ErrorCode::out_of_order_sequence_number:
    case ErrorCode::unknown_producer_id:
    case ErrorCode::invalid_producer_epoch:
    case ErrorCode::invalid_txn_state:
    case ErrorCode::producer_fenced:
    case ErrorCode::policy_violation:
    case ErrorCode::offset_out_of_range:
    case ErrorCode::fenced_instance_id: return true;
    default: return false;
  }
}

}  // namespace isthmus::broker
