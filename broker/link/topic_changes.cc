#include "broker/link/topic_changes.h"

#include <algorithm>

#include "kafka/errors.h"

namespace isthmus::broker {

using kafka::ErrorCode;

bool TopicChanges::are_held() const {
  const auto image = controller_.snapshot();
  const auto handed_over = [](const auto& entry) {
    return entry.second.phase == SwitchoverImage::Phase::handed_over;
  };
  return held_ || std::ranges::any_of(image->switchovers, handed_over);
}

io::Task<Result<void>> TopicChanges::make(Controller::Decision decision, Turn turn) {
  while (are_held() && !changed_.closed() && loop_.now() < turn.waits_until) {
    co_await changed_.wait_until(turn.waits_until);
  }
  if (turn.moves != moves_) {
    co_return kafka::refuse(ErrorCode::not_controller, "a switchover has moved the topics");
  }
  if (are_held()) {
    co_return kafka::refuse(ErrorCode::not_controller,
                            "a switchover is under way: try again in a moment");
  }
  const io::InFlight::Hold under_way(under_way_);
  auto done = co_await controller_.update(std::move(decision));
  co_return done;
}

void TopicChanges::release(bool moved) {
  held_ = false;
  if (moved) ++moves_;
  changed_.notify_all();
}

}  // namespace isthmus::broker
