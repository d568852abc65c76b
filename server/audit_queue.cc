#include "server/audit_queue.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace isthmus::server {

bool AuditRate::take(io::Instant now) {
  // Loops may see the time a little differently.
  const double passed = std::max(0.0, std::chrono::duration<double>(now - at_).count());
  at_ = std::max(at_, now);
  left_ = std::min(burst_, left_ + passed * per_second_);
  if (left_ < 1) return false;
  left_ -= 1;
  return true;
}

bool AuditQueue::fits(const AuditEvent& event, io::Instant now) {
  const bool is_refusal = event.outcome == AuditOutcome::refused;
  const size_t part = is_refusal ? 2 : 1;
  if (waiting_.size() >= limits_.lines / part) return false;
  if (bytes_ + event.bytes() > limits_.bytes / part) return false;
  return (is_refusal ? refusals_ : others_).take(now);
}

void AuditQueue::add(AuditEvent event, io::Instant now) {
  if (!fits(event, now)) {
    ++dropped_;
    ++not_told_of_;
    return;
  }
  event.dropped = std::exchange(not_told_of_, 0);
  bytes_ += event.bytes();
  waiting_.push_back(std::move(event));
}

std::vector<AuditEvent> AuditQueue::take() {
  bytes_ = 0;
  return std::exchange(waiting_, {});
}

}  // namespace isthmus::server
