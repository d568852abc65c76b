#include "broker/link/switchover_plans.h"

#include <algorithm>

#include "kafka/errors.h"

namespace isthmus::broker {

using kafka::ErrorCode;
using Phase = SwitchoverImage::Phase;

namespace {

std::unexpected<Error> refuse(ErrorCode code, std::string why) {
  return fail(Error::kafka(static_cast<int>(code), std::move(why)));
}

SwitchoverImage record_of(const Image& image, const std::string& link) {
  auto found = image.switchovers.find(link);
  if (found != image.switchovers.end()) return found->second;
  SwitchoverImage none;
  none.link = link;
  return none;
}

bool is_abandoned(const SwitchoverImage& record, const Uuid& id) {
  return std::ranges::find(record.abandoned, id) != record.abandoned.end();
}

// An operator retries a few times, not thousands: the oldest can no longer be in flight.
constexpr size_t max_abandoned = 1000;

void abandon(SwitchoverImage& record, const Uuid& id) {
  if (is_abandoned(record, id)) return;
  if (record.abandoned.size() >= max_abandoned) record.abandoned.erase(record.abandoned.begin());
  record.abandoned.push_back(id);
}

int64_t next_route_version(const RoutesImage& before, int64_t now_ms) {
  return std::max(before.route_version + 1, now_ms);
}

// `from` empty: nobody's routes, but a promotion all the same, which the version tells.
RoutesImage taken_over(const RoutesImage& before, const std::string& from, const std::string& to,
                       int64_t now_ms) {
  RoutesImage routes = before;
  routes.route_version = next_route_version(before, now_ms);
  if (from.empty()) return routes;
  for (auto& [original, now] : routes.taken_over) {
    if (now == from) now = to;
  }
  routes.taken_over[from] = to;
  std::erase_if(routes.taken_over, [](const auto& pair) { return pair.first == pair.second; });
  return routes;
}

// The operator opens this cluster although another may have been promoted: it takes its own routes
// back, also above the one version that the other may have added and nobody here has seen.
RoutesImage taken_home(const Image& image, int64_t now_ms) {
  RoutesImage routes = image.routes;
  routes.route_version = next_route_version(routes, now_ms) + 1;
  routes.taken_over.erase(image.cluster_name);
  return routes;
}

void hand_to_link(TopicImage& topic, const Ending& ending) {
  topic.link = ending.reverse_link;
  topic.origin = ending.new_origin;
  topic.closed_by.reset();
  topic.moved_away = true;
  for (auto& partition : topic.partitions) {
    // Not `initializing`, which may begin anew at the source's log start: there is data here.
    partition.mirror_state = MirrorState::mirroring;
    partition.mirror_reason.clear();
    partition.promoted_to = -1;
  }
}

// Topics come under `link` again: what was promoted on it before is history, and a late repetition
// of that promotion must not happen to them.
void retire_promotion(Plan& plan, const Image& image, const std::string& link) {
  SwitchoverImage record = record_of(image, link);
  if (record.phase != Phase::promoted) return;
  abandon(record, record.id);
  record.phase = Phase::none;
  plan.put(record);
}

void hand_groups_to_link(Plan& plan, const Image& image, const Ending& ending) {
  for (const auto& group : ending.groups) {
    auto owner = image.groups.find(group);
    GroupImage next = owner == image.groups.end() ? GroupImage{} : owner->second;
    next.link = ending.reverse_link;
    plan.put_group(group, next);
  }
}

}  // namespace

Result<Plan> plan_wish(const Image& image, const std::string& link, const Uuid& id) {
  SwitchoverImage record = record_of(image, link);
  if (is_abandoned(record, id)) {
    return refuse(ErrorCode::invalid_request, "switchover " + id.to_string() + " was given up");
  }
  if (record.phase == Phase::wished && record.id != id) {
    return refuse(ErrorCode::invalid_request,
                  "switchover " + record.id.to_string() + " of link " + link + " is under way");
  }
  Plan plan;
  if (record.id == id) return plan;
  // The record of a promotion stays until the topics come back under this link: without it an
  // abandonment could be answered for what was promoted, and the source would open again.
  if (record.phase == Phase::promoted) {
    return refuse(ErrorCode::invalid_request,
                  "switchover " + record.id.to_string() + " of link " + link +
                      " has been promoted: its topics are here; move them back over the link that "
                      "runs the other way");
  }
  record.id = id;
  record.phase = Phase::wished;
  record.failover = false;
  record.promoted.clear();
  plan.put(record);
  return plan;
}

Result<Plan> plan_hand_over(const Image& image, const std::string& link, const Uuid& id,
                            const std::vector<Uuid>& topics) {
  SwitchoverImage record = record_of(image, link);
  Plan plan;
  if (record.id == id && record.phase == Phase::handed_over) return plan;
  if (record.phase == Phase::handed_over) {
    return refuse(ErrorCode::invalid_request,
                  "switchover " + record.id.to_string() + " has been handed over already");
  }
  for (const Uuid& topic_id : topics) {
    const TopicImage* found = image.find(topic_id);
    if (found == nullptr || found->is_mirror() || found->closed_by) {
      return refuse(ErrorCode::unknown_topic_id,
                    "no writable topic has the id " + topic_id.to_string());
    }
    TopicImage topic = *found;
    topic.closed_by = id;
    plan.put(topic);
  }
  record.id = id;
  record.phase = Phase::handed_over;
  plan.put(record);
  return plan;
}

Result<Plan> plan_promote(const Image& image, const Promotion& promotion) {
  SwitchoverImage record = record_of(image, promotion.link);
  Plan plan;
  if (record.id == promotion.id && record.phase == Phase::promoted) return plan;
  if (is_abandoned(record, promotion.id)) {
    return refuse(ErrorCode::invalid_request,
                  "switchover " + promotion.id.to_string() + " was given up, and stays so");
  }
  RoutesImage routes =
      taken_over(image.routes, promotion.route_from, image.cluster_name, promotion.now_ms);
  for (const auto& [topic_id, next_offsets] : promotion.topics) {
    const TopicImage* found = image.find(topic_id);
    if (found == nullptr || found->link != promotion.link) {
      return refuse(ErrorCode::unknown_topic_id, "no mirror topic of link " + promotion.link +
                                                     " has the id " + topic_id.to_string());
    }
    TopicImage topic = *found;
    topic.link.clear();
    topic.origin = image.cluster_number;
    topic.moved_away = false;
    topic.promoted_at = routes.route_version;
    for (size_t i = 0; i < topic.partitions.size(); ++i) {
      PartitionImage& partition = topic.partitions[i];
      partition.promoted_to = i < next_offsets.size() ? next_offsets[i] : -1;
      partition.leader_epoch = next_generation(epoch_in_force(partition, image.starts));
      partition.recorded_at_start = image.starts;
      partition.mirror_state = MirrorState::stopped;
      partition.mirror_reason.clear();
    }
    plan.put(topic);
  }
  // An id that was under way, or promoted before, is not promoted any more: this decision took its
  // place.
  bool another = record.id != promotion.id;
  if (another && (record.phase == Phase::wished || record.phase == Phase::promoted)) {
    abandon(record, record.id);
  }
  record.id = promotion.id;
  record.phase = Phase::promoted;
  record.failover = promotion.failover;
  record.route_version = routes.route_version;
  // The routes alone may have been left, after a promotion without them.
  if (!promotion.topics.empty()) record.promoted = promotion.found;
  plan.put(record);
  plan.put(routes);
  return plan;
}

Result<Plan> plan_abandon(const Image& image, const std::string& link, const Uuid& id) {
  SwitchoverImage record = record_of(image, link);
  // Also where another id was promoted meanwhile: on the answer "abandoned" the source opens again,
  // and two sites would be writable.
  if (record.phase == Phase::promoted) {
    return refuse(ErrorCode::invalid_request, "switchover " + record.id.to_string() +
                                                  " has been promoted: it goes forward only");
  }
  Plan plan;
  if (is_abandoned(record, id)) return plan;
  abandon(record, id);
  if (record.id == id) record.phase = Phase::abandoned;
  plan.put(record);
  return plan;
}

Result<Plan> plan_done(const Image& image, const Ending& ending) {
  SwitchoverImage record = record_of(image, ending.link);
  Plan plan;
  if (record.id == ending.id && record.phase == Phase::done) return plan;
  if (record.id != ending.id || record.phase != Phase::handed_over) {
    return refuse(ErrorCode::invalid_request,
                  "switchover " + ending.id.to_string() + " was not handed over here");
  }
  for (const auto& [name, found] : image.topics) {
    if (found->closed_by != ending.id) continue;
    TopicImage topic = *found;
    hand_to_link(topic, ending);
    plan.put(topic);
  }
  hand_groups_to_link(plan, image, ending);
  record.phase = Phase::done;
  record.route_version = std::max(record.route_version, ending.route_version);
  plan.put(record);
  retire_promotion(plan, image, ending.reverse_link);
  add_newer_routes(plan, image, ending.route_version, ending.routes);
  return plan;
}

Result<Plan> plan_take_back(const Image& image, const TakeBack& order) {
  SwitchoverImage record = record_of(image, order.link);
  Plan plan;
  if (record.id == order.id && record.phase == Phase::taken_back) return plan;
  bool closed =
      record.phase == Phase::handed_over || (order.forced && record.phase == Phase::stepped_down);
  if (record.id != order.id || !closed) {
    return refuse(ErrorCode::invalid_request,
                  "switchover " + order.id.to_string() + " was not handed over here");
  }
  RoutesImage routes = order.forced ? taken_home(image, order.now_ms) : image.routes;
  for (const auto& [name, found] : image.topics) {
    if (found->closed_by != order.id) continue;
    TopicImage topic = *found;
    topic.closed_by.reset();
    if (order.forced) topic.promoted_at = routes.route_version;
    plan.put(topic);
  }
  record.phase = Phase::taken_back;
  plan.put(record);
  if (order.forced) plan.put(routes);
  return plan;
}

Result<Plan> plan_step_down(const Image& image, const StepDown& order) {
  SwitchoverImage record = record_of(image, order.link);
  Plan plan;
  bool known = record.phase == Phase::stepped_down || record.phase == Phase::done ||
               record.phase == Phase::taken_back;
  if (known && record.id == order.id) return plan;
  if (record.phase == Phase::handed_over) {
    return refuse(ErrorCode::invalid_request,
                  "switchover " + record.id.to_string() + " has been handed over: finish that");
  }
  if (order.route_version < record.route_version) {
    return refuse(ErrorCode::invalid_request, "a later promotion is known here");
  }
  bool closes = false;
  for (const Uuid& topic_id : order.topics) {
    const TopicImage* found = image.find(topic_id);
    bool ours = found != nullptr && !found->is_mirror() && !found->closed_by;
    if (!ours || found->promoted_at >= order.route_version) continue;
    TopicImage topic = *found;
    topic.closed_by = order.id;
    plan.put(topic);
    closes = true;
  }
  // What an earlier failover closed is closed by this one.
  for (const auto& [name, found] : image.topics) {
    bool stepped_down = record.phase == Phase::stepped_down && found->closed_by == record.id;
    if (!stepped_down) continue;
    TopicImage topic = *found;
    topic.closed_by = order.id;
    plan.put(topic);
    closes = true;
  }
  record.id = order.id;
  record.phase = closes ? Phase::stepped_down : Phase::done;
  record.failover = true;
  record.route_version = order.route_version;
  plan.put(record);
  add_newer_routes(plan, image, order.route_version, order.routes);
  return plan;
}

Result<void> check_not_promoted_since(const Image& image,
                                      const kafka::BecomeMirrorRequest& request) {
  for (const auto& wanted : request.topics) {
    const TopicImage* topic = image.find(wanted.topic_id);
    if (topic == nullptr || topic->promoted_at <= request.route_version) continue;
    return refuse(ErrorCode::invalid_request,
                  "a late request: " + topic->name + " has been promoted here since");
  }
  return {};
}

// The topics that the new source writes become its mirrors; it may have deleted others since.
void end_stepping_down(Plan& plan, const Image& image, SwitchoverImage record,
                       const kafka::BecomeMirrorRequest& request) {
  using Wanted = kafka::BecomeMirrorRequest::BecomeMirrorTopic;
  for (const auto& [name, found] : image.topics) {
    if (found->closed_by != record.id) continue;
    auto wanted = std::ranges::find(request.topics, found->id, &Wanted::topic_id);
    if (wanted != request.topics.end()) continue;
    TopicImage topic = *found;
    topic.closed_by.reset();
    plan.put(topic);
  }
  record.phase = Phase::done;
  plan.put(record);
}

Result<Plan> plan_become_mirror(const Image& image, const Ending& ending,
                                const kafka::BecomeMirrorRequest& request) {
  auto current = check_not_promoted_since(image, request);
  if (!current) return fail(current.error());
  Plan plan;
  for (const auto& [link, stepped_down] : image.switchovers) {
    if (stepped_down.phase == Phase::stepped_down)
      end_stepping_down(plan, image, stepped_down, request);
  }
  for (const auto& wanted : request.topics) {
    const TopicImage* found = image.find(wanted.topic_id);
    if (found == nullptr || found->link == ending.reverse_link) continue;
    if (found->is_mirror()) {
      return refuse(ErrorCode::policy_violation,
                    found->name + " is written by link " + found->link);
    }
    TopicImage topic = *found;
    hand_to_link(topic, ending);
    for (const auto& theirs : wanted.partitions) {
      if (theirs.index < 0 || theirs.index >= std::ssize(topic.partitions)) continue;
      PartitionImage& partition = topic.partitions[theirs.index];
      if (epoch_in_force(partition, image.starts) >= theirs.leader_epoch) continue;
      partition.leader_epoch = theirs.leader_epoch;
      partition.recorded_at_start = image.starts;
    }
    plan.put(topic);
  }
  hand_groups_to_link(plan, image, ending);
  retire_promotion(plan, image, ending.reverse_link);
  add_newer_routes(plan, image, ending.route_version, ending.routes);
  return plan;
}

void add_newer_routes(Plan& plan, const Image& image, int64_t route_version,
                      const std::map<std::string, std::string>& routes) {
  if (route_version <= image.routes.route_version) return;
  RoutesImage next;
  next.route_version = route_version;
  next.taken_over = routes;
  next.version = image.routes.version;
  plan.put(next);
}

}  // namespace isthmus::broker
