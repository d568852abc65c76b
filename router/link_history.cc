#include "router/link_history.h"

#include <algorithm>

namespace isthmus::router {

void LinkHistory::note(io::Instant now, const Sample& sample) {
  const io::Instant begins{now.time_since_epoch() / slot * slot};
  if (samples_.empty() || begins - latest_ >= slot * most_slots) {
    samples_.assign(1, sample);
    latest_ = begins;
    return;
  }
  for (; latest_ < begins; latest_ += slot) samples_.emplace_back();
  while (samples_.size() > most_slots) samples_.pop_front();
  Sample& last = samples_.back();
  // Of what is known: nothing is less than 0.
  last.lag_records = std::max(last.lag_records, sample.lag_records);
  last.lag_ms = std::max(last.lag_ms, sample.lag_ms);
  last.records_per_s = std::max(last.records_per_s, sample.records_per_s);
}

}  // namespace isthmus::router
