#include "broker/image/image.h"

#include <algorithm>

namespace isthmus::broker {

const TopicImage* Image::find(const std::string& topic) const {
  auto found = topics.find(topic);
  return found == topics.end() ? nullptr : found->second.get();
}

const TopicImage* Image::find(const Uuid& id) const {
  auto found = topics_by_id.find(id);
  return found == topics_by_id.end() ? nullptr : found->second.get();
}

int64_t Image::epoch_of(const std::string& link) const {
  auto found = links.find(link);
  return found == links.end() ? 0 : found->second.epoch;
}

LeaderEpoch epoch_in_force(const PartitionImage& partition, int32_t starts) {
  return partition.leader_epoch + std::max(0, starts - partition.recorded_at_start);
}

LeaderEpoch next_generation(LeaderEpoch epoch) {
  return ((epoch >> election_bits) + 1) << election_bits;
}

}  // namespace isthmus::broker
