#include "mirror/start_follower.h"

namespace isthmus::mirror {

std::optional<Offset> StartFollower::on_heard(Offset start, Offset held, io::Instant now) {
  if (start < 0) return std::nullopt;
  if (candidate_ && start < candidate_->offset) candidate_.reset();
  if (!candidate_ && start > followed_) candidate_ = {start, now};
  if (!candidate_ || now - candidate_->since < delay_ || candidate_->offset > held) {
    return std::nullopt;
  }
  followed_ = candidate_->offset;
  candidate_.reset();
  if (start > followed_) candidate_ = {start, now};
  return followed_;
}

}  // namespace isthmus::mirror
