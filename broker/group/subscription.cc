#include "broker/group/subscription.h"

#include "kafka/wire.h"

namespace isthmus::broker {

std::optional<std::set<std::string>> subscribed_topics(const Slice& metadata) {
  constexpr size_t least_bytes_of_a_string = 2;
  kafka::Reader reader(metadata);
  const int16_t version = reader.int16();
  std::vector<std::string> topics;
  for (auto& topic : reader.array(topics, false, least_bytes_of_a_string)) {
    topic = reader.string(false);
  }
  if (!reader.ok() || version < 0) return std::nullopt;
  return std::set<std::string>(topics.begin(), topics.end());
}

}  // namespace isthmus::broker
