#include "broker/coordinator_seams.h"

namespace isthmus::broker {

using kafka::ErrorCode;

io::Task<Result<void>> GroupRegister::put(std::vector<std::string> groups,
                                          std::optional<std::string> link) {
  auto decide = [&](const Image& image) -> Result<Plan> {
    Plan plan;
    for (const std::string& group : groups) {
      auto known = image.groups.find(group);
      const bool has = known != image.groups.end();
      if (!link) {
        if (has) plan.remove_group(group, known->second);
        continue;
      }
      GroupImage owner = has ? known->second : GroupImage{};
      if (owner.link == *link) continue;
      owner.link = *link;
      plan.put_group(group, owner);
    }
    return plan;
  };
  auto done = co_await controller_.update(decide);
  co_return done;
}

std::optional<std::string> GroupRegister::owner_of(const std::string& group) const {
  auto image = controller_.snapshot();
  auto known = image->groups.find(group);
  if (known == image->groups.end()) return std::nullopt;
  return known->second.link;
}

std::optional<Topics::Topic> KnownTopics::find(const std::string& name) const {
  auto image = controller_.snapshot();
  const TopicImage* topic = image->find(name);
  if (topic == nullptr) return std::nullopt;
  return Topic{topic->id, static_cast<int32_t>(topic->partitions.size())};
}

io::Task<std::vector<std::optional<LogEnds::Clamped>>> TopicEnds::clamp(
    std::vector<Position> positions) {
  std::vector<std::optional<Clamped>> all;
  for (auto& position : positions) {
    auto found = partitions_.find(position.partition.topic, position.partition.partition);
    if (found) {
      auto clamped = co_await found.clamp(position.offset);
      all.emplace_back(Clamped{clamped.offset, clamped.leader_epoch});
    } else if (found.absence() == ErrorCode::unknown_topic_or_partition) {
      all.emplace_back(Clamped{});
    } else {
      all.emplace_back(std::nullopt);  // it is being opened, or its disk is at fault
    }
  }
  co_return all;
}

}  // namespace isthmus::broker
