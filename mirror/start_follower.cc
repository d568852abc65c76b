#include "mirror/start_follower.h"

#include <algorithm>

namespace isthmus::mirror {

namespace {
constexpr io::Duration say_again_after = std::chrono::minutes(1);
}

StartFollower::Candidate StartFollower::candidate(Offset start, io::Instant now) const {
  return {start, now + (start > followed_ ? delay_ : std::max(delay_, say_again_after))};
}

std::optional<Offset> StartFollower::on_heard(Offset start, Offset held, io::Instant now) {
  if (start < 0) return std::nullopt;
  const bool taken_back = candidate_ && start < candidate_->offset;
  const bool is_more = candidate_ && candidate_->offset <= followed_ && start > followed_;
  if (taken_back || is_more) candidate_.reset();
  if (!candidate_ && start > 0) candidate_ = candidate(start, now);
  if (!candidate_ || now < candidate_->due || candidate_->offset > held) return std::nullopt;
  const Offset due = candidate_->offset;
  followed_ = std::max(followed_, due);
  candidate_ = candidate(start, now);
  return due;
}

}  // namespace isthmus::mirror
