#include "io/event.h"

#include "base/check.h"

namespace isthmus::io {

Event::~Event() {
  CHECK(waiting_.empty() || loop_->has_ended(), "an event outlives its waiters");
  while (!waiting_.empty()) waiting_.front()->leave();
}

void Event::Wait::await_suspend(std::coroutine_handle<> awaiting) {
  awaiting_ = awaiting;
  place_ = event_.waiting_.insert(event_.waiting_.end(), this);
  waiting_ = true;
  if (deadline_ == Instant::max()) return;
  timer_ = event_.loop_->run_at(deadline_, [this] {
    timer_ = 0;
    expired_ = true;
    leave();
    awaiting_.resume();
  });
}

void Event::Wait::leave() {
  if (!waiting_) return;
  waiting_ = false;
  event_.waiting_.erase(place_);
  if (timer_ != 0) event_.loop_->cancel(timer_);
}

void Event::notify_all() {
  while (!waiting_.empty()) {
    Wait* wait = waiting_.front();
    wait->leave();
    loop_->post([handle = wait->awaiting_] { handle.resume(); });
  }
}

void Event::close() {
  closed_ = true;
  notify_all();
}

}  // namespace isthmus::io
