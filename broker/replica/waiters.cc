#include "broker/replica/waiters.h"

#include <algorithm>
#include <set>
#include <utility>

namespace isthmus::broker {

AckQueue::~AckQueue() {
  for (Wait* wait : queue_) {
    if (wait != nullptr) wait->queued_ = false;
  }
}

AckQueue::Wait::~Wait() {
  if (alive_) *alive_ = false;
  if (!queued_) return;
  if (timer_ != 0) queue_.loop_.cancel(timer_);
  std::ranges::replace(queue_.queue_, this, static_cast<Wait*>(nullptr));
}

void AckQueue::Wait::await_suspend(std::coroutine_handle<> awaiting) {
  awaiting_ = awaiting;
  alive_ = std::make_shared<bool>(true);
  queued_ = true;
  // Nearly always at the back; a wait that was queued late (after another hop) goes to its place.
  auto comes_first = [this](const Wait* other) { return other == nullptr || other->end_ > end_; };
  auto place = queue_.queue_.end();
  while (place != queue_.queue_.begin() && comes_first(*(place - 1))) --place;
  queue_.queue_.insert(place, this);
  if (deadline_ == io::Instant::max()) return;
  timer_ = queue_.loop_.run_at(deadline_, [this] {
    timer_ = 0;
    queued_ = false;
    std::ranges::replace(queue_.queue_, this, static_cast<Wait*>(nullptr));
    outcome_ = Outcome::expired;
    awaiting_.resume();
  });
}

void AckQueue::wake(Wait* wait) {
  if (wait == nullptr) return;
  wait->queued_ = false;
  if (wait->timer_ != 0) loop_.cancel(wait->timer_);
  loop_.post([handle = wait->awaiting_, alive = wait->alive_] {
    if (*alive) handle.resume();
  });
}

void AckQueue::advance(Offset high_watermark) {
  while (!queue_.empty() && (queue_.front() == nullptr || queue_.front()->end_ <= high_watermark)) {
    wake(queue_.front());
    queue_.pop_front();
  }
}

void AckQueue::wake_all() {
  std::deque<Wait*> all;
  all.swap(queue_);
  for (Wait* wait : all) wake(wait);
}

void FetchWait::notify(std::shared_ptr<FetchWait> self, const From& from, bool over) {
  io::Loop& loop = self->loop_;
  loop.post([self = std::move(self), from, over] {
    self->notified_ = true;
    self->news_.push_back(from);
    self->over_ |= over;
    self->event_.notify_all();
  });
}

std::vector<FetchWait::From> FetchWait::take_news() {
  notified_ = false;
  return std::exchange(news_, {});
}

void FetchWaiters::add(std::weak_ptr<FetchWait> wait) {
  // Polls that have ended leave an empty pointer behind, and one that goes on may come again; a
  // partition without writers would otherwise collect them.
  if (waits_.size() >= 64 && waits_.size() == waits_.capacity()) {
    std::set<std::weak_ptr<FetchWait>, std::owner_less<>> known;
    std::erase_if(waits_, [&](const auto& w) { return w.expired() || !known.insert(w).second; });
  }
  waits_.push_back(std::move(wait));
}

void FetchWaiters::tell_all(bool over) {
  if (waits_.empty()) return;
  std::vector<std::weak_ptr<FetchWait>> all;
  all.swap(waits_);
  for (auto& weak : all) {
    if (auto wait = weak.lock()) FetchWait::notify(std::move(wait), whose_, over);
  }
}

}  // namespace isthmus::broker
