// Refusals: when what a leader refuses a follower is worth a line in the log. Around an election it
// refuses for a moment, and nobody needs to know; what lasts, or what only an operator can set
// right, is told once for each cause. Pure; one for each follower of a partition, at both ends.
#pragma once

#include <chrono>
#include <utility>

#include "io/loop.h"
#include "kafka/errors.h"

namespace isthmus::broker {

class Refusals {
 public:
  // Whether this is to be told.
  bool on_refused(kafka::ErrorCode why, io::Instant now) {
    if (why != why_) {
      why_ = why;
      since_ = now;
      told_ = false;
    }
    if (told_ || (!is_final(why) && now - since_ < passes_within)) return false;
    return told_ = true;
  }
  // Whether it was told that it was refused.
  bool on_served() {
    why_ = kafka::ErrorCode::none;
    return std::exchange(told_, false);
  }

 private:
  static constexpr io::Duration passes_within = std::chrono::seconds(5);
  static bool is_final(kafka::ErrorCode why) {
    return why == kafka::ErrorCode::topic_authorization_failed ||
           why == kafka::ErrorCode::kafka_storage_error;
  }

  kafka::ErrorCode why_ = kafka::ErrorCode::none;
  io::Instant since_{};
  bool told_ = false;
};

}  // namespace isthmus::broker
