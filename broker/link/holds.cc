#include "broker/link/holds.h"

#include <algorithm>

#include "broker/group/coordinator.h"
#include "broker/link/refusals.h"
#include "broker/link/site_plans.h"

namespace isthmus::broker {

using kafka::ErrorCode;
using kafka::HoldVerb;
using Phase = SwitchoverImage::Phase;

namespace {

bool have_same_owners(const Image& before, const Image& now) {
  return std::ranges::equal(before.groups, now.groups, [](const auto& a, const auto& b) {
    return a.first == b.first && a.second.link == b.second.link;
  });
}

bool is_recorded(const Image& image, const std::string& link, const Uuid& id) {
  const auto known = image.switchovers.find(link);
  return known != image.switchovers.end() && known->second.id == id;
}

}  // namespace

Holds::Holds(io::Env& env, Controller& controller, PartitionTable& partitions, Coordinator& groups,
             TopicChanges& topic_changes)
    : env_(env),
      loop_(env.main_loop()),
      controller_(controller),
      partitions_(partitions),
      groups_(groups),
      topic_changes_(topic_changes) {}

Holds::~Holds() {
  if (deadline_timer_ != 0) loop_.cancel(deadline_timer_);
}

int64_t Holds::number_of(const Uuid& id) const {
  return fence_ && fence_->id == id ? fence_->number : 0;
}

io::Task<Holds::Response> Holds::take(Request request) {
  switch (request.verb) {
    case HoldVerb::fence: co_return co_await fence(std::move(request));
    case HoldVerb::hold: co_return co_await hold(std::move(request));
    case HoldVerb::freeze: co_return co_await freeze(std::move(request));
    case HoldVerb::lift: co_return co_await lift(std::move(request));
  }
  co_return refused<Response>(invalid("not a verb"));
}

int64_t Holds::draw() {
  int64_t number = 0;
  while (number == 0) number = static_cast<int64_t>(env_.random.next() >> 1);
  return number;
}

// Ends what is fenced here besides the partitions, whose gates open by the clock.
void Holds::lift_fence() {
  if (!fence_) return;
  log_.info("fence lifted id={}", fence_->id.to_string());
  groups_.unfence(fence_->id.to_string());
  topic_changes_.release();
  fence_.reset();
  if (deadline_timer_ != 0) loop_.cancel(deadline_timer_);
  deadline_timer_ = 0;
}

io::Task<void> Holds::lift_partitions(Partitions partitions, Uuid id, Uuid attempt) {
  const auto image = controller_.snapshot();
  for (const auto& [topic_id, index] : partitions) {
    const TopicImage* topic = image->find(topic_id);
    if (topic == nullptr) continue;
    auto partition = partitions_.find(topic->name, index);
    if (partition) co_await partition.lift(id, attempt);
  }
}

Holds::Partitions Holds::named_in(const Request& request) {
  Partitions named;
  for (const auto& topic : request.topics) {
    for (const auto& partition : topic.partitions) named.emplace(topic.topic_id, partition.index);
  }
  return named;
}

Result<PartitionRef> Holds::led_here(const TopicImage& topic, PartitionIndex index) const {
  const TopicPartition tp{topic.name, index};
  if (index < 0 || index >= std::ssize(topic.partitions)) {
    return fail(invalid(tp, "the topic has no such partition"));
  }
  const NodeId leader = topic.partitions[static_cast<size_t>(index)].leader;
  if (leader != controller_.self()) {
    return kafka::refuse(ErrorCode::not_leader_or_follower,
                         tp.to_string() + ": led by broker " + std::to_string(leader));
  }
  auto partition = partitions_.find(topic.name, index);
  // It cannot be fenced yet, so it would be written behind the fence.
  if (partition.is_opening()) {
    return kafka::refuse(ErrorCode::not_leader_or_follower, tp.to_string() + ": being opened");
  }
  return partition;
}

// ---- the source ----

std::optional<std::string> Holds::cannot_fence(const Request& request) const {
  const auto image = controller_.snapshot();
  // The record stands from the hand-over on: a fence that comes later is an old driver's, and its
  // end, whichever, would open the groups here while the other site goes on.
  if (is_recorded(*image, request.link, request.switchover_id)) return "handed over already";
  if (!fence_) return std::nullopt;
  if (!fence_->attempt.is_zero()) return "a hand-over is being written down";
  if (fence_->id == request.switchover_id) return std::nullopt;
  return "switchover " + fence_->id.to_string() + " has fenced this site already";
}

io::Task<Holds::Response> Holds::fence(Request request) {
  if (auto why = cannot_fence(request)) co_return refused<Response>(invalid(*why));
  const Uuid id = request.switchover_id;
  const auto span = io::milliseconds(std::clamp(request.deadline_ms, 1, 60'000));
  if (!fence_) {
    fence_ = Fence{};
    fence_->id = id;
    fence_->link = request.link;
    fence_->number = draw();
  }
  fence_->deadline = loop_.now() + span;
  if (deadline_timer_ != 0) loop_.cancel(deadline_timer_);
  deadline_timer_ = loop_.run_at(fence_->deadline, [this] {
    deadline_timer_ = 0;
    lift_fence();
  });
  const int64_t number = fence_->number;
  topic_changes_.hold();
  co_await groups_.fence_all(id.to_string());
  co_await topic_changes_.settled();
  Response response;
  Result<void> done = {};
  const bool known = co_await groups_.loaded(
      std::min(loop_.now() + patience_for_groups, fence_ ? fence_->deadline : loop_.now()));
  if (!known) {
    done = kafka::refuse(ErrorCode::coordinator_load_in_progress,
                         "the groups are still being loaded; ask again");
  }
  if (done) done = co_await fence_partitions(request, response);
  // Another that began since has to wait for what was let in before it.
  const bool is_ours = fence_ && fence_->number == number && fence_->attempt.is_zero();
  if (done && !is_ours) done = fail(invalid("overtaken by a later message"));
  if (done) {
    response.number = fence_->number;
    add_groups(response);
    log_.info("fenced id={} partitions={} for_ms={}", id.to_string(), fence_->partitions.size(),
              request.deadline_ms);
    co_return response;
  }
  if (is_ours) {
    auto fenced = fence_->partitions;
    lift_fence();
    co_await lift_partitions(std::move(fenced), id, Uuid{});
  }
  co_return refused<Response>(done.error());
}

void Holds::add_groups(Response& response) const {
  for (const auto& [index, epoch] : groups_.served())
    response.coordinated.push_back({index, epoch});
  response.groups = groups_.names();
}

// The ends are those that a hand-over names: what the other site has been given, a crash must not
// take here.
io::Task<Result<void>> Holds::fence_partitions(const Request& request, Response& response) {
  const Uuid id = request.switchover_id;
  const auto span = io::milliseconds(std::clamp(request.deadline_ms, 1, 60'000));
  const int64_t number = draw();
  std::vector<std::pair<PartitionRef, Offset>> ends;
  for (const auto& wanted : request.topics) {
    auto& out = response.topics.emplace_back();
    out.topic_id = wanted.topic_id;
    for (const auto& asked : wanted.partitions) {
      // Each step may have let the deadline or another message in.
      if (number_of(id) == 0 || !fence_->attempt.is_zero()) {
        co_return fail(invalid("overtaken by a later message"));
      }
      const auto image = controller_.snapshot();
      const TopicImage* topic = image->find(wanted.topic_id);
      if (topic == nullptr) co_return fail(invalid("a topic was deleted meanwhile"));
      // Nobody writes it here: an old driver's, again. It would hold up the link that brings it.
      if (!topic->writer.is_clients())
        co_return fail(invalid(topic->name + " is not written here"));
      auto partition = led_here(*topic, asked.index);
      if (!partition) co_return fail(partition.error());
      const TopicPartition tp{topic->name, asked.index};
      if (!*partition) co_return fail(invalid(tp, "offline"));
      fence_->partitions.emplace(wanted.topic_id, asked.index);
      const Held held = co_await partition->fence(id, span, number);
      if (held.refusal) co_return fail(refusal_of(tp, *held.refusal));
      auto& answer = out.partitions.emplace_back();
      answer.index = asked.index;
      answer.leader_epoch = held.view.leader_epoch;
      answer.number = held.number;
      answer.end_offset = held.view.end_offset;
      ends.emplace_back(std::move(*partition), held.view.end_offset);
    }
  }
  for (const auto& [partition, end] : ends) {
    const io::Instant deadline = fence_ ? fence_->deadline : loop_.now();
    auto safe = co_await partition.committed(end, deadline);
    if (!safe) co_return fail(invalid(partition.name(), safe.error().text));
  }
  co_return Result<void>{};
}

io::Task<Result<void>> Holds::hold_partitions(const Request& request, Response& response) {
  for (const auto& wanted : request.topics) {
    auto& out = response.topics.emplace_back();
    out.topic_id = wanted.topic_id;
    for (const auto& asked : wanted.partitions) {
      const auto image = controller_.snapshot();
      const TopicImage* topic = image->find(wanted.topic_id);
      if (topic == nullptr) co_return fail(invalid("a topic was changed since the fence"));
      auto partition = led_here(*topic, asked.index);
      if (!partition) co_return fail(partition.error());
      const TopicPartition tp{topic->name, asked.index};
      if (!*partition) co_return fail(invalid(tp, "offline"));
      const Held held =
          co_await partition->hold(request.switchover_id, request.attempt, asked.number);
      if (held.refusal) co_return fail(refusal_of(tp, *held.refusal));
      // Nothing is written behind what is drained, and all of it is durable here.
      const Offset end = held.view.end_offset;
      if (end != asked.end_offset || held.view.high_watermark != asked.end_offset) {
        co_return fail(invalid(tp, "drained to " + std::to_string(asked.end_offset) +
                                       ", but the log ends at " + std::to_string(end)));
      }
      auto& answer = out.partitions.emplace_back();
      answer.index = asked.index;
      answer.leader_epoch = held.view.leader_epoch;
      answer.end_offset = end;
    }
  }
  co_return Result<void>{};
}

// Others have been elected since the fence for the rest, and are asked for it.
Holds::Partitions Holds::fenced_and_led() const {
  const auto image = controller_.snapshot();
  Partitions led;
  for (const auto& [id, index] : fence_->partitions) {
    const TopicImage* topic = image->find(id);
    const bool is_there = topic != nullptr && index < std::ssize(topic->partitions);
    if (!is_there) continue;
    const NodeId leader = topic->partitions[static_cast<size_t>(index)].leader;
    if (leader == controller_.self()) led.emplace(id, index);
  }
  return led;
}

io::Task<Holds::Response> Holds::hold(Request request) {
  const Uuid id = request.switchover_id;
  if (!fence_ || fence_->id != id) co_return refused<Response>(invalid("the fence has ended"));
  if (!fence_->attempt.is_zero()) {
    co_return refused<Response>(invalid("another hand-over is being written down"));
  }
  if (request.number != 0 && request.number != fence_->number) {
    co_return refused<Response>(invalid("the fence has ended, and begun again"));
  }
  const Partitions named = named_in(request);
  if (!std::ranges::includes(named, fenced_and_led())) {
    co_return refused<Response>(invalid("the hand-over leaves out topics that are fenced"));
  }
  // Neither the clock nor another message opens anything until the record is written or refused.
  fence_->attempt = request.attempt;
  fence_->held_since = loop_.now();
  if (deadline_timer_ != 0) loop_.cancel(deadline_timer_);
  deadline_timer_ = 0;
  Response response;
  response.number = fence_->number;
  auto done = co_await hold_partitions(request, response);
  const bool is_held = fence_ && fence_->id == id && fence_->attempt == request.attempt;
  if (!is_held) co_await lift_partitions(named, id, request.attempt);
  if (done && !is_held) done = fail(invalid("overtaken by a later message"));
  if (!done) co_return refused<Response>(done.error());
  co_return response;
}

io::Task<Holds::Response> Holds::lift(Request request) {
  const Uuid id = request.switchover_id;
  const bool is_held = fence_ && fence_->id == id && !fence_->attempt.is_zero();
  if (is_held && request.attempt.is_zero()) {
    co_return refused<Response>(invalid("a hand-over is being written down"));
  }
  if (fence_ && fence_->id == id && fence_->attempt == request.attempt) {
    auto fenced = fence_->partitions;
    lift_fence();
    co_await lift_partitions(std::move(fenced), id, request.attempt);
  }
  const auto frozen = frozen_.find(id);
  if (frozen != frozen_.end() && frozen->second.attempt == request.attempt) {
    auto partitions = std::move(frozen->second.partitions);
    frozen_.erase(frozen);
    co_await lift_partitions(std::move(partitions), id, request.attempt);
  }
  co_return Response{};
}

// ---- records ----

io::Task<void> Holds::follow(std::shared_ptr<const Image> before,
                             std::shared_ptr<const Image> now) {
  const auto held_before = groups_held(*before);
  const auto held_now = groups_held(*now);
  // First what is held from now on: nothing opens in between.
  for (const auto& [id, clients] : held_now) {
    if (!held_before.contains(id)) groups_.hold_all(id.to_string(), clients);
  }
  if (fence_ && is_recorded(*now, fence_->link, fence_->id)) {
    // The record holds instead, or has opened again what it held.
    const auto fenced = std::exchange(fence_, std::nullopt);
    if (deadline_timer_ != 0) loop_.cancel(deadline_timer_);
    deadline_timer_ = 0;
    topic_changes_.release();
    const bool is_held = held_now.contains(fenced->id);
    if (!is_held) {
      const bool moved = now->switchovers.at(fenced->link).phase == Phase::done;
      groups_.follow_register();
      groups_.unfence(fenced->id.to_string(), moved);
      if (moved) topic_changes_.release(true);
      co_await lift_partitions(fenced->partitions, fenced->id, fenced->attempt);
    }
  }
  for (const auto& [id, clients] : held_before) {
    if (held_now.contains(id)) continue;
    const bool moved = clients == CoordinatorFences::Clients::wait && !was_taken_back(*now, id);
    groups_.follow_register();
    groups_.unfence(id.to_string(), moved);
    topic_changes_.release(moved);
  }
  // Also by a record that holds nothing: a way back from a site that never stepped down.
  if (!have_same_owners(*before, *now)) groups_.follow_register();
  const bool steps_down = std::ranges::any_of(held_now, [&](const auto& entry) {
    return entry.second == CoordinatorFences::Clients::are_refused &&
           !held_before.contains(entry.first);
  });
  if (steps_down) topic_changes_.release(true);
}

io::Task<void> Holds::give_up_stale() {
  const auto is_stale = [&](io::Instant since) { return loop_.now() - since > patience; };
  if (fence_ && !fence_->attempt.is_zero() && is_stale(fence_->held_since)) {
    const Uuid id = fence_->id, attempt = fence_->attempt;
    const Reopening order{controller_.self(), fence_->link, id, fence_->partitions, true};
    const auto decide = [&order](const Image& image) { return plan_open_anew(image, order); };
    auto done = co_await controller_.update(decide);
    if (!done) log_.warn("what became of a hand-over is not known yet: {}", done.error().text);
    if (done && fence_ && fence_->id == id && fence_->attempt == attempt) {
      auto fenced = fence_->partitions;
      lift_fence();
      co_await lift_partitions(std::move(fenced), id, attempt);
    }
  }
  std::vector<std::pair<Uuid, Frozen>> stale;
  for (const auto& [id, frozen] : frozen_) {
    if (is_stale(frozen.since)) stale.emplace_back(id, frozen);
  }
  for (const auto& [id, frozen] : stale) {
    const Reopening order{controller_.self(), frozen.link, id, frozen.partitions, false};
    const auto decide = [&order](const Image& image) { return plan_open_anew(image, order); };
    auto done = co_await controller_.update(decide);
    const auto found = frozen_.find(id);
    if (!done || found == frozen_.end() || found->second.attempt != frozen.attempt) continue;
    frozen_.erase(found);
    co_await lift_partitions(frozen.partitions, id, frozen.attempt);
  }
}

io::Task<kafka::AskGroupsResponse> Holds::ask_groups(kafka::AskGroupsRequest request) {
  kafka::AskGroupsResponse response;
  const bool known = co_await groups_.loaded(loop_.now() + patience_for_groups);
  if (!known) {
    co_return refused<kafka::AskGroupsResponse>(kafka::error_of(
        ErrorCode::coordinator_load_in_progress, "the groups are still being loaded; ask again"));
  }
  response.groups = groups_.names();
  for (const auto& [index, epoch] : groups_.served())
    response.coordinated.push_back({index, epoch});
  if (request.promote.empty()) co_return response;
  const auto codes = co_await groups_.promote(request.link, request.promote, request.switchover_id);
  for (const ErrorCode code : codes) response.promoted.push_back({code});
  co_return response;
}

}  // namespace isthmus::broker
