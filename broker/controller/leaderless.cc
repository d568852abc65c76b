#include "broker/controller/leaderless.h"

#include "broker/controller/elections.h"

namespace isthmus::broker {

void Leaderless::look(const Image& image, io::Instant now) {
  std::map<Key, io::Instant> found;
  for (const auto& [name, topic] : image.topics) {
    if (!may_lose(*topic)) continue;
    for (size_t i = 0; i < topic->partitions.size(); ++i) {
      if (topic->partitions[i].leader >= 0) continue;
      const Key key{topic->id, static_cast<PartitionIndex>(i)};
      const auto known = since_.find(key);
      found.emplace(key, known == since_.end() ? now : known->second);
    }
  }
  since_ = std::move(found);
}

bool Leaderless::is_given_up(const TopicImage& topic, PartitionIndex index, io::Instant now) const {
  const auto known = since_.find({topic.id, index});
  return known != since_.end() && now - known->second >= patience_;
}

}  // namespace isthmus::broker
