#include "broker/coordinator_seams.h"

#include <algorithm>
#include <set>

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
      owner.parted = true;
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

bool GroupRegister::has_parted(const std::string& group) const {
  auto image = controller_.snapshot();
  auto known = image->groups.find(group);
  return known != image->groups.end() && known->second.parted;
}

std::optional<Topics::Topic> KnownTopics::find(const std::string& name) const {
  auto image = controller_.snapshot();
  const TopicImage* topic = image->find(name);
  if (topic == nullptr) return std::nullopt;
  return Topic{topic->id, static_cast<int32_t>(topic->partitions.size())};
}

io::Task<std::vector<std::optional<LogEnds::Clamped>>> TopicEnds::clamp(
    std::vector<Position> positions) {
  std::vector<std::optional<Clamped>> all(positions.size());
  std::vector<Position> beyond;
  std::vector<std::optional<Clamped>*> places;
  for (size_t i = 0; i < positions.size(); ++i) {
    const Position& position = positions[i];
    auto found = partitions_.find(position.partition.topic, position.partition.partition);
    if (found) {
      auto clamped = co_await found.clamp(position.offset);
      all[i] = Clamped{clamped.offset, clamped.leader_epoch};
      if (clamped.offset == position.offset) continue;
      beyond.push_back(position);
      places.push_back(&all[i]);
    } else if (found.absence() == ErrorCode::unknown_topic_or_partition) {
      all[i] = Clamped{};
    } else if (found.absence() == ErrorCode::not_leader_or_follower) {
      beyond.push_back(position);  // of another broker's only
      places.push_back(&all[i]);
    }  // else it is being opened, or its disk is at fault
  }
  if (!beyond.empty() && views_ != nullptr && partitions_.image()->brokers.size() > 1) {
    co_await clamp_by_leaders(std::move(beyond), std::move(places));
  }
  co_return all;
}

io::Task<void> TopicEnds::clamp_by_leaders(std::vector<Position> beyond,
                                           std::vector<std::optional<Clamped>*> into) {
  const auto image = partitions_.image();
  std::set<Uuid> topics;
  for (const Position& position : beyond) {
    const TopicImage* topic = image->find(position.partition.topic);
    if (topic != nullptr) topics.insert(topic->id);
  }
  kafka::BrokerViewRequest wants;
  wants.topic_ids.assign(topics.begin(), topics.end());
  const auto view = co_await views_->collect(std::move(wants));
  for (size_t i = 0; i < beyond.size(); ++i) {
    const TopicPartition& at = beyond[i].partition;
    const TopicImage* topic = image->find(at.topic);
    into[i]->reset();
    if (topic == nullptr) continue;
    const auto found = view.partitions.find({topic->id, at.partition});
    if (found == view.partitions.end() || found->second.end_offset < 0) continue;
    const SiteViews::Partition& leader = found->second;
    const bool is_beyond = beyond[i].offset >= leader.end_offset;
    *into[i] = Clamped{std::min(beyond[i].offset, leader.end_offset),
                       is_beyond ? leader.last_batch_epoch : -1};
  }
}

}  // namespace isthmus::broker
