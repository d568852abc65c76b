// What the tests of plans share: images made by plans, and the code of a refusal.
#pragma once

#include "broker/controller/topic_plans.h"
#include "kafka/errors.h"
#include "tests/broker/apply_plan.h"

namespace isthmus::broker {

template <typename T>
kafka::ErrorCode code_of(const Result<T>& result) {
  if (result) return kafka::ErrorCode::none;
  if (result.error().kind != Error::Kind::kafka) return kafka::ErrorCode::unknown_server_error;
  return kafka::error_code(result.error());
}

template <typename T>
bool says(const Result<T>& result, std::string_view text) {
  return !result && result.error().text.find(text) != std::string::npos;
}

// Whom a cluster of one has.
inline constexpr NodeId the_broker = 1;

inline std::shared_ptr<const Image> cluster(ClusterNumber number, int32_t starts = 1) {
  auto image = std::make_shared<Image>();
  image->cluster_name = "cluster-" + std::to_string(number);
  image->cluster_number = number;
  image->cluster_id = uuid_of(static_cast<uint8_t>(200 + number));
  image->brokers[the_broker] = {.starts = starts, .version = 1};
  image->starts.number = starts;
  return image;
}

inline NewTopic topic_wish(const std::string& name, uint8_t id, int32_t partitions = 2) {
  NewTopic wish;
  wish.name = name;
  wish.id = uuid_of(id);
  wish.partitions = partitions;
  return wish;
}

}  // namespace isthmus::broker
