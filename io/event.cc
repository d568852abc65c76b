#include "io/event.h"

#include "base/check.h"

namespace isthmus::io {

Event::~Event() { CHECK(waiting_.empty(), "an event outlives its waiters"); }

void Event::Wait::await_suspend(std::coroutine_handle<> awaiting) {
  awaiting_ = awaiting;
  place_ = event_.waiting_.insert(event_.waiting_.end(), this);
  if (deadline_ == Instant::max()) return;
  timer_ = event_.loop_->run_at(deadline_, [this] {
    event_.waiting_.erase(place_);
    timer_ = 0;
    expired_ = true;
    awaiting_.resume();
  });
}

void Event::notify_all() {
  std::list<Wait*> woken;
  woken.swap(waiting_);
  for (Wait* wait : woken) {
    if (wait->timer_ != 0) loop_->cancel(wait->timer_);
    loop_->post([handle = wait->awaiting_] { handle.resume(); });
  }
}

void Event::close() {
  closed_ = true;
  notify_all();
}

}  // namespace isthmus::io
