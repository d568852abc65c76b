#include "broker/image/image.h"

#include <algorithm>

namespace isthmus::broker {

std::string_view to_string(MirrorState state) {
  switch (state) {
    case MirrorState::none: return "none";
    case MirrorState::initializing: return "initializing";
    case MirrorState::mirroring: return "mirroring";
    case MirrorState::paused: return "paused";
    case MirrorState::failed: return "failed";
    case MirrorState::stopped: return "stopped";
  }
  return "?";
}

std::string_view to_string(SwitchoverImage::Phase phase) {
  using Phase = SwitchoverImage::Phase;
  switch (phase) {
    case Phase::none: return "none";
    case Phase::wished: return "wished";
    case Phase::handed_over: return "handed over";
    case Phase::promoted: return "promoted";
    case Phase::abandoned: return "abandoned";
    case Phase::done: return "done";
    case Phase::taken_back: return "taken back";
    case Phase::stepped_down: return "stepped down";
  }
  return "?";
}

const TopicImage* Image::find(const std::string& topic) const {
  auto found = topics.find(topic);
  return found == topics.end() ? nullptr : found->second.get();
}

const TopicImage* Image::find(const Uuid& id) const {
  auto found = topics_by_id.find(id);
  return found == topics_by_id.end() ? nullptr : found->second.get();
}

LeaderEpoch epoch_in_force(const PartitionImage& partition, int32_t starts) {
  return partition.leader_epoch + std::max(0, starts - partition.recorded_at_start);
}

LeaderEpoch next_generation(LeaderEpoch epoch) {
  return ((epoch >> election_bits) + 1) << election_bits;
}

}  // namespace isthmus::broker
