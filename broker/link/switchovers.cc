#include "broker/link/switchovers.h"

#include <algorithm>

#include "broker/controller/topic_plans.h"
#include "broker/group/coordinator.h"
#include "broker/link/peers.h"
#include "broker/link/source_reach.h"
#include "process/mirror_config.h"

namespace isthmus::broker {

using kafka::ErrorCode;
using Phase = SwitchoverImage::Phase;

namespace {

constexpr int group_attempts = 10;
constexpr auto group_pause = io::milliseconds(50);
constexpr auto patience_for_disks = std::chrono::seconds(2);  // below the mirror's for an answer

std::string refusal_text(const TopicPartition& name, const std::string& why) {
  return name.to_string() + ": " + why;
}

// It cannot be fenced, so it would be written behind the fence.
bool is_opening(const PartitionTable& partitions, const TopicImage& topic) {
  for (size_t i = 0; i < topic.partitions.size(); ++i) {
    if (partitions.find(topic.name, static_cast<PartitionIndex>(i)).is_opening()) return true;
  }
  return false;
}

template <typename Response>
Response refused(const Error& error) {
  Response response;
  kafka::refuse(response, error);
  return response;
}

SwitchoverImage switchover_of(const Image& image, const std::string& link) {
  auto known = image.switchovers.find(link);
  return known == image.switchovers.end() ? SwitchoverImage{} : known->second;
}

// The request was carried out already: its answer was lost, or not all groups had followed.
bool is_promoted(const Image& image, const kafka::PromoteRequest& request) {
  const SwitchoverImage record = switchover_of(image, request.link);
  return record.phase == Phase::promoted && record.id == request.switchover_id;
}

// The request is a repeated one whose answer was lost, and not that of another driver, who goes by
// what it knows itself.
bool is_written_down(const Image& image, const SwitchoverImage& record,
                     const kafka::HandOverRequest& request) {
  const auto is_closed = [&](const auto& entry) {
    return entry.second->writer.is_closed_by(record.id);
  };
  const auto is_named_and_closed = [&](const auto& wanted) {
    const TopicImage* topic = image.find(wanted.topic_id);
    return topic != nullptr && topic->writer.is_closed_by(record.id);
  };
  return target_of(request) == record.peer &&
         std::ranges::count_if(image.topics, is_closed) == std::ssize(request.topics) &&
         std::ranges::all_of(request.topics, is_named_and_closed);
}

// A site that has stepped down is not promoted over: what it has lies below what clients have seen.
bool is_closed_for_another(const Image& image, const kafka::PromoteRequest& request) {
  bool whole_link = request.failover && !request.topics;
  bool mirrors_any = std::ranges::any_of(
      image.topics, [&](const auto& entry) { return entry.second->writer.is_link(request.link); });
  bool closes_any = std::ranges::any_of(
      image.topics, [](const auto& entry) { return entry.second->writer.nobody() != nullptr; });
  return whole_link && !mirrors_any && closes_any;
}

kafka::PromoteResponse what_was_promoted(const SwitchoverImage& record) {
  kafka::PromoteResponse response;
  for (const auto& [name, partitions] : record.promoted) {
    auto& topic = response.topics.emplace_back();
    topic.name = name;
    for (const auto& p : partitions) {
      topic.partitions.push_back({.index = static_cast<PartitionIndex>(topic.partitions.size()),
                                  .leader_epoch = p.leader_epoch,
                                  .end_offset = p.end_offset,
                                  .next_offset = p.next_offset,
                                  .source_end_offset = p.source_end_offset,
                                  .open_transactions = p.open_transactions});
    }
  }
  return response;
}

// Where the hand-over ended the partition; nothing if it names another number of them.
std::optional<Offset> wanted_end(const kafka::PromoteRequest& request, size_t topic,
                                 PartitionIndex index, size_t count) {
  const auto& wanted = (*request.topics)[topic].partitions;
  if (!wanted || wanted->size() != count || (*wanted)[index].index != index) return std::nullopt;
  return (*wanted)[index].end_offset;
}

Error groups_unknown() {
  return kafka::error_of(ErrorCode::coordinator_load_in_progress,
                         "the groups are still being loaded; ask again");
}

Error invalid(std::string why) {
  return kafka::error_of(ErrorCode::invalid_request, std::move(why));
}

}  // namespace

Switchovers::Switchovers(io::Env& env, Controller& controller, PartitionTable& partitions,
                         Coordinator& groups)
    : env_(env),
      controller_(controller),
      partitions_(partitions),
      groups_(groups),
      topic_changes_(env.main_loop(), controller),
      handing_over_(env.main_loop()) {}

Switchovers::~Switchovers() {
  if (deadline_timer_ != 0) env_.main_loop().cancel(deadline_timer_);
}

// A driver repeats what was refused, ten times a second.
const Error& Switchovers::said_loudly(const Error& refusal) {
  if (refusal.text != said_) log_.error("{}", refusal.text);
  said_ = refusal.text;
  return refusal;
}

// Ends what is fenced here besides the partitions, whose gates open by the clock.
void Switchovers::lift_fence() {
  if (!fence_) return;
  log_.info("fence lifted id={}", fence_->id.to_string());
  groups_.unfence(fence_->id.to_string());
  topic_changes_.release();
  fence_.reset();
  if (deadline_timer_ != 0) env_.main_loop().cancel(deadline_timer_);
  deadline_timer_ = 0;
}

io::Task<void> Switchovers::lift_partitions(std::vector<std::string> topics, Uuid id) {
  for (const auto& topic : topics) {
    for (auto& partition : partitions_.all_of(topic)) co_await partition.lift(id);
  }
}

io::Task<kafka::FenceResponse> Switchovers::refuse_fence(kafka::FenceRequest request,
                                                         std::string why) {
  const bool is_ours = fence_ && fence_->id == request.switchover_id;
  if (is_ours && !handing_over_.is_locked()) {
    lift_fence();
    co_await lift_partitions(request.topics, request.switchover_id);
  }
  co_return refused<kafka::FenceResponse>(invalid(std::move(why)));
}

// The ends that a hand-over names: what the other site has been given, a crash must not take here.
io::Task<Result<void>> Switchovers::await_durable(const kafka::FenceResponse& fenced,
                                                  io::Instant deadline) {
  for (const auto& topic : fenced.topics) {
    for (const auto& p : topic.partitions) {
      auto partition = partitions_.find(topic.name, p.index);
      const TopicPartition tp{topic.name, p.index};
      if (!partition) co_return fail(refusal_text(tp, "offline"));
      auto safe = co_await partition.committed(p.end_offset, deadline);
      if (!safe) co_return fail(refusal_text(tp, safe.error().text));
    }
  }
  co_return Result<void>{};
}

std::optional<std::string> Switchovers::cannot_fence(const kafka::FenceRequest& request) {
  auto image = controller_.snapshot();
  // The record stands from the hand-over on: a fence that comes later is an old driver's, and its
  // end, whichever, would open the groups here while the other site goes on.
  if (switchover_of(*image, request.link).id == request.switchover_id) return "handed over already";
  if (fence_ && fence_->id != request.switchover_id) {
    return "switchover " + fence_->id.to_string() + " has fenced this site already";
  }
  // Nobody writes it here: an old driver's, again. It would hold up the link that brings the topic.
  for (const auto& name : request.topics) {
    const TopicImage* topic = image->find(name);
    if (topic != nullptr && !topic->writer.is_clients()) return name + " is not written here";
  }
  return std::nullopt;
}

io::Task<kafka::FenceResponse> Switchovers::fence(kafka::FenceRequest request) {
  kafka::FenceResponse response;
  if (handing_over_.is_locked()) {
    co_return refused<kafka::FenceResponse>(invalid("a hand-over is being written down"));
  }
  if (request.lift) {
    if (fence_ && fence_->id == request.switchover_id) {
      auto topics = fence_->topics;
      lift_fence();
      co_await lift_partitions(std::move(topics), request.switchover_id);
    }
    co_return response;
  }
  if (auto why = cannot_fence(request)) co_return refused<kafka::FenceResponse>(invalid(*why));
  auto span = io::milliseconds(std::clamp(request.deadline_ms, 1, 60'000));
  io::Loop& main = env_.main_loop();
  if (deadline_timer_ != 0) main.cancel(deadline_timer_);
  fence_ = Fence{request.switchover_id, main.now() + span, request.topics};
  deadline_timer_ = main.run_at(fence_->deadline, [this] {
    deadline_timer_ = 0;
    lift_fence();
  });
  const io::Instant deadline = fence_->deadline;
  topic_changes_.hold();
  co_await groups_.fence_all(request.switchover_id.to_string());
  co_await topic_changes_.settled();
  for (const auto& name : request.topics) {
    // Each step may have let the deadline or another message in.
    if (!fence_ || fence_->id != request.switchover_id || handing_over_.is_locked()) {
      co_return refused<kafka::FenceResponse>(invalid("overtaken by a later message"));
    }
    auto image = controller_.snapshot();
    const TopicImage* topic = image->find(name);
    auto& out = response.topics.emplace_back();
    out.name = name;
    if (topic != nullptr) out.topic_id = topic->id;
    if (topic != nullptr && is_opening(partitions_, *topic)) {
      co_return co_await refuse_fence(request, name + ": it is being opened");
    }
    for (auto& partition : partitions_.all_of(name)) {
      const TopicPartition& tp = partition.name();
      const Held held = co_await partition.fence(request.switchover_id, span);
      if (held.refusal) {
        co_return co_await refuse_fence(request, refusal_text(tp, held.refusal->reason));
      }
      out.partitions.push_back({tp.partition, held.view.end_offset});
    }
  }
  auto durable = co_await await_durable(response, deadline);
  if (!durable) co_return co_await refuse_fence(request, durable.error().text);
  auto image = controller_.snapshot();
  for (const auto& [name, topic] : image->topics) {
    bool named = std::ranges::find(request.topics, name) != request.topics.end();
    if (!named && !topic->is_mirror() && !is_internal(name)) response.others.push_back(name);
  }
  log_.info("fenced id={} topics={} for_ms={}", request.switchover_id.to_string(),
            request.topics.size(), request.deadline_ms);
  co_return response;
}

io::Task<Result<void>> Switchovers::check_ends(const kafka::HandOverRequest& request) {
  for (const auto& wanted : request.topics) {
    auto image = controller_.snapshot();
    const TopicImage* topic = image->find(wanted.topic_id);
    if (topic == nullptr || topic->partitions.size() != wanted.partitions.size()) {
      co_return fail(invalid("a topic was changed since the fence"));
    }
    const std::string& name = topic->name;
    for (const auto& p : wanted.partitions) {
      auto partition = partitions_.find(name, p.index);
      TopicPartition tp{name, p.index};
      if (!partition) co_return fail(invalid(refusal_text(tp, "offline")));
      const Held held = co_await partition.hold(request.switchover_id);
      if (held.refusal) co_return fail(invalid(refusal_text(tp, held.refusal->reason)));
      // Nothing is written behind what is drained, and all of it is durable here.
      if (held.view.end_offset != p.end_offset || held.view.high_watermark != p.end_offset) {
        co_return fail(invalid(refusal_text(tp, "drained to " + std::to_string(p.end_offset) +
                                                    ", but the log ends at " +
                                                    std::to_string(held.view.end_offset))));
      }
    }
  }
  co_return Result<void>{};
}

io::Task<kafka::HandOverResponse> Switchovers::hand_over(kafka::HandOverRequest request) {
  auto image = controller_.snapshot();
  const SwitchoverImage known = switchover_of(*image, request.link);
  if (known.id == request.switchover_id && known.phase == Phase::handed_over) {
    if (is_written_down(*image, known, request)) co_return kafka::HandOverResponse{};
    co_return refused<kafka::HandOverResponse>(
        invalid("handed over already, with other topics or to another cluster"));
  }
  // Neither the clock nor another message opens anything until the record is written or refused.
  auto handing_over = handing_over_.try_lock();
  if (!handing_over || !fence_ || fence_->id != request.switchover_id) {
    co_return refused<kafka::HandOverResponse>(
        invalid(handing_over ? "the fence has ended" : "another hand-over is being written down"));
  }
  if (deadline_timer_ != 0) env_.main_loop().cancel(deadline_timer_);
  deadline_timer_ = 0;
  std::vector<std::string> fenced_topics = fence_->topics;
  std::vector<Uuid> ids;
  for (const auto& topic : request.topics) ids.push_back(topic.topic_id);
  Result<void> done = fail(invalid("the hand-over leaves out topics that are fenced"));
  if (ids.size() == fenced_topics.size()) done = co_await check_ends(request);
  if (done) {
    const HandOver order{request.link, request.switchover_id, ids, target_of(request)};
    auto decide = [&](const Image& image) { return plan_hand_over(image, order); };
    done = co_await controller_.update(decide);
  }
  handing_over.reset();
  bool disk_failed = !done && done.error().kind != Error::Kind::kafka;
  if (disk_failed) co_return refused<kafka::HandOverResponse>(done.error());
  if (!done) {
    lift_fence();
    co_await lift_partitions(std::move(fenced_topics), request.switchover_id);
    co_return refused<kafka::HandOverResponse>(done.error());
  }
  // Groups stay refused: the record that ends the switchover says whose they are.
  fence_.reset();
  topic_changes_.release();
  log_.info("handed over id={} link={} topics={} to={}", request.switchover_id.to_string(),
            request.link, ids.size(), to_string(target_of(request)));
  co_return kafka::HandOverResponse{};
}

// The end of one partition, which nobody writes from now on, and where it goes on.
io::Task<Result<PromotedPartition>> Switchovers::look_at_end(const kafka::PromoteRequest& request,
                                                             PartitionRef partition,
                                                             std::optional<Offset> wanted,
                                                             io::Instant safe_by) {
  const TopicPartition& tp = partition.name();
  const Held held = co_await partition.fence(request.switchover_id, io::Duration::max());
  if (held.refusal) co_return fail(invalid(refusal_text(tp, held.refusal->reason)));
  const PartitionView& end = held.view;
  const io::Instant now = env_.main_loop().now();
  const bool leaves_gap = request.failover && !request.drained;
  if (!leaves_gap) {
    // The source cuts itself to what is here, or is left for good: what a crash could take, or a
    // disk has refused to keep, would be gone at both sites.
    auto safe = co_await partition.committed(end.end_offset, safe_by);
    if (!safe) co_return fail(invalid(refusal_text(tp, safe.error().text)));
  }
  if (!request.failover && wanted != end.end_offset) {
    co_return fail(invalid(refusal_text(tp, "the log ends at " + std::to_string(end.end_offset) +
                                                ", not where it was handed over")));
  }
  if (request.drained) {
    const auto why = why_not_drained(end.end_offset, end.source, now);
    if (why) co_return fail(invalid(refusal_text(tp, *why + ": it is not drained")));
  }
  co_return PromotedPartition{.leader_epoch = next_generation(end.leader_epoch),
                              .end_offset = end.end_offset,
                              .next_offset = leaves_gap
                                                 ? offset_after_gap(end.end_offset, end.source, now)
                                                 : end.end_offset,
                              .source_end_offset = end.source.end_offset,
                              .open_transactions = end.open_transactions};
}

io::Task<Result<void>> Switchovers::look_at_ends(const kafka::PromoteRequest& request,
                                                 const std::vector<Uuid>& topics,
                                                 Promotion& promotion) {
  const io::Instant safe_by = env_.main_loop().now() + patience_for_disks;
  for (size_t t = 0; t < topics.size(); ++t) {
    auto image = controller_.snapshot();
    const TopicImage* topic = image->find(topics[t]);
    if (topic == nullptr) co_return fail(invalid("a topic was deleted meanwhile"));
    const std::string& name = topic->name;
    size_t count = topic->partitions.size();
    std::vector<Offset>& next_offsets = promotion.topics[topics[t]];
    std::vector<PromotedPartition>& found = promotion.found[name];
    for (size_t i = 0; i < count; ++i) {
      auto index = static_cast<PartitionIndex>(i);
      auto partition = partitions_.find(name, index);
      TopicPartition tp{name, index};
      if (partition.is_opening()) co_return fail(invalid(refusal_text(tp, "being opened")));
      if (!partition && request.failover && !request.drained) {
        // One bad disk does not hold up a disaster's end. Where its log ends is not known.
        LeaderEpoch epoch = epoch_in_force(topic->partitions[i], image->starts);
        next_offsets.push_back(beyond_any_log);
        found.push_back({.leader_epoch = next_generation(epoch), .next_offset = beyond_any_log});
        continue;
      }
      if (!partition) co_return fail(invalid(refusal_text(tp, "offline")));
      const auto wanted = request.failover ? std::nullopt : wanted_end(request, t, index, count);
      auto end = co_await look_at_end(request, std::move(partition), wanted, safe_by);
      if (!end) co_return fail(end.error());
      next_offsets.push_back(end->next_offset > end->end_offset ? end->next_offset : -1);
      found.push_back(*end);
    }
  }
  co_return Result<void>{};
}

// Until the gaps are on the disk, and read over. No writer needs that: what is acknowledged stands
// behind them. Where it takes long, the record of the promotion has them made by the next start.
io::Task<void> Switchovers::await_gaps(PromotedTopics promoted) {
  const io::Instant deadline = env_.main_loop().now() + patience_for_disks;
  for (const auto& [name, partitions] : promoted) {
    for (size_t i = 0; i < partitions.size(); ++i) {
      auto partition = partitions_.find(name, static_cast<PartitionIndex>(i));
      if (!partition || partitions[i].next_offset <= partitions[i].end_offset) continue;
      const auto safe = co_await partition.committed(partitions[i].next_offset, deadline);
      if (!safe) log_.warn("{}-{}: its gap is not safe yet: {}", name, i, safe.error().text);
    }
  }
}

io::Task<std::vector<std::string>> Switchovers::promote_groups(const kafka::PromoteRequest& request,
                                                               int attempts) {
  std::vector<std::string> promoted;
  std::vector<std::string> wanted;
  auto image = controller_.snapshot();
  for (const auto& [group, owner] : image->groups) {
    bool named =
        !request.groups || std::ranges::find(*request.groups, group) != request.groups->end();
    if (owner.link == request.link && named) wanted.push_back(group);
  }
  if (!wanted.empty()) co_await groups_.loaded(env_.main_loop().now() + patience_for_groups);
  for (int i = 0; i < attempts && !wanted.empty(); ++i) {
    if (i > 0) co_await io::sleep(env_.main_loop(), group_pause);  // its partition is loading
    const auto codes = co_await groups_.promote(request.link, wanted, request.switchover_id);
    std::vector<std::string> left;
    for (size_t g = 0; g < wanted.size(); ++g) {
      const bool last = i + 1 == attempts;
      if (codes[g] == ErrorCode::none) {
        promoted.push_back(wanted[g]);
      } else {
        left.push_back(wanted[g]);
      }
      if (codes[g] == ErrorCode::none || !last) continue;
      log_.error(
          "group={} is still the link's ({}); end that with: isthmus link promote {} "
          "--group {}",
          wanted[g], kafka::error_name(codes[g]), request.link, wanted[g]);
    }
    wanted = std::move(left);
  }
  co_return promoted;
}

io::Task<kafka::ReadMembersResponse> Switchovers::read_members(kafka::ReadMembersRequest request) {
  kafka::ReadMembersResponse response;
  for (const std::string& group : request.groups) {
    auto& out = response.groups.emplace_back();
    out.group_id = group;
    auto members = groups_.members_of(group, request.switchover_id.to_string());
    if (members) {
      out.membership = encode_membership(*members);
    } else {
      out.error_code = kafka::error_code(members.error());
    }
  }
  co_return response;
}

std::string Switchovers::trouble(const std::string& link, const Uuid& id) const {
  const auto found = troubles_.find(link);
  return found == troubles_.end() || found->second.id != id ? "" : found->second.why;
}

// Of a switchover that this site has written down, so there are no more of them than links.
void Switchovers::note_trouble(const std::string& link, const Uuid& id, std::string why) {
  const bool is_known = switchover_of(*controller_.snapshot(), link).id == id;
  if (!is_known) return;
  troubles_.erase(link);
  if (!why.empty()) troubles_[link] = {id, std::move(why)};
}

// The source is closed by then: whoever wonders why nobody writes finds the reason here.
io::Task<kafka::PromoteResponse> Switchovers::promote(kafka::PromoteRequest request) {
  const bool is_planned = !request.failover;
  const std::string link = request.link;
  const Uuid id = request.switchover_id;
  auto response = co_await try_promote(std::move(request));
  if (!is_planned) co_return response;
  std::string why;
  if (response.error_code != ErrorCode::none) {
    why = response.error_message.value_or(std::string(kafka::error_name(response.error_code)));
    said_loudly(Error::message("link=" + link + " was handed over, and is not promoted: " + why));
  }
  note_trouble(link, id, std::move(why));
  co_return response;
}

io::Task<kafka::PromoteResponse> Switchovers::try_promote(kafka::PromoteRequest request) {
  auto image = controller_.snapshot();
  if (is_promoted(*image, request)) {
    // The record is there; the groups may not all have followed before a crash.
    auto response = what_was_promoted(image->switchovers.at(request.link));
    response.groups = co_await promote_groups(request, 1);
    co_return response;
  }
  if (is_closed_for_another(*image, request)) {
    co_return refused<kafka::PromoteResponse>(
        invalid("this site has stepped down for the other one, and mirrors nothing of it; if that "
                "one is gone for good: isthmus switchover take-back --force"));
  }
  if (!request.failover && !request.topics) {
    co_return refused<kafka::PromoteResponse>(invalid("a planned promotion names its topics"));
  }
  if (request.drained && !request.failover) {
    co_return refused<kafka::PromoteResponse>(invalid("a planned promotion is drained anyway"));
  }
  bool groups_only = request.failover && request.topics && request.topics->empty();
  if (groups_only) {
    // Not a promotion of the link: its record must not say so, or a hand-over that is under way
    // would be taken for promoted with no topic writable anywhere.
    kafka::PromoteResponse groups;
    groups.groups = co_await promote_groups(request, group_attempts);
    co_return groups;
  }
  std::vector<Uuid> topics;
  if (request.topics) {
    for (const auto& topic : *request.topics) topics.push_back(topic.topic_id);
  } else {
    for (const auto& [name, topic] : image->topics) {
      if (topic->writer.is_link(request.link)) topics.push_back(topic->id);
    }
  }
  auto ours = check_handed_here(*image, request);
  if (!ours) co_return refused<kafka::PromoteResponse>(ours.error());
  Promotion promotion;
  promotion.link = request.link;
  promotion.id = request.switchover_id;
  promotion.failover = request.failover;
  promotion.whole_link = request.failover && !request.topics;
  promotion.now_ms = env_.main_loop().wall_ms();
  promotion.route_from = request.route_from;
  promotion.routes = kafka::takeovers_in(request.routes, 0);
  auto done = co_await look_at_ends(request, topics, promotion);
  if (done) {
    auto decide = [&](const Image& now) { return plan_promote(now, promotion); };
    done = co_await controller_.update(decide);
  }
  // All that were asked for: the one that was refused is held too.
  std::vector<std::string> names;
  image = controller_.snapshot();
  for (const Uuid& id : topics) {
    if (const TopicImage* topic = image->find(id)) names.push_back(topic->name);
  }
  bool disk_failed = !done && done.error().kind != Error::Kind::kafka;
  if (!done && !disk_failed) co_await lift_partitions(names, request.switchover_id);
  if (!done) co_return refused<kafka::PromoteResponse>(done.error());
  co_await await_gaps(std::move(promotion.found));
  auto response = what_was_promoted(controller_.snapshot()->switchovers.at(request.link));
  response.groups = co_await promote_groups(request, group_attempts);
  log_.info("promoted id={} link={} topics={} groups={} failover={}",
            request.switchover_id.to_string(), request.link, topics.size(), response.groups.size(),
            request.failover);
  co_return response;
}

io::Task<kafka::SwitchoverWishResponse> Switchovers::wish(kafka::SwitchoverWishRequest request) {
  auto decide = [&](const Image& image) {
    return request.abandon ? plan_abandon(image, request.link, request.switchover_id)
                           : plan_wish(image, request.link, request.switchover_id);
  };
  auto done = co_await controller_.update(decide);
  kafka::SwitchoverWishResponse response;
  if (!done) response = refused<kafka::SwitchoverWishResponse>(done.error());
  if (done && request.abandon && !request.reason.empty()) {
    note_trouble(request.link, request.switchover_id, std::move(request.reason));
  }
  const SwitchoverImage known = switchover_of(*controller_.snapshot(), request.link);
  response.switchover_id = known.id;
  response.phase = known.phase;
  co_return response;
}

io::Task<kafka::FinishSwitchoverResponse> Switchovers::finish(
    kafka::FinishSwitchoverRequest request) {
  if (!request.promoted) {
    const ClusterIdentity target = target_of(request);
    auto response = co_await take_back(std::move(request), target);
    co_return response;
  }
  Ending ending;
  ending.link = request.link;
  ending.id = request.switchover_id;
  ending.target = target_of(request);
  ending.reverse_link = request.reverse_link;
  ending.new_origin = request.new_origin;
  ending.route_version = request.route_version;
  ending.routes = kafka::takeovers_in(request.routes, request.route_version);
  const bool known = co_await groups_.loaded(env_.main_loop().now() + patience_for_groups);
  if (!known) co_return refused<kafka::FinishSwitchoverResponse>(groups_unknown());
  ending.groups = groups_.names();
  auto decide = [&](const Image& image) { return plan_done(image, ending); };
  const SwitchoverImage before = switchover_of(*controller_.snapshot(), request.link);
  auto done = co_await controller_.update(decide);
  if (!done) co_return refused<kafka::FinishSwitchoverResponse>(said_loudly(done.error()));
  const bool is_repeated = before.phase != Phase::handed_over || before.id != request.switchover_id;
  groups_.follow_register();
  groups_.unfence(request.switchover_id.to_string(), true);
  if (!is_repeated) topic_changes_.release(true);
  log_.info("finished id={} link={} promoted=true", request.switchover_id.to_string(),
            request.link);
  co_return kafka::FinishSwitchoverResponse{};
}

io::Task<kafka::StepDownResponse> Switchovers::step_down(kafka::StepDownRequest request) {
  if (handing_over_.is_locked()) {
    co_return refused<kafka::StepDownResponse>(invalid("a hand-over is being written down"));
  }
  StepDown order;
  order.link = request.link;
  order.id = request.switchover_id;
  order.target = target_of(request);
  if (auto names = process::parse_link_name(request.link)) order.target_name = names->target;
  order.topics = request.topics;
  order.route_version = request.route_version;
  order.routes = kafka::takeovers_in(request.routes, request.route_version);
  auto decide = [&](const Image& image) { return plan_step_down(image, order); };
  SwitchoverImage before = switchover_of(*controller_.snapshot(), request.link);
  auto done = co_await controller_.update(decide);
  if (!done) co_return refused<kafka::StepDownResponse>(said_loudly(done.error()));
  kafka::StepDownResponse response;
  for (const auto& [name, topic] : controller_.snapshot()->topics) {
    if (topic->writer.is_closed_by(request.switchover_id)) ++response.closed;
  }
  // Nothing was left to close, or nothing was to be closed.
  if (response.closed == 0) co_return response;
  topic_changes_.release(true);
  co_await groups_.fence_all(request.switchover_id.to_string(), GroupFences::Clients::are_refused);
  bool another = before.phase == Phase::stepped_down && before.id != request.switchover_id;
  if (another) groups_.unfence(before.id.to_string());
  log_.warn("stepped down: link={} was promoted without us; next: isthmus link reverse",
            request.link);
  co_return response;
}

}  // namespace isthmus::broker
