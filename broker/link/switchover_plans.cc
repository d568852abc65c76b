#include "broker/link/switchover_plans.h"

#include <algorithm>

#include "broker/link/link_plans.h"
#include "broker/link/peers.h"
#include "kafka/errors.h"
#include "kafka/topic_names.h"

namespace isthmus::broker {

using kafka::ErrorCode;
using Phase = SwitchoverImage::Phase;

namespace {

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

void forget_hand_over(SwitchoverImage& record) {
  record.handed.clear();
  record.fences.clear();
}

// Above all that is known here, and later than what other sites decided before, as far as their
// clocks agree.
int64_t next_version(const Image& image, const SwitchoverImage& record, int64_t now_ms) {
  return std::max({image.routes.takeovers.version() + 1, record.route_version + 1, now_ms});
}

// The operator opens this cluster although another may have been promoted: whatever leads from here
// to that one leads here again, and what this one is in charge of stays, also above the one version
// that the other may have added and nobody here has seen.
RoutesImage taken_home(const Image& image, int64_t version) {
  RoutesImage routes = image.routes;
  const std::string& self = image.cluster_name;
  const std::string& gone = image.routes.takeovers.in_charge_of(self);
  for (const auto& [from, entry] : image.routes.takeovers.entries()) {
    const bool led_away = entry.to == gone && from != gone;
    if (led_away || entry.to == self) routes.takeovers.put(from, self, version);
  }
  routes.takeovers.put(self, self, version);
  return routes;
}

void hand_to_link(TopicImage& topic, const Ending& ending) {
  topic.writer = TopicWriter::Link{ending.reverse_link, ending.new_origin, true};
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

// `parted`: they were not handed over to the other end, which has been going on without them.
void hand_groups_to_link(Plan& plan, const Image& image, const Ending& ending, bool parted) {
  for (const auto& group : ending.groups) {
    auto owner = image.groups.find(group);
    GroupImage next = owner == image.groups.end() ? GroupImage{} : owner->second;
    next.link = ending.reverse_link;
    next.parted = next.parted || parted;
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
  record.peer = other_end(image, link);
  record.failover = false;
  record.promoted.clear();
  plan.put(record);
  return plan;
}

namespace {

using LeaderEpochs = std::map<std::pair<Uuid, PartitionIndex>, LeaderEpoch>;

// A restart of the same broker is an election, too.
Result<void> check_epochs(const Image& image, const LeaderEpochs& epochs) {
  for (const auto& [key, epoch] : epochs) {
    const TopicImage* topic = image.find(key.first);
    const bool is_there = topic != nullptr && key.second < std::ssize(topic->partitions);
    if (is_there && epoch_in_force(topic->partitions[key.second], image) == epoch) continue;
    return refuse(ErrorCode::not_leader_or_follower,
                  (topic == nullptr ? key.first.to_string()
                                    : TopicPartition{topic->name, key.second}.to_string()) +
                      ": its leader was replaced meanwhile");
  }
  return {};
}

Result<void> check_held(const Image& image, const HandOver& order) {
  LeaderEpochs epochs;
  for (const auto& [id, partitions] : order.held) {
    const TopicImage* topic = image.find(id);
    if (topic == nullptr || topic->partitions.size() != partitions.size()) {
      return refuse(ErrorCode::invalid_request, "a topic was changed since the fence");
    }
    for (size_t i = 0; i < partitions.size(); ++i) {
      epochs[{id, static_cast<PartitionIndex>(i)}] = partitions[i].leader_epoch;
    }
  }
  return check_epochs(image, epochs);
}

// A broker that has come since has fenced nothing: neither groups nor changes of topics.
Result<void> check_whole_site(const Image& image, const HandOver& order) {
  size_t serving = 0;
  for (const auto& [node, broker] : image.brokers) {
    if (broker.fenced) continue;
    ++serving;
    if (order.fences.empty() || order.fences.contains(node)) continue;
    return refuse(ErrorCode::invalid_request,
                  "broker " + std::to_string(node) + " has come since the fence");
  }
  if (order.fences.empty() && serving > 1) {
    return refuse(ErrorCode::invalid_request,
                  "the mirror process is too old for a source of several brokers: upgrade it");
  }
  if (order.fences.empty()) return {};
  const TopicImage* groups = image.find(kafka::offsets_topic);
  const size_t count = groups == nullptr ? 0 : groups->partitions.size();
  LeaderEpochs epochs;
  for (const auto& [index, epoch] : order.coordinated) {
    if (groups != nullptr) epochs[{groups->id, index}] = epoch;
  }
  if (epochs.size() != count) {
    return refuse(ErrorCode::invalid_request,
                  "the groups' coordinators are others than at the fence");
  }
  return check_epochs(image, epochs);
}

}  // namespace

namespace {

Result<void> check_none_is_new(const Image& image, const HandOver& order) {
  if (order.fences.empty()) return {};  // an older driver's
  for (const auto& [name, topic] : image.topics) {
    const bool is_ours = topic->writer.is_clients() && !kafka::is_internal(name);
    const bool is_known = std::ranges::find(order.topics, topic->id) != order.topics.end() ||
                          order.others.contains(name);
    if (!is_ours || is_known) continue;
    return refuse(ErrorCode::invalid_request, "topic " + name + " was made since the fence");
  }
  return {};
}

}  // namespace

Result<Plan> plan_hand_over(const Image& image, const HandOver& order) {
  SwitchoverImage record = record_of(image, order.link);
  Plan plan;
  const bool is_written = record.id == order.id && record.phase == Phase::handed_over;
  // Under other fences it is another driver's, with another round of groups.
  if (is_written && record.fences == order.fences && record.peer == order.target) return plan;
  if (record.phase == Phase::handed_over) {
    return refuse(ErrorCode::invalid_request,
                  "switchover " + record.id.to_string() + " has been handed over already");
  }
  auto heir = check_heir(image, order.link, order.target);
  if (!heir) return fail(heir.error());
  auto held = check_held(image, order);
  if (held) held = check_whole_site(image, order);
  if (held) held = check_none_is_new(image, order);
  if (!held) return fail(held.error());
  for (const Uuid& topic_id : order.topics) {
    const TopicImage* found = image.find(topic_id);
    if (found == nullptr || !found->writer.is_clients()) {
      return refuse(ErrorCode::unknown_topic_id,
                    "no writable topic has the id " + topic_id.to_string());
    }
    TopicImage topic = *found;
    topic.writer = TopicWriter::Nobody{order.id};
    plan.change(*found, topic);
  }
  record.id = order.id;
  record.phase = Phase::handed_over;
  record.peer = order.target;
  record.fences = order.fences;
  record.handed.clear();
  for (const auto& [id, partitions] : order.held) {
    for (const auto& p : partitions) record.handed[id].push_back(p.end_offset);
  }
  plan.put(record);
  return plan;
}

namespace {

// The operator says that this site goes on: also with what it writes already, should another have
// been promoted for it meanwhile and unheard.
void keep_own_topics(Plan& plan, const Image& image, const Promotion& promotion, int64_t version) {
  for (const auto& [name, found] : image.topics) {
    if (!found->writer.is_clients() || promotion.topics.contains(found->id)) continue;
    TopicImage topic = *found;
    topic.promoted_at = version;
    plan.change(*found, topic);
  }
}

}  // namespace

Result<Plan> plan_promote(const Image& image, const Promotion& promotion) {
  SwitchoverImage record = record_of(image, promotion.link);
  Plan plan;
  if (record.id == promotion.id && record.phase == Phase::promoted) return plan;
  if (is_abandoned(record, promotion.id)) {
    return refuse(ErrorCode::invalid_request,
                  "switchover " + promotion.id.to_string() + " was given up, and stays so");
  }
  auto current = check_epochs(image, promotion.epochs);
  if (current && promotion.link_epoch != 0) {
    current = check_link_epoch(image, promotion.link, promotion.link_epoch);
  }
  if (!current) return fail(current.error());
  const int64_t version =
      std::max(next_version(image, record, promotion.now_ms), promotion.routes.version() + 1);
  for (const auto& [topic_id, next_offsets] : promotion.topics) {
    const TopicImage* found = image.find(topic_id);
    if (found == nullptr || !found->writer.is_link(promotion.link)) {
      return refuse(ErrorCode::unknown_topic_id, "no mirror topic of link " + promotion.link +
                                                     " has the id " + topic_id.to_string());
    }
    TopicImage topic = *found;
    topic.writer = TopicWriter::Clients{};
    topic.promoted_at = version;
    for (size_t i = 0; i < topic.partitions.size(); ++i) {
      PartitionImage& partition = topic.partitions[i];
      partition.promoted_to = i < next_offsets.size() ? next_offsets[i] : -1;
      put_epoch(partition, next_generation(epoch_in_force(partition, image)), image);
      partition.mirror_state = MirrorState::stopped;
      partition.mirror_reason.clear();
    }
    plan.change(*found, topic);
  }
  // An id that was under way, or promoted before, is not promoted any more: this decision took its
  // place.
  bool another = record.id != promotion.id;
  if (another && (record.phase == Phase::wished || record.phase == Phase::promoted)) {
    abandon(record, record.id);
  }
  record.id = promotion.id;
  record.phase = Phase::promoted;
  record.peer = other_end(image, promotion.link);
  record.failover = promotion.failover;
  record.route_version = version;
  // The routes alone may have been left, after a promotion without them.
  if (!promotion.topics.empty()) record.promoted = promotion.found;
  plan.put(record);
  if (promotion.whole_link) keep_own_topics(plan, image, promotion, version);
  // Without routes to take over, a site may not know the newest, and must not put itself above
  // them.
  RoutesImage routes = image.routes;
  const bool heard = routes.takeovers.merge(promotion.routes);
  if (!promotion.route_from.empty()) {
    routes.takeovers.take_over(promotion.route_from, image.cluster_name, version);
  }
  if (heard || !promotion.route_from.empty()) plan.put(routes);
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
  auto counts = check_speaker(image, record, ending.target);
  if (!counts) return fail(counts.error());
  // Whatever promoted it, a switchover or a failover, came after all that this site had heard of.
  if (record.route_version > 0 && ending.route_version <= record.route_version) {
    return refuse(ErrorCode::invalid_request,
                  "the promotion that is told of is an earlier one: the broker of " +
                      to_string(ending.target) + " that tells has yet to hear of what came since");
  }
  for (const auto& [name, found] : image.topics) {
    if (!found->writer.is_closed_by(ending.id)) continue;
    TopicImage topic = *found;
    hand_to_link(topic, ending);
    plan.change(*found, topic);
  }
  hand_groups_to_link(plan, image, ending, false);
  record.phase = Phase::done;
  forget_hand_over(record);
  record.route_version = std::max(record.route_version, ending.route_version);
  plan.put(record);
  retire_promotion(plan, image, ending.reverse_link);
  merge_routes(plan, image, ending.routes);
  return plan;
}

namespace {

// Clients have seen the next generation at the site that is gone, and offsets.
void open_above_the_lost_site(TopicImage& topic, const Image& image, const TakeBack& order) {
  const auto next_offsets = order.topics.find(topic.id);
  for (size_t i = 0; i < topic.partitions.size(); ++i) {
    PartitionImage& partition = topic.partitions[i];
    const LeaderEpoch now = epoch_in_force(partition, image);
    put_epoch(partition, next_generation(next_generation(now)), image);
    if (next_offsets == order.topics.end() || i >= next_offsets->second.size()) continue;
    partition.promoted_to = next_offsets->second[i];
  }
}

// Whether this link has topics closed here.
bool is_closed(const SwitchoverImage& record) {
  return record.phase == Phase::handed_over || record.phase == Phase::stepped_down;
}

}  // namespace

std::vector<Uuid> topics_taken_back(const Image& image, const TakeBack& order) {
  const SwitchoverImage record = record_of(image, order.link);
  std::vector<Uuid> topics;
  if (record.id == order.id && record.phase == Phase::taken_back) return topics;
  for (const auto& [name, topic] : image.topics) {
    const bool concerned = is_closed(record)
                               ? topic->writer.is_closed_by(order.id)
                               : topic->writer.is_clients() && !kafka::is_internal(name);
    if (concerned) topics.push_back(topic->id);
  }
  return topics;
}

Result<Plan> plan_take_back(const Image& image, const TakeBack& order) {
  SwitchoverImage record = record_of(image, order.link);
  Plan plan;
  if (record.id == order.id && record.phase == Phase::taken_back) return plan;
  const bool never_heard = order.forced && !is_closed(record) && !order.topics.empty();
  const bool closed = record.id == order.id &&
                      (record.phase == Phase::handed_over || (order.forced && is_closed(record)));
  if (order.forced && !is_closed(record) && order.topics.empty()) {
    return refuse(ErrorCode::invalid_request,
                  "clients write nothing here: what mirrors the lost site goes on with: isthmus "
                  "failover");
  }
  if (!never_heard && !closed) {
    return refuse(ErrorCode::invalid_request,
                  "switchover " + order.id.to_string() + " was not handed over here");
  }
  auto counts = check_speaker(image, record, order.target);
  if (!order.forced && !counts) return fail(counts.error());
  auto current = check_epochs(image, order.epochs);
  if (!current) return fail(current.error());
  const int64_t version = next_version(image, record, order.now_ms) + 1;
  for (const Uuid& topic_id : topics_taken_back(image, order)) {
    const TopicImage& found = *image.find(topic_id);
    TopicImage topic = found;
    topic.writer = TopicWriter::Clients{};
    if (order.forced) {
      topic.promoted_at = version;
      open_above_the_lost_site(topic, image, order);
    }
    plan.change(found, topic);
  }
  record.id = order.id;
  record.phase = Phase::taken_back;
  forget_hand_over(record);
  plan.put(record);
  if (order.forced) plan.put(taken_home(image, version));
  return plan;
}

namespace {

bool takes_over(const Image& image, const StepDown& order) {
  const std::string& in_charge = order.routes.in_charge_of(image.cluster_name);
  return in_charge != image.cluster_name && in_charge == order.target_name;
}

}  // namespace

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
  auto counts = check_no_stranger(image, order.link, order.target);
  if (!counts) return fail(counts.error());
  bool closes = false;
  if (record.phase != Phase::stepped_down) record.groups_given = false;
  for (const Uuid& topic_id : takes_over(image, order) ? order.topics : std::vector<Uuid>{}) {
    const TopicImage* found = image.find(topic_id);
    bool ours = found != nullptr && found->writer.is_clients();
    if (!ours || found->promoted_at >= order.route_version) continue;
    TopicImage topic = *found;
    topic.writer = TopicWriter::Nobody{order.id, true};
    plan.change(*found, topic);
    closes = true;
    record.groups_given = false;
  }
  // What an earlier failover closed is closed by this one.
  for (const auto& [name, found] : image.topics) {
    bool stepped_down =
        record.phase == Phase::stepped_down && found->writer.is_closed_by(record.id);
    if (!stepped_down) continue;
    TopicImage topic = *found;
    topic.writer = TopicWriter::Nobody{order.id, true};
    plan.change(*found, topic);
    closes = true;
  }
  record.id = order.id;
  record.phase = closes ? Phase::stepped_down : Phase::done;
  record.failover = true;
  if (order.target.known()) record.peer = order.target;
  record.route_version = order.route_version;
  plan.put(record);
  merge_routes(plan, image, order.routes);
  return plan;
}

Result<void> check_not_promoted_since(const Image& image,
                                      const kafka::BecomeMirrorRequest& request) {
  for (const auto& wanted : request.topics) {
    const TopicImage* topic = image.find(wanted.topic_id);
    // What an older command does not say of each topic it says of all.
    const int64_t there = wanted.promoted_at >= 0 ? wanted.promoted_at : request.route_version;
    if (topic == nullptr || topic->promoted_at <= there) continue;
    return refuse(ErrorCode::invalid_request,
                  "a late request: " + topic->name + " has been promoted here since");
  }
  return {};
}

namespace {

bool contains(const std::vector<Uuid>& ids, const Uuid& id) {
  return std::ranges::find(ids, id) != ids.end();
}

// The topics that the new source writes become its mirrors. Others it has deleted since, and nobody
// else would open them; or it has them from a third site, which may be writing them.
void end_stepping_down(Plan& plan, const Image& image, SwitchoverImage record,
                       const kafka::BecomeMirrorRequest& request) {
  using Wanted = kafka::BecomeMirrorRequest::BecomeMirrorTopic;
  bool some_stay = false;
  for (const auto& [name, found] : image.topics) {
    if (!found->writer.is_closed_by(record.id)) continue;
    auto wanted = std::ranges::find(request.topics, found->id, &Wanted::topic_id);
    if (wanted != request.topics.end()) continue;
    if (contains(request.others, found->id)) {
      some_stay = true;
      continue;
    }
    TopicImage topic = *found;
    topic.writer = TopicWriter::Clients{};
    plan.change(*found, topic);
  }
  // The link brings the groups from now on, also those that are new: what holds them here would
  // keep it out.
  record.groups_given = some_stay;
  if (!some_stay) record.phase = Phase::done;
  plan.put(record);
}

}  // namespace

Result<Plan> plan_become_mirror(const Image& image, const Ending& ending,
                                const kafka::BecomeMirrorRequest& request) {
  auto current = check_not_promoted_since(image, request);
  if (!current) return fail(current.error());
  Plan plan;
  SwitchoverImage left = record_of(image, request.left_link);
  if (left.phase == Phase::stepped_down) end_stepping_down(plan, image, left, request);
  for (const auto& wanted : request.topics) {
    const TopicImage* found = image.find(wanted.topic_id);
    if (found == nullptr || found->writer.is_link(ending.reverse_link)) continue;
    if (found->is_mirror()) {
      return refuse(ErrorCode::policy_violation,
                    found->name + " is written by " + to_string(found->writer));
    }
    TopicImage topic = *found;
    hand_to_link(topic, ending);
    for (const auto& theirs : wanted.partitions) {
      if (theirs.index < 0 || theirs.index >= std::ssize(topic.partitions)) continue;
      PartitionImage& partition = topic.partitions[theirs.index];
      if (epoch_in_force(partition, image) >= theirs.leader_epoch) continue;
      put_epoch(partition, theirs.leader_epoch, image);
    }
    plan.change(*found, topic);
  }
  hand_groups_to_link(plan, image, ending, true);
  retire_promotion(plan, image, ending.reverse_link);
  merge_routes(plan, image, ending.routes);
  return plan;
}

void merge_routes(Plan& plan, const Image& image, const kafka::Takeovers& routes) {
  RoutesImage next = image.routes;
  if (next.takeovers.merge(routes)) plan.put(next);
}

}  // namespace isthmus::broker
