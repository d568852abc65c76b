#include "server/arrival.h"

#include "base/check.h"

namespace isthmus::server {

io::Task<void> Arrival::begin(size_t bytes) {
  CHECK(lane_ == nullptr, "one frame at a time");
  lane_ = &budget_.lane_for(bytes);
  bytes_ = bytes;
  lane_->waiting.push_back(this);
  admit(*lane_);
  while (lane_ != nullptr && !held_) co_await changed_.wait();
}

void Arrival::end() {
  if (lane_ == nullptr) return;
  Budget::Lane& lane = *std::exchange(lane_, nullptr);
  if (std::exchange(held_, false)) {
    budget_.change([&] { lane.held -= bytes_; });
  } else {
    lane.waiting.remove(this);
  }
  admit(lane);
  changed_.notify_all();
}

// First come, first served: a frame that does not fit yet is not overtaken for ever by smaller
// ones.
void Arrival::admit(Budget::Lane& lane) {
  while (!lane.waiting.empty() && lane.has_room_for(lane.waiting.front()->bytes_)) {
    Arrival& first = *lane.waiting.front();
    lane.waiting.pop_front();
    lane.held += first.bytes_;
    first.held_ = true;
    first.changed_.notify_all();
  }
}

bool Pace::look(io::Instant now, uint64_t frame, size_t arrived, bool wanted) {
  const Mark here{frame, now, arrived};
  const bool goes_on = latest_ && latest_->frame == frame;
  if (!goes_on) begun_ = here;
  const size_t lately = goes_on ? arrived - latest_->arrived : 0;
  latest_ = here;
  if (!goes_on) return true;
  if (wanted && lately < least_if_wanted_) return false;
  if (now - begun_->at < patience_) return true;
  const bool enough = arrived - begun_->arrived >= least_;
  begun_ = here;
  return enough;
}

}  // namespace isthmus::server
