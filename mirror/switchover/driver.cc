#include "mirror/switchover/driver.h"

#include <algorithm>

#include <fmt/core.h>

#include "client/describe_site.h"
#include "io/gate.h"
#include "kafka/gen/durable_ends.h"
#include "kafka/gen/finish_switchover.h"
#include "kafka/gen/step_down.h"
#include "kafka/gen/switchover_wish.h"
#include "kafka/link_ends.h"
#include "kafka/takeovers.h"
#include "kafka/topic_names.h"
#include "mirror/lanes.h"

namespace isthmus::mirror {

using kafka::ErrorCode;

namespace {

constexpr auto drain_poll = io::milliseconds(10);
// How long a broker of the target may lag behind the one that was asked before.
constexpr auto time_to_hear = std::chrono::seconds(2);

Error refusal(const char* step, const std::optional<std::string>& message) {
  return Error::message(std::string(step) + ": " + message.value_or("refused"));
}

using Ends = kafka::DurableEndsResponse;

const Ends::EndsTopic* find(const Ends& ends, const Uuid& id) {
  auto found = std::ranges::find(ends.topics, id, &Ends::EndsTopic::topic_id);
  return found == ends.topics.end() ? nullptr : &*found;
}

kafka::Takeovers routes_of(const kafka::DescribeSiteResponse& site) {
  return kafka::takeovers_in(site.routes, site.route_version, site.name);
}

// As a fence has told it; nothing where the source is too old to.
Standstill standstill_of(const Uuid& id, const kafka::FenceResponse& fenced) {
  Standstill still;
  still.switchover = id;
  still.is_told = !fenced.brokers.empty();
  for (const auto& broker : fenced.brokers) {
    still.groups.insert(broker.groups.begin(), broker.groups.end());
    for (const auto& c : broker.coordinated)
      still.fences[c.index] = {c.leader_epoch, broker.number};
  }
  return still;
}

bool is_drained(const Ends::EndsPartition& copy, Offset end) {
  return copy.offline.empty() && copy.end_offset == end && copy.durable_end == end;
}

}  // namespace

Driver::Driver(client::Cluster& source, client::Cluster& target, std::string link,
               std::string reverse_link, io::Duration fence, Hooks hooks, int64_t link_epoch)
    : source_(source),
      target_(target),
      link_(std::move(link)),
      reverse_link_(std::move(reverse_link)),
      fence_(fence),
      hooks_(std::move(hooks)),
      link_epoch_(link_epoch),
      log_(LogComponent::switchover, "switchover " + link_) {}

io::Instant Driver::soon() const { return source_.loop().now() + step_timeout; }

SideRecord Driver::record_in(const Site& site) const {
  SideRecord record;
  record.self = kafka::identity_of(site);
  for (const auto& s : site.switchovers) {
    if (s.link != link_) continue;
    record.id = s.switchover_id;
    record.phase = s.phase;
    record.failover = s.failover;
    record.peer = {s.peer_id, s.peer_number};
  }
  return record;
}

// Not ten times a second.
Error Driver::said_once(std::string text) {
  if (text != said_) log_.error("{}", text);
  said_ = text;
  return Error::message(std::move(text));
}

Error Driver::stranger(const SideRecord& source, const SideRecord& target) {
  const bool at_target = source.peer.known() && source.peer != target.self;
  const SideRecord& teller = at_target ? source : target;
  const SideRecord& found = at_target ? target : source;
  std::string text = "nothing is done: switchover " + teller.id.to_string() +
                     " was agreed on with " + to_string(teller.peer) + ", and the " +
                     (at_target ? "target" : "source") + " that answers is " +
                     to_string(found.self);
  return said_once(std::move(text));
}

io::Task<Result<Driver::Site>> Driver::describe(client::Cluster& cluster, bool topics) {
  kafka::DescribeSiteRequest request;
  request.include_topics = topics;
  co_return co_await client::describe_site(cluster, std::move(request), soon(), control_lane);
}

io::Task<Result<void>> Driver::look_and_step() {
  auto target = co_await describe(target_, false);
  if (!target) co_return fail(target.error());
  auto source = co_await describe(source_, false);
  if (!source) co_return fail(source.error());
  SideRecord at_target = record_in(*target);
  SideRecord at_source = record_in(*source);
  Result<void> done = {};
  begin_steps();
  switch (next_step(at_source, at_target)) {
    case Step::none: break;
    case Step::refuse_stranger: done = fail(stranger(at_source, at_target)); break;
    case Step::fence_and_hand_over: done = co_await fence_and_hand_over(at_target); break;
    case Step::promote: done = co_await promote_as_recorded(at_source.id); break;
    case Step::abandon: done = co_await abandon(at_source.id); break;
    case Step::finish_promoted:
      co_await release_groups(at_target);
      done = co_await finish(at_source.id, at_target.id);
      break;
    case Step::finish_abandoned: done = co_await finish(at_source.id, Uuid{}); break;
    case Step::step_down: done = co_await step_down(at_target.id); break;
  }
  co_return done;
}

// The target, as one of its brokers tells it that has heard of the promotion: one that has not
// would tell of topics that it does not write, and of routes that lead elsewhere.
io::Task<Result<Driver::Site>> Driver::describe_promoted(Uuid id, bool topics) {
  const io::Instant deadline = source_.loop().now() + time_to_hear;
  while (true) {
    auto target = co_await describe(target_, topics);
    if (!target) co_return target;
    const SideRecord record = record_in(*target);
    if (record.id == id && record.phase == Phase::promoted) co_return target;
    if (source_.loop().now() >= deadline) {
      co_return fail("the broker of the target that answers has yet to hear of the promotion");
    }
    co_await io::sleep(source_.loop(), drain_poll);
  }
}

void Driver::begin_steps() {
  steps_.clear();
  step_began_ = source_.loop().now();
}

void Driver::step_done(std::string_view step) {
  const io::Instant now = source_.loop().now();
  const auto took = std::chrono::duration_cast<io::milliseconds>(now - step_began_);
  steps_ += fmt::format("{}{} {} ms", steps_.empty() ? "" : ", ", step, took.count());
  step_began_ = now;
}

io::Task<Result<void>> Driver::fence_and_hand_over(SideRecord target) {
  const Uuid id = target.id;
  log_.info("begins id={}", id.to_string());
  // It would not catch up: producers need not stand still to learn that.
  const auto stuck = hooks_.first_stuck();
  if (stuck) {
    co_await fall_back(id, *stuck);
    co_return fail(*stuck);
  }
  auto groups = co_await hooks_.prepare_groups();
  if (!groups) co_return fail(groups.error());
  auto still = co_await is_still_wished(id);
  if (!still) co_return fail(still.error());
  if (!*still) co_return Result<void>{};
  Fenced fenced;
  io::Instant deadline = source_.loop().now() + fence_;
  auto done = co_await fence_everything(id, fenced);
  if (done) done = co_await bring_the_rest(id, fenced, deadline);
  if (done) done = co_await hand_over(target, fenced);
  if (!done) {
    // The answer to a hand-over may be lost, and another driver may have been ahead of this one:
    // only the source's record tells which way it went, and with what.
    auto source = co_await describe(source_, false);
    if (!source) co_return fail(source.error());
    SideRecord record = record_in(*source);
    bool handed_over = record.id == id && record.phase == Phase::handed_over;
    if (!handed_over) {
      co_await fall_back(id, done.error().text);
      co_return done;
    }
    auto promoted = co_await promote_with_groups(id);
    co_return promoted;
  }
  step_done("hand-over");
  kafka::PromoteRequest request = promotion(id, fenced.source, target.self);
  for (const auto& topic : fenced.answer.topics) {
    auto& t = request.topics->emplace_back();
    t.topic_id = topic.topic_id;
    t.partitions.emplace();
    for (const auto& p : topic.partitions) t.partitions->push_back({p.index, p.end_offset});
  }
  auto promoted = co_await promote(std::move(request));
  co_return promoted;
}

// The round of groups may have taken long: meanwhile the command gives up, or another mirror
// process has gone ahead.
io::Task<Result<bool>> Driver::is_still_wished(Uuid id) {
  auto target = co_await describe(target_, false);
  if (!target) co_return fail(target.error());
  auto source = co_await describe(source_, false);
  if (!source) co_return fail(source.error());
  const SideRecord at_target = record_in(*target);
  co_return at_target.id == id&& next_step(record_in(*source), at_target) ==
      Step::fence_and_hand_over;
}

// A topic that is made after the look, and not fenced, is in the answer to the fence; one that was
// there is not mirrored for a reason that the link tells. Behind a fence nobody makes topics, so a
// second one, which names the new ones too, is enough.
io::Task<Result<void>> Driver::fence_everything(const Uuid& id, Fenced& fenced) {
  auto before = co_await describe(source_, true);
  if (!before) co_return fail(before.error());
  std::string left_behind;
  for (int fences = 0; fences < 2; ++fences) {
    auto found = co_await hooks_.discover();
    if (!found) co_return found;
    const auto stuck = hooks_.first_stuck();
    if (stuck) co_return fail(*stuck);
    auto source = co_await describe(source_, true);
    if (!source) co_return fail(source.error());
    if (fences == 0) begin_steps();
    auto done = co_await fence(id, std::move(*source), fenced);
    if (!done) co_return done;
    const auto& others = fenced.answer.others;
    const auto is_new = [&](const std::string& topic) {
      const auto known = std::ranges::find(before->topics, topic, &Site::SiteTopic::name);
      return known == before->topics.end() && hooks_.selects_topic(topic);
    };
    const auto left = std::ranges::find_if(others, is_new);
    if (left == others.end()) co_return Result<void>{};
    left_behind = *left;
  }
  co_return fail("fence: topic " + left_behind + " was made meanwhile, and would stay behind");
}

io::Task<Result<void>> Driver::fence(const Uuid& id, Site source, Fenced& fenced) {
  kafka::FenceRequest request;
  request.switchover_id = id;
  request.link = link_;
  request.deadline_ms =
      static_cast<int32_t>(std::chrono::duration_cast<io::milliseconds>(fence_).count());
  for (const auto& topic : source.topics) {
    const bool written_here =
        topic.writer != kafka::WriterKind::link && topic.writer != kafka::WriterKind::set_aside;
    const bool is_taken = !kafka::is_internal(topic.name) && hooks_.takes_topic(topic.name);
    if (written_here && is_taken) request.topics.push_back(topic.name);
  }
  auto answer = co_await source_.call_any(std::move(request), soon(), control_lane);
  if (!answer) co_return fail(answer.error());
  if (answer->error_code != ErrorCode::none)
    co_return fail(refusal("fence", answer->error_message));
  fenced = {std::move(source), std::move(*answer)};
  co_return Result<void>{};
}

// Records and groups cross beside each other: what a group has committed may lie above what the
// target has as yet.
io::Task<Result<void>> Driver::bring_the_rest(const Uuid& id, const Fenced& fenced,
                                              io::Instant deadline) {
  step_done("fence");
  Result<void> records = fail("not asked"), groups = fail("not asked");
  rest_failed_ = false;
  io::Gate both(source_.loop());
  both.spawn("drain " + link_, bring_records(fenced, deadline, records));
  both.spawn("last round " + link_, bring_groups(standstill_of(id, fenced.answer), groups));
  co_await both.close();
  step_done("the rest");
  if (!groups) co_return groups;
  co_return records;
}

io::Task<void> Driver::bring_records(const Fenced& fenced, io::Instant deadline,
                                     Result<void>& done) {
  done = co_await drain(fenced, deadline);
}

io::Task<void> Driver::bring_groups(Standstill standstill, Result<void>& done) {
  done = co_await hooks_.sync_groups(std::move(standstill));
  rest_failed_ = !done;
}

// Waits until the target's logs end where the source's do, and a crash would take nothing of them.
io::Task<Result<void>> Driver::drain(const Fenced& fenced, io::Instant deadline) {
  kafka::DurableEndsRequest request;
  for (const auto& topic : fenced.answer.topics) request.topic_ids.push_back(topic.topic_id);
  std::string behind;
  while (source_.loop().now() < deadline) {
    auto target = co_await target_.call_any(request, soon());
    if (!target) co_return fail(target.error());
    behind.clear();
    for (const auto& topic : fenced.answer.topics) {
      const auto* there = find(*target, topic.topic_id);
      const bool is_ours = there != nullptr && there->link == link_ &&
                           there->partitions.size() == topic.partitions.size();
      if (!is_ours) behind = topic.name;
      for (size_t i = 0; is_ours && i < topic.partitions.size(); ++i) {
        const auto& copy = there->partitions[i];
        if (is_drained(copy, topic.partitions[i].end_offset)) continue;
        behind = TopicPartition{topic.name, copy.index}.to_string();
        if (!copy.offline.empty()) co_return fail("drain: " + behind + ": " + copy.offline);
      }
    }
    if (behind.empty()) co_return Result<void>{};
    if (rest_failed_) co_return fail("drain: not waited for, since groups do not cross");
    co_await io::sleep(source_.loop(), drain_poll);
  }
  co_return fail("drain: " + behind + " did not catch up within the fence");
}

io::Task<Result<void>> Driver::hand_over(const SideRecord& target, const Fenced& fenced) {
  kafka::HandOverRequest request;
  request.switchover_id = target.id;
  request.link = link_;
  request.target_id = target.self.id;
  request.target_number = target.self.number;
  for (const auto& topic : fenced.answer.topics) {
    auto& t = request.topics.emplace_back();
    t.topic_id = topic.topic_id;
    for (const auto& p : topic.partitions) {
      t.partitions.push_back({p.index, p.end_offset, p.leader_epoch, p.number});
    }
  }
  request.others = fenced.answer.others;
  for (const auto& broker : fenced.answer.brokers) {
    auto& b = request.brokers.emplace_back();
    b.node_id = broker.node_id;
    b.number = broker.number;
    for (const auto& c : broker.coordinated) b.coordinated.push_back({c.index, c.leader_epoch});
  }
  auto answer = co_await source_.call_any(std::move(request), soon(), control_lane);
  if (!answer) co_return fail(answer.error());
  if (answer->error_code != ErrorCode::none) {
    co_return fail(refusal("hand over", answer->error_message));
  }
  co_return Result<void>{};
}

io::Task<void> Driver::fall_back(Uuid id, std::string why) {
  log_.warn("falls back to the source id={}: {}", id.to_string(), why);
  kafka::SwitchoverWishRequest give_up;
  give_up.link = link_;
  give_up.switchover_id = id;
  give_up.abandon = true;
  give_up.reason = std::move(why);
  auto given_up = co_await target_.call_any(std::move(give_up), soon(), control_lane);
  if (!given_up) log_.warn("the wish cannot be given up yet: {}", given_up.error().text);
  kafka::FenceRequest lift;
  lift.switchover_id = id;
  lift.link = link_;
  lift.lift = true;
  auto lifted = co_await source_.call_any(std::move(lift), soon(), control_lane);
  if (!lifted) log_.warn("the fence lifts at its deadline: {}", lifted.error().text);
}

// Of all but the topics.
kafka::PromoteRequest Driver::promotion(const Uuid& id, const Site& source,
                                        const kafka::ClusterIdentity& target) const {
  kafka::PromoteRequest request;
  request.switchover_id = id;
  request.link = link_;
  request.link_epoch = link_epoch_;
  request.route_from = source.name;
  const kafka::ClusterIdentity self = kafka::identity_of(source);
  request.source_id = self.id;
  request.source_number = self.number;
  request.target_id = target.id;
  request.target_number = target.number;
  kafka::put_takeovers(request.routes, routes_of(source));
  request.topics.emplace();
  return request;
}

io::Task<Result<void>> Driver::promote_as_recorded(Uuid id) {
  auto groups = co_await hooks_.prepare_groups();
  if (!groups) co_return fail(groups.error());
  co_return co_await promote_with_groups(id);
}

// UNSUPPORTED_VERSION from an older source, which has one broker.
io::Task<Result<kafka::HandOverResponse>> Driver::read_hand_over(Uuid id) {
  constexpr int16_t tells_what_is_recorded = 2;
  auto connection = co_await source_.any(soon(), control_lane);
  if (!connection) co_return fail(connection.error());
  const auto version = (*connection)->version_for(kafka::HandOverRequest::api_key);
  if (!version || *version < tells_what_is_recorded) {
    co_return kafka::refuse(ErrorCode::unsupported_version, "the source is too old");
  }
  kafka::HandOverRequest request;
  request.switchover_id = id;
  request.link = link_;
  request.as_recorded = true;
  auto answer = co_await (*connection)->call(std::move(request), soon());
  if (!answer) co_return fail(answer.error());
  if (answer->error_code != ErrorCode::none) {
    co_return fail(refusal("read the hand-over", answer->error_message));
  }
  co_return answer;
}

// By who has not fenced it: at the ends that the source has recorded, with groups that are read now
// that nothing moves them. REQUIRES: no other round of groups begins.
io::Task<Result<void>> Driver::promote_with_groups(Uuid id) {
  auto source = co_await describe(source_, false);
  if (!source) co_return fail(source.error());
  const SideRecord record = record_in(*source);
  // Without its word for whom it is, anybody would promote it.
  if (record.id != id || record.phase != Phase::handed_over) {
    co_return fail("the broker of the source that answers has yet to hear of the hand-over");
  }
  kafka::PromoteRequest request = promotion(id, *source, record.peer);
  Standstill still;
  still.switchover = id;
  auto recorded = co_await read_hand_over(id);
  const bool is_too_old = !recorded && recorded.error().kind == Error::Kind::kafka;
  if (is_too_old) {
    auto described = co_await read_as_described(id, request);
    if (!described) co_return described;
  } else if (!recorded) {
    // Both sites are closed meanwhile.
    co_return fail(said_once(recorded.error().text));
  } else {
    still.is_told = still.handed_over = true;
    still.groups.insert(recorded->groups.begin(), recorded->groups.end());
    for (const auto& topic : recorded->topics) {
      auto& t = request.topics->emplace_back();
      t.topic_id = topic.topic_id;
      t.partitions.emplace();
      for (Offset end : topic.end_offsets) {
        t.partitions->push_back({static_cast<PartitionIndex>(t.partitions->size()), end});
      }
    }
    if (recorded->topics.empty()) {  // an older release's record names none
      auto described = co_await read_as_described(id, request);
      if (!described) co_return described;
    }
  }
  auto synced = co_await hooks_.sync_groups(std::move(still));
  if (!synced) co_return synced;
  step_done("groups");
  auto promoted = co_await promote(std::move(request));
  co_return promoted;
}

// Since the hand-over nothing moves the ends, and all that lies before them is durable.
io::Task<Result<void>> Driver::read_as_described(const Uuid& id, kafka::PromoteRequest& request) {
  auto source = co_await describe(source_, true);
  if (!source) co_return fail(source.error());
  for (const auto& topic : source->topics) {
    if (!kafka::writer_of(topic).is_closed_by(id)) continue;
    auto& t = request.topics->emplace_back();
    t.topic_id = topic.topic_id;
    t.partitions.emplace();
    for (const auto& p : topic.partitions) t.partitions->push_back({p.index, p.high_watermark});
  }
  co_return Result<void>{};
}

io::Task<Result<void>> Driver::promote(kafka::PromoteRequest request) {
  const Uuid id = request.switchover_id;
  auto answer = co_await target_.call_any(std::move(request), soon(), control_lane);
  if (!answer) co_return fail(answer.error());
  if (answer->error_code != ErrorCode::none) {
    // The source stays closed meanwhile.
    co_return fail(said_once("handed over, and not promoted id=" + id.to_string() + ": " +
                             answer->error_message.value_or("refused") +
                             "; it is asked again; or: isthmus switchover take-back"));
  }
  said_.clear();
  log_.info("promoted id={}", id.to_string());
  step_done("promotion");
  auto finished = co_await finish(id, id);
  co_return finished;
}

// The target may have died between the record of its promotion and the last of its groups.
// Repeated, the promotion goes on with those; one that cannot be released holds nothing else up.
io::Task<void> Driver::release_groups(SideRecord target) {
  kafka::PromoteRequest request;
  request.switchover_id = target.id;
  request.link = link_;
  request.failover = target.failover;
  request.topics.emplace();
  auto answer = co_await target_.call_any(std::move(request), soon(), control_lane);
  if (!answer) log_.warn("groups at the target: {}", answer.error().text);
}

io::Task<Result<void>> Driver::abandon(Uuid id) {
  kafka::SwitchoverWishRequest give_up;
  give_up.link = link_;
  give_up.switchover_id = id;
  give_up.abandon = true;
  auto answer = co_await target_.call_any(std::move(give_up), soon(), control_lane);
  if (!answer) co_return fail(answer.error());
  if (answer->error_code != ErrorCode::none) {
    co_return fail(refusal("abandon", answer->error_message));
  }
  auto finished = co_await finish(id, Uuid{});
  co_return finished;
}

io::Task<Result<void>> Driver::finish(Uuid id, Uuid promoted) {
  const bool is_promoted = !promoted.is_zero();
  Result<Site> target;
  if (is_promoted) {
    target = co_await describe_promoted(promoted, false);
  } else {
    target = co_await describe(target_, false);
  }
  if (!target) co_return fail(target.error());
  kafka::FinishSwitchoverRequest request;
  request.switchover_id = id;
  request.link = link_;
  request.target_id = target->cluster_id;
  request.target_number = target->number;
  request.promoted = is_promoted;
  request.reverse_link = reverse_link_;
  request.new_origin = target->number;
  for (const auto& s : target->switchovers) {
    if (s.link == link_) request.route_version = s.route_version;
  }
  kafka::put_takeovers(request.routes, routes_of(*target));
  auto answer = co_await source_.call_any(std::move(request), soon(), control_lane);
  if (!answer) co_return fail(answer.error());
  if (answer->error_code != ErrorCode::none)
    co_return fail(refusal("finish", answer->error_message));
  step_done("end");
  log_.info("finished id={} promoted={} ({})", id.to_string(), is_promoted, steps_);
  co_return Result<void>{};
}

io::Task<Result<void>> Driver::step_down(Uuid id) {
  auto target = co_await describe_promoted(id, true);
  if (!target) co_return fail(target.error());
  kafka::StepDownRequest request;
  request.switchover_id = id;
  request.link = link_;
  request.target_id = target->cluster_id;
  request.target_number = target->number;
  for (const auto& topic : target->topics) {
    // What the target has closed itself is written elsewhere again.
    if (kafka::writer_of(topic).is_clients()) request.topics.push_back(topic.topic_id);
  }
  for (const auto& s : target->switchovers) {
    if (s.link == link_) request.route_version = s.route_version;
  }
  kafka::put_takeovers(request.routes, routes_of(*target));
  auto answer = co_await source_.call_any(std::move(request), soon(), control_lane);
  if (!answer) co_return fail(answer.error());
  if (answer->error_code != ErrorCode::none) {
    co_return fail(refusal("step down", answer->error_message));
  }
  if (answer->closed == 0) co_return Result<void>{};
  log_.warn(
      "{} was promoted while its source was away; the source refuses writers until: isthmus "
      "link reverse {}",
      target->name, reverse_link_);
  co_return Result<void>{};
}

}  // namespace isthmus::mirror
