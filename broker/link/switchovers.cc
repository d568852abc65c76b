#include "broker/link/switchovers.h"

#include <algorithm>

#include "broker/controller/topic_plans.h"
#include "broker/coordinator/key_partition.h"
#include "broker/group/coordinator.h"
#include "broker/link/peers.h"
#include "broker/link/refusals.h"
#include "broker/link/source_reach.h"
#include "kafka/topic_names.h"
#include "process/mirror_config.h"

namespace isthmus::broker {

using kafka::ErrorCode;
using Phase = SwitchoverImage::Phase;

namespace {

constexpr int group_attempts = 10;
constexpr auto group_pause = io::milliseconds(50);
constexpr auto look_for_stale_every = std::chrono::seconds(1);

SwitchoverImage switchover_of(const Image& image, const std::string& link) {
  auto known = image.switchovers.find(link);
  return known == image.switchovers.end() ? SwitchoverImage{} : known->second;
}

// The request was carried out already: its answer was lost, or not all groups had followed.
bool is_promoted(const Image& image, const kafka::PromoteRequest& request) {
  const SwitchoverImage record = switchover_of(image, request.link);
  return record.phase == Phase::promoted && record.id == request.switchover_id;
}

std::map<NodeId, int64_t> fences_in(const kafka::HandOverRequest& request) {
  std::map<NodeId, int64_t> fences;
  for (const auto& broker : request.brokers) fences[broker.node_id] = broker.number;
  return fences;
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
  // Under another fence the groups were read at another time.
  return target_of(request) == record.peer && fences_in(request) == record.fences &&
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

// Where the hand-over ended the topic's partitions, in their order.
Result<std::vector<Offset>> wanted_ends(const kafka::PromoteRequest::PromoteTopic& wanted,
                                        const TopicImage& topic) {
  std::vector<Offset> ends;
  const auto& named = wanted.partitions;
  const bool is_whole = named && named->size() == topic.partitions.size();
  for (size_t i = 0; is_whole && i < named->size(); ++i) {
    if ((*named)[i].index != static_cast<PartitionIndex>(i)) break;
    ends.push_back((*named)[i].end_offset);
  }
  if (ends.size() == topic.partitions.size()) return ends;
  return kafka::refuse(ErrorCode::invalid_request,
                       topic.name + ": another number of partitions was handed over");
}

// Nothing was written down yet, whatever became of the question.
Error as_refusal(const Error& error) {
  return error.kind == Error::Kind::kafka ? error : invalid(error.text);
}

}  // namespace

Switchovers::Switchovers(io::Env& env, Controller& controller, PartitionTable& partitions,
                         Coordinator& groups, Colleagues& colleagues)
    : env_(env),
      controller_(controller),
      partitions_(partitions),
      groups_(groups),
      topic_changes_(env.main_loop(), controller),
      holds_(env, controller, partitions, groups, topic_changes_),
      site_(env.main_loop(), controller, colleagues, holds_) {}

io::Task<void> Switchovers::keep_giving_up(io::Event& stop) {
  io::Loop& loop = env_.main_loop();
  while (!stop.closed()) {
    co_await stop.wait_until(loop.now() + look_for_stale_every);
    if (!stop.closed()) co_await holds_.give_up_stale();
  }
}

Uuid Switchovers::draw_attempt() {
  Uuid attempt;
  env_.random.fill(attempt.bytes);
  return attempt;
}

// A driver repeats what was refused, ten times a second.
const Error& Switchovers::said_loudly(const Error& refusal) {
  if (refusal.text != said_) log_.error("{}", refusal.text);
  said_ = refusal.text;
  return refusal;
}

Result<kafka::HoldPartitionsRequest> Switchovers::fence_order(
    const kafka::FenceRequest& request) const {
  const auto image = controller_.snapshot();
  if (switchover_of(*image, request.link).id == request.switchover_id) {
    return fail(invalid("handed over already"));
  }
  kafka::HoldPartitionsRequest order;
  order.verb = kafka::HoldVerb::fence;
  order.switchover_id = request.switchover_id;
  order.link = request.link;
  order.deadline_ms = request.deadline_ms;
  order.whole_site = true;
  for (const auto& name : request.topics) {
    const TopicImage* topic = image->find(name);
    if (topic == nullptr) return fail(invalid(name + " is not here any more"));
    // Nobody writes it here: an old driver's, again. It would hold up the link that brings it.
    if (!topic->writer.is_clients()) return fail(invalid(name + " is not written here"));
    order.topics.push_back(all_partitions_of(*topic));
  }
  return order;
}

kafka::FenceResponse Switchovers::fenced(const kafka::HoldPartitionsRequest& order,
                                         const SiteHolds::Answers& answers,
                                         const kafka::FenceRequest& request) const {
  kafka::FenceResponse response;
  const auto image = controller_.snapshot();
  const HeldTopics held = held_in(answers, order);
  for (size_t i = 0; i < order.topics.size(); ++i) {
    auto& topic = response.topics.emplace_back();
    topic.name = request.topics[i];
    topic.topic_id = order.topics[i].topic_id;
    for (const HeldPartition& p : held.at(topic.topic_id)) {
      topic.partitions.push_back({p.index, p.end_offset, p.leader_epoch, p.number});
    }
  }
  for (const auto& [node, answer] : answers) {
    auto& broker = response.brokers.emplace_back();
    broker.node_id = node;
    broker.number = answer.number;
    for (const auto& c : answer.coordinated)
      broker.coordinated.push_back({c.index, c.leader_epoch});
    broker.groups = answer.groups;
  }
  for (const auto& [name, topic] : image->topics) {
    const bool named = std::ranges::find(request.topics, name) != request.topics.end();
    if (!named && !topic->is_mirror() && !kafka::is_internal(name)) response.others.push_back(name);
  }
  return response;
}

io::Task<kafka::FenceResponse> Switchovers::fence(kafka::FenceRequest request) {
  if (request.lift) {
    auto lifted = co_await site_.lift(request.link, request.switchover_id, Uuid{});
    co_return lifted ? kafka::FenceResponse{} : refused<kafka::FenceResponse>(lifted.error());
  }
  auto order = fence_order(request);
  if (!order) co_return refused<kafka::FenceResponse>(order.error());
  auto answers = co_await site_.ask(*order, patience_for_leaders, false);
  if (answers) co_return fenced(*order, *answers, request);
  // Where it has been fenced it would hold up clients for nothing. What was fenced before, and is
  // being handed over, is not this one's to lift.
  co_await site_.lift(request.link, request.switchover_id, Uuid{});
  co_return refused<kafka::FenceResponse>(answers.error());
}

// What has been handed over, for a driver that has fenced nothing.
io::Task<kafka::HandOverResponse> Switchovers::handed_over(kafka::HandOverRequest request) {
  const auto image = controller_.snapshot();
  const SwitchoverImage known = switchover_of(*image, request.link);
  if (known.id != request.switchover_id || known.phase != Phase::handed_over) {
    co_return refused<kafka::HandOverResponse>(invalid("it is not handed over"));
  }
  kafka::HandOverResponse response;
  for (const auto& [id, ends] : known.handed) response.topics.push_back({id, ends});
  auto groups = co_await site_.groups(patience_for_leaders);
  if (!groups) co_return refused<kafka::HandOverResponse>(said_loudly(groups.error()));
  response.groups = std::move(groups->names);
  co_return response;
}

io::Task<Result<void>> Switchovers::write_hand_over(kafka::HandOverRequest request, Uuid attempt) {
  HandOver order{request.link, request.switchover_id, {}, target_of(request)};
  order.fences = fences_in(request);
  order.others.insert(request.others.begin(), request.others.end());
  for (const auto& broker : request.brokers) {
    for (const auto& c : broker.coordinated) order.coordinated[c.index] = c.leader_epoch;
  }
  std::map<std::pair<Uuid, PartitionIndex>, LeaderEpoch> named;
  kafka::HoldPartitionsRequest hold;
  hold.verb = kafka::HoldVerb::hold;
  hold.switchover_id = request.switchover_id;
  hold.link = request.link;
  hold.attempt = attempt;
  hold.whole_site = true;
  for (const auto& wanted : request.topics) {
    auto& topic = hold.topics.emplace_back();
    topic.topic_id = wanted.topic_id;
    for (const auto& p : wanted.partitions) {
      topic.partitions.push_back({p.index, p.number, p.end_offset});
      named[{wanted.topic_id, p.index}] = p.leader_epoch;
    }
    order.topics.push_back(wanted.topic_id);
  }
  auto answers = co_await site_.hold(hold, order.fences);
  if (!answers) co_return fail(as_refusal(answers.error()));
  const bool tells_fences = !order.fences.empty();
  for (const auto& [node, number] : order.fences) {
    if (answers->contains(node)) continue;
    co_return fail(invalid("broker " + std::to_string(node) + " has gone since the fence"));
  }
  for (const auto& [id, partitions] : held_in(*answers, hold)) {
    auto& held = order.held[id];
    for (const HeldPartition& p : partitions) {
      // The one that has fenced it, whoever leads it by now.
      const LeaderEpoch epoch = tells_fences ? named[{id, p.index}] : p.leader_epoch;
      held.push_back({p.end_offset, epoch});
    }
  }
  const auto decide = [&](const Image& image) { return plan_hand_over(image, order); };
  co_return co_await controller_.update(decide);
}

io::Task<kafka::HandOverResponse> Switchovers::hand_over(kafka::HandOverRequest request) {
  if (request.as_recorded) co_return co_await handed_over(std::move(request));
  auto image = controller_.snapshot();
  const SwitchoverImage known = switchover_of(*image, request.link);
  if (known.id == request.switchover_id && known.phase == Phase::handed_over) {
    if (is_written_down(*image, known, request)) co_return kafka::HandOverResponse{};
    co_return refused<kafka::HandOverResponse>(
        invalid("handed over already, under another fence, with other topics or to another "
                "cluster"));
  }
  const Uuid attempt = draw_attempt();
  auto done = co_await write_hand_over(request, attempt);
  if (done) {
    log_.info("handed over id={} link={} topics={} to={}", request.switchover_id.to_string(),
              request.link, request.topics.size(), to_string(target_of(request)));
    co_return kafka::HandOverResponse{};
  }
  // After a failed disk, or where nobody knows whether it was written, nothing opens by that.
  const bool is_refused = done.error().kind == Error::Kind::kafka;
  if (is_refused) co_await site_.lift(request.link, request.switchover_id, attempt);
  co_return refused<kafka::HandOverResponse>(done.error());
}

// Until the gaps are on the disk, and read over. No writer needs that: what is acknowledged stands
// behind them. Where it takes long, or others lead, the record of the promotion has them made by
// whoever leads.
io::Task<void> Switchovers::await_gaps(PromotedTopics promoted) {
  const io::Instant deadline = env_.main_loop().now() + patience_for_disks;
  const auto image = controller_.snapshot();
  for (const auto& [name, partitions] : promoted) {
    const TopicImage* topic = image->find(name);
    for (size_t i = 0; topic != nullptr && i < partitions.size(); ++i) {
      const bool is_led =
          i < topic->partitions.size() && topic->partitions[i].leader == controller_.self();
      if (!is_led) continue;
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
  const io::Instant deadline = env_.main_loop().now() + patience_for_groups;
  bool last = false;
  for (int i = 0; !last && !wanted.empty(); ++i) {
    if (i > 0) co_await io::sleep(env_.main_loop(), group_pause);  // its partition is loading
    const auto codes = co_await site_.promote_groups(request.link, request.switchover_id, wanted);
    std::vector<std::string> left;
    last = i + 1 >= attempts || env_.main_loop().now() >= deadline;
    for (size_t g = 0; g < wanted.size(); ++g) {
      if (codes[g] == ErrorCode::none) {
        promoted.push_back(wanted[g]);
      } else {
        left.push_back(wanted[g]);
      }
      if (codes[g] == ErrorCode::none || !last) continue;
      log_.error("group={} is still the link's ({}); it follows when its record can be written",
                 wanted[g], kafka::error_name(codes[g]));
    }
    wanted = std::move(left);
  }
  co_return promoted;
}

io::Task<kafka::ReadMembersResponse::ReadMembersGroup> Switchovers::read_group(std::string group,
                                                                               Uuid id) {
  kafka::ReadMembersResponse::ReadMembersGroup out;
  out.group_id = group;
  const int64_t number = holds_.number_of(id);
  auto moving = co_await groups_.moving(std::move(group), id.to_string());
  // It is under that fence, or handed over, from the first look to the last.
  if (moving && number != holds_.number_of(id)) {
    moving = fail(invalid("the fence has ended"));
  }
  if (!moving) {
    out.error_code = kafka::error_code(moving.error());
    co_return out;
  }
  out.membership = encode_membership(moving->members);
  out.index = moving->index;
  out.leader_epoch = moving->leader_epoch;
  out.number = number;
  for (const auto& topic : moving->offsets.topics) {
    for (const auto& p : topic.partitions) {
      if (p.committed_offset < 0) continue;
      out.offsets.push_back(
          {topic.name, p.partition_index, p.committed_offset, p.metadata.value_or("")});
    }
  }
  co_return out;
}

io::Task<kafka::ReadMembersResponse> Switchovers::read_members(kafka::ReadMembersRequest request) {
  kafka::ReadMembersResponse response;
  const auto image = controller_.snapshot();
  const TopicImage* topic = image->find(kafka::offsets_topic);
  std::map<NodeId, std::vector<std::string>> elsewhere;
  for (std::string& group : request.groups) {
    NodeId leader = -1;
    if (topic != nullptr) {
      const auto index = partition_of_key(group, static_cast<int32_t>(topic->partitions.size()));
      leader = topic->partitions[static_cast<size_t>(index)].leader;
    }
    if (leader < 0 || leader == controller_.self() || request.passed_on) {
      response.groups.push_back(co_await read_group(std::move(group), request.switchover_id));
    } else {
      elsewhere[leader].push_back(std::move(group));
    }
  }
  for (auto& [node, groups] : elsewhere) {
    kafka::ReadMembersRequest part;
    part.switchover_id = request.switchover_id;
    part.groups = groups;
    part.passed_on = true;
    auto answer = co_await site_.ask_members(node, std::move(part));
    for (auto& group : answer ? answer->groups : decltype(response.groups){}) {
      response.groups.push_back(std::move(group));
    }
    if (answer) continue;
    for (std::string& group : groups) {
      auto& out = response.groups.emplace_back();
      out.group_id = std::move(group);
      out.error_code = ErrorCode::coordinator_not_available;
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

// Where the logs end, as their leaders tell who hold that, and the record.
io::Task<Result<void>> Switchovers::write_promotion(kafka::PromoteRequest request,
                                                    std::vector<Uuid> topics,
                                                    Promotion& promotion) {
  kafka::HoldPartitionsRequest freeze;
  freeze.verb = kafka::HoldVerb::freeze;
  freeze.switchover_id = request.switchover_id;
  freeze.link = request.link;
  freeze.attempt = draw_attempt();
  freeze.leaves_gap = request.failover && !request.drained;
  freeze.drained = request.drained;
  const auto image = controller_.snapshot();
  for (size_t i = 0; i < topics.size(); ++i) {
    const TopicImage* topic = image->find(topics[i]);
    if (topic == nullptr) co_return fail(invalid("a topic was deleted meanwhile"));
    Result<std::vector<Offset>> ends;
    if (!request.failover) ends = wanted_ends((*request.topics)[i], *topic);
    if (!ends) co_return fail(ends.error());
    freeze.topics.push_back(all_partitions_of(*topic, *ends));
  }
  auto answers = co_await site_.ask(freeze, patience_for_leaders, freeze.leaves_gap);
  Result<void> done;
  if (!answers) done = fail(as_refusal(answers.error()));
  for (const auto& [id, partitions] : answers ? held_in(*answers, freeze) : HeldTopics{}) {
    const TopicImage* topic = image->find(id);
    auto& next_offsets = promotion.topics[id];
    auto& found = promotion.found[topic->name];
    for (const HeldPartition& p : partitions) {
      const TopicPartition tp{topic->name, p.index};
      if (p.offline && !freeze.leaves_gap) done = fail(invalid(tp.to_string() + ": offline"));
      // One bad disk does not hold up a disaster's end. Where its log ends is not known.
      const auto& recorded = topic->partitions[static_cast<size_t>(p.index)];
      const LeaderEpoch epoch = p.offline ? epoch_in_force(recorded, *image) : p.leader_epoch;
      const Offset next = p.offline ? beyond_any_log : p.next_offset;
      next_offsets.push_back(next > p.end_offset || p.offline ? next : -1);
      PromotedPartition end{.leader_epoch = next_generation(epoch), .next_offset = next};
      if (!p.offline) {
        end.end_offset = p.end_offset;
        end.source_end_offset = p.source_end_offset;
        end.open_transactions = p.open_transactions;
      }
      found.push_back(end);
      // Who was asked may lead no more: a planned one has all of it wherever it is led by then, but
      // for an election by an operator's word.
      if (!p.offline) promotion.epochs[{id, p.index}] = p.leader_epoch;
    }
  }
  if (done) {
    const auto decide = [&](const Image& now) { return plan_promote(now, promotion); };
    done = co_await controller_.update(decide);
  }
  const bool is_known = done || done.error().kind == Error::Kind::kafka;
  if (is_known) co_await site_.lift(request.link, request.switchover_id, freeze.attempt);
  co_return done;
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
  const bool mirrors_any = std::ranges::any_of(
      image->topics, [&](const auto& entry) { return entry.second->writer.is_link(request.link); });
  // It would be promoted with no topic, and the source could never be taken back.
  if (!request.failover && topics.empty() && mirrors_any) {
    co_return refused<kafka::PromoteResponse>(invalid("the promotion names no topic"));
  }
  auto ours = check_handed_here(*image, request);
  if (!ours) co_return refused<kafka::PromoteResponse>(ours.error());
  Promotion promotion;
  promotion.link = request.link;
  promotion.id = request.switchover_id;
  promotion.failover = request.failover;
  promotion.whole_link = request.failover && !request.topics;
  promotion.link_epoch = request.link_epoch;
  promotion.now_ms = env_.main_loop().wall_ms();
  promotion.route_from = request.route_from;
  promotion.routes = kafka::takeovers_in(request.routes, 0);
  auto done = co_await write_promotion(request, topics, promotion);
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
  // One that is left out would be anybody's here, beside the one that goes on at the target.
  auto groups = co_await site_.groups(patience_for_leaders);
  if (!groups) co_return refused<kafka::FinishSwitchoverResponse>(said_loudly(groups.error()));
  ending.groups = std::move(groups->names);
  auto decide = [&](const Image& image) -> Result<Plan> {
    auto still = check_coordinators(image, groups->coordinated);
    if (!still) return Result<Plan>(fail(still.error()));
    return plan_done(image, ending);
  };
  auto done = co_await controller_.update(decide);
  if (!done) co_return refused<kafka::FinishSwitchoverResponse>(said_loudly(done.error()));
  log_.info("finished id={} link={} promoted=true", request.switchover_id.to_string(),
            request.link);
  co_return kafka::FinishSwitchoverResponse{};
}

io::Task<kafka::StepDownResponse> Switchovers::step_down(kafka::StepDownRequest request) {
  StepDown order;
  order.link = request.link;
  order.id = request.switchover_id;
  order.target = target_of(request);
  if (auto names = process::parse_link_name(request.link)) order.target_name = names->target;
  order.topics = request.topics;
  order.route_version = request.route_version;
  order.routes = kafka::takeovers_in(request.routes, request.route_version);
  auto decide = [&](const Image& image) { return plan_step_down(image, order); };
  auto done = co_await controller_.update(decide);
  if (!done) co_return refused<kafka::StepDownResponse>(said_loudly(done.error()));
  kafka::StepDownResponse response;
  for (const auto& [name, topic] : controller_.snapshot()->topics) {
    if (topic->writer.is_closed_by(request.switchover_id)) ++response.closed;
  }
  // Nothing was left to close, or nothing was to be closed.
  if (response.closed == 0) co_return response;
  log_.warn("stepped down: link={} was promoted without us; next: isthmus link reverse",
            request.link);
  co_return response;
}

}  // namespace isthmus::broker
