#include "io/mutex.h"

#include <utility>

#include "base/check.h"

namespace isthmus::io {

Mutex::Held::Held(Mutex& mutex) : mutex_(&mutex) { mutex.holder_ = this; }

Mutex::Held::Held(Held&& other) noexcept : mutex_(std::exchange(other.mutex_, nullptr)) {
  if (mutex_ != nullptr) mutex_->holder_ = this;
}

Mutex::Held::~Held() {
  if (mutex_ != nullptr) mutex_->unlock();
}

Mutex::Wait::~Wait() {
  if (state_ == State::waiting) mutex_.waiting_.erase(place_);
  if (state_ != State::granted) return;
  if (resumed_) *resumed_ = nullptr;
  mutex_.unlock();
}

bool Mutex::Wait::await_ready() {
  if (mutex_.locked_) return false;
  mutex_.locked_ = true;
  grant();
  return true;
}

void Mutex::Wait::grant() {
  state_ = State::granted;
  mutex_.granted_ = this;
}

void Mutex::Wait::await_suspend(std::coroutine_handle<> awaiting) {
  awaiting_ = awaiting;
  place_ = mutex_.waiting_.insert(mutex_.waiting_.end(), this);
  state_ = State::waiting;
}

Mutex::Held Mutex::Wait::await_resume() {
  state_ = State::idle;
  mutex_.granted_ = nullptr;
  return Held(mutex_);
}

std::optional<Mutex::Held> Mutex::try_lock() {
  if (locked_) return std::nullopt;
  locked_ = true;
  return Held(*this);
}

// Stays locked while somebody waits: who asks meanwhile comes after them.
void Mutex::unlock() {
  holder_ = nullptr;
  granted_ = nullptr;
  if (waiting_.empty() || loop_->has_ended()) {
    locked_ = false;
    return;
  }
  Wait* next = waiting_.front();
  waiting_.pop_front();
  next->grant();
  next->resumed_ = std::make_shared<Wait*>(next);
  loop_->post([resumed = next->resumed_] {
    if (*resumed == nullptr) return;
    Wait* wait = *resumed;
    wait->resumed_.reset();
    wait->awaiting_.resume();
  });
}

Mutex::~Mutex() {
  CHECK(!locked_ || loop_->has_ended(), "a mutex outlives who holds it");
  if (holder_ != nullptr) holder_->mutex_ = nullptr;
  if (granted_ != nullptr) granted_->state_ = Wait::State::idle;
  for (Wait* wait : waiting_) wait->state_ = Wait::State::idle;
}

}  // namespace isthmus::io
