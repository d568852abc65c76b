#include "kafka/sasl/token_keeper.h"

namespace isthmus::kafka {

TokenKeeper::Step TokenKeeper::next(Instant now) {
  const std::lock_guard lock(mutex_);
  const bool may_ask = !asking_ && now >= not_before_;
  if (held_ && now < held_->spent) {
    const bool asks = may_ask && now >= held_->due;
    asking_ = asking_ || asks;
    return Use{held_->token, asks};
  }
  held_.reset();
  if (asking_) return Wait{};
  if (!may_ask && failed_) return *failed_;
  asking_ = true;
  return Ask{};
}

void TokenKeeper::answered(Instant asked, Instant now, const Result<IssuedToken>& answer) {
  const std::lock_guard lock(mutex_);
  asking_ = false;
  if (!answer) {
    failed_ = answer.error();
    not_before_ = now + retry;
    return;
  }
  failed_.reset();
  not_before_ = {};
  if (!answer->lifetime) return;
  const auto life = std::chrono::duration_cast<Instant::duration>(*answer->lifetime);
  held_ = Held{answer->token, asked + life / 5 * 4, asked + life};
}

}  // namespace isthmus::kafka
