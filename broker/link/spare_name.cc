#include "broker/link/spare_name.h"

#include <algorithm>

#include "kafka/errors.h"
#include "kafka/topic_names.h"

namespace isthmus::broker {

namespace {

constexpr int most_tries = 100;

bool is_taken(const Image& image, const std::string& name) {
  if (image.find(name) != nullptr) return true;
  return std::ranges::any_of(
      image.topics, [&](const auto& entry) { return kafka::do_names_collide(name, entry.first); });
}

}  // namespace

Result<std::string> spare_name(const Image& image, const std::string& topic,
                               const std::string& suffix) {
  for (int i = 1; i <= most_tries; ++i) {
    const std::string end = "." + suffix + (i > 1 ? "." + std::to_string(i) : "");
    const std::string name = topic.substr(0, kafka::longest_topic_name - end.size()) + end;
    if (!is_taken(image, name)) return name;
  }
  return kafka::refuse(
      kafka::ErrorCode::topic_already_exists,
      topic + "." + suffix + ", and all that it could be called instead, are topics of others");
}

}  // namespace isthmus::broker
