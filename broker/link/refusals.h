// What the steps of a switchover have in common: how they are refused, and how long they wait.
#pragma once

#include <chrono>
#include <string>
#include <utility>

#include "base/error.h"
#include "base/ids.h"
#include "broker/replica/write_gate.h"
#include "kafka/errors.h"

namespace isthmus::broker {

// Both below the mirror's patience for an answer.
inline constexpr auto patience_for_disks = std::chrono::seconds(2);
inline constexpr auto patience_for_leaders = std::chrono::seconds(2);

inline Error invalid(std::string why) {
  return kafka::error_of(kafka::ErrorCode::invalid_request, std::move(why));
}

inline Error invalid(const TopicPartition& tp, const std::string& why) {
  return invalid(tp.to_string() + ": " + why);
}

inline Error refusal_of(const TopicPartition& tp, const Refusal& refusal) {
  return kafka::error_of(refusal.code, tp.to_string() + ": " + refusal.reason);
}

template <typename Response>
Response refused(const Error& error) {
  Response response;
  kafka::refuse(response, error);
  return response;
}

}  // namespace isthmus::broker
