#include "broker/link/way_back.h"

#include <algorithm>

#include "broker/controller/topic_plans.h"
#include "broker/group/coordinator.h"
#include "broker/link/exports.h"
#include "broker/link/link_plans.h"
#include "broker/link/switchover_plans.h"

namespace isthmus::broker {

using kafka::ErrorCode;

namespace {

using Outcome = kafka::BecomeMirrorResponse::BecomeMirrorResult;

Error refused(std::string why) {
  return kafka::error_of(ErrorCode::invalid_request, std::move(why));
}

bool is_done(const Outcome& answer) { return answer.error_code == ErrorCode::none; }

void note(Outcome& answer, const Error& why) {
  answer.error_code = ErrorCode::invalid_request;
  answer.error_message = why.text;
}

// Where nothing at all was done, that is the answer to the request.
kafka::BecomeMirrorResponse answer_of(std::vector<Outcome> answers, Result<void> done,
                                      const kafka::BecomeMirrorRequest& request) {
  kafka::BecomeMirrorResponse response;
  const bool none = !request.topics.empty() && std::ranges::none_of(answers, is_done);
  if (done && none) {
    done = fail(refused(answers[0].name + ": " + answers[0].error_message.value_or("")));
  }
  if (!done) {
    response.error_code = ErrorCode::invalid_request;
    response.error_message = done.error().text;
  }
  response.topics = std::move(answers);
  return response;
}

}  // namespace

WayBack::WayBack(io::Env& env, Controller& controller, PartitionTable& partitions,
                 Coordinator& groups, SiteViews& views, Colleagues& colleagues)
    : env_(env),
      controller_(controller),
      partitions_(partitions),
      groups_(groups),
      views_(views),
      steps_(env, controller, partitions, colleagues) {}

io::Task<Result<WayBackSteps::Response>> WayBack::compare_one(Uuid topic, PartitionIndex index,
                                                              Uuid fence, const Wanted& wanted) {
  WayBackSteps::Request step;
  step.step = kafka::WayBackStep::compare;
  step.topic_id = topic;
  step.index = index;
  step.fence = fence;
  const auto theirs = std::ranges::find(wanted.partitions, index,
                                        &kafka::BecomeMirrorRequest::BecomeMirrorPartition::index);
  if (theirs != wanted.partitions.end()) {
    step.offset = theirs->end_offset;
    for (const auto& e : theirs->history)
      step.history.push_back({e.epoch, e.start_offset, e.owner});
  }
  return steps_.take(std::move(step));
}

io::Task<WayBack::Compared> WayBack::compare(const kafka::BecomeMirrorRequest& request,
                                             const Wanted& wanted, Uuid fence) {
  Compared compared;
  Answer& answer = compared.answer;
  answer.name = wanted.name;
  auto refuse = [&compared](std::string why) {
    compared.answer.error_code = ErrorCode::invalid_request;
    compared.answer.error_message = std::move(why);
    return compared;
  };
  auto image = controller_.snapshot();
  const TopicImage* topic = image->find(wanted.name);
  if (topic == nullptr) co_return compared;  // nothing to cut: the link will create it
  if (topic->id != wanted.topic_id) co_return refuse("another topic of this name, by its id");
  if (topic->is_mirror() && !topic->writer.is_link(request.link)) {
    co_return refuse("written by " + to_string(topic->writer));
  }
  if (topic->writer.kind() == kafka::WriterKind::handed_over) {
    co_return refuse("handed over to the other site, whose answer is awaited");
  }
  const size_t count = topic->partitions.size();
  LeaderEpoch exported_epoch = -1;
  bool diverged = false;
  for (size_t i = 0; i < count; ++i) {
    auto index = static_cast<PartitionIndex>(i);
    // One that only this site has is kept whole, and is to be made there before it is cut here.
    const bool only_here =
        std::ranges::find(wanted.partitions, index,
                          &kafka::BecomeMirrorRequest::BecomeMirrorPartition::index) ==
        wanted.partitions.end();
    const std::string name = "partition " + std::to_string(index);
    if (only_here && !request.dry_run) co_return refuse(name + " is not at the new source yet");
    auto common = co_await compare_one(wanted.topic_id, index, fence, wanted);
    if (!common) {
      const bool is_offline = kafka::is(common.error(), ErrorCode::kafka_storage_error);
      co_return refuse(is_offline ? name + " is " + common.error().text : common.error().text);
    }
    answer.partitions.push_back({index, common->cut_at, common->end_offset});
    compared.epochs.push_back(common->leader_epoch);
    if (common->cut_at < common->end_offset) diverged = true;
    exported_epoch = std::max(exported_epoch, common->last_batch_epoch);
  }
  if (!diverged) co_return compared;
  const auto now = controller_.snapshot();
  answer.exported_id = export_id(*now, wanted.topic_id, exported_epoch);
  auto name = export_name(*now, wanted.name, exported_epoch, answer.exported_id);
  if (!name) co_return refuse(name.error().text);
  answer.exported_to = std::move(*name);
  co_return compared;
}

// A fence ends by itself, and with its leader. Whether nobody has written since, the ends say; that
// nobody does from now on, the fence that this begins anew.
io::Task<Result<void>> WayBack::compare_again(const Wanted& wanted, Uuid fence,
                                              Compared& compared) {
  for (size_t i = 0; i < compared.answer.partitions.size(); ++i) {
    const auto& before = compared.answer.partitions[i];
    auto now = co_await compare_one(wanted.topic_id, before.index, fence, wanted);
    if (!now) co_return fail(now.error());
    if (now->end_offset > before.end_offset || now->cut_at != before.cut_at) {
      co_return fail(refused("partition " + std::to_string(before.index) +
                             " was written meanwhile; repeat the command"));
    }
    compared.epochs[i] = now->leader_epoch;
  }
  co_return Result<void>{};
}

io::Task<Result<void>> WayBack::export_partition(Uuid from, Uuid to, PartitionIndex index,
                                                 Offset cut_at) {
  WayBackSteps::Request keep;
  keep.step = kafka::WayBackStep::keep;
  keep.topic_id = to;
  keep.index = index;
  keep.offset = cut_at;
  auto saved = co_await steps_.take(keep);  // an export that broke off goes on at its end
  while (saved) {
    WayBackSteps::Request read;
    read.step = kafka::WayBackStep::read;
    read.topic_id = from;
    read.index = index;
    read.offset = std::max(saved->end_offset, cut_at);
    auto step = co_await steps_.take(std::move(read));
    if (!step) co_return fail(step.error());
    if (step->records.empty()) break;
    keep.records = std::move(step->records);
    saved = co_await steps_.take(keep);
  }
  if (!saved) co_return fail(saved.error());
  co_return Result<void>{};
}

io::Task<Result<void>> WayBack::export_suffix(const Wanted& wanted, Answer& answer) {
  if (answer.exported_to.empty()) co_return Result<void>{};
  if (controller_.snapshot()->find(answer.exported_id) == nullptr) {
    NewTopic wish;
    wish.name = answer.exported_to;
    wish.id = answer.exported_id;
    wish.partitions = static_cast<int32_t>(answer.partitions.size());
    wish.configs = {{"retention.ms", "-1"}, {"retention.bytes", "-1"}};
    // The batches keep their epochs, and a leader's is never below those in its log. The new
    // source's are a generation above them.
    LeaderEpoch epoch = 0;
    for (const auto& p : wanted.partitions) epoch = std::max(epoch, p.leader_epoch);
    wish.leader_epochs.assign(answer.partitions.size(), epoch);
    auto decide = [&wish](const Image& image) { return plan_create_topic(image, wish); };
    auto created = co_await controller_.update(decide);
    if (!created) co_return created;
  }
  for (const auto& p : answer.partitions) {
    auto done = co_await export_partition(wanted.topic_id, answer.exported_id, p.index, p.cut_at);
    if (!done) co_return done;
  }
  log_.info("exported topic={} to={}", wanted.name, answer.exported_to);
  // The log starts of the export are nowhere else than in the checkpoint.
  auto noted = co_await partitions_.checkpoint();
  co_return noted;
}

io::Task<Result<void>> WayBack::cut(const Wanted& wanted, const Answer& answer, Uuid fence) {
  for (const auto& p : answer.partitions) {
    WayBackSteps::Request step;
    step.step = kafka::WayBackStep::cut;
    step.topic_id = wanted.topic_id;
    step.index = p.index;
    step.fence = fence;
    step.offset = p.cut_at;
    step.end_offset = p.end_offset;
    auto done = co_await steps_.take(std::move(step));
    if (!done) co_return fail(done.error());
  }
  co_return Result<void>{};
}

// Who does not answer opens by itself.
io::Task<void> WayBack::lift(const Wanted& wanted, Uuid fence) {
  const auto image = controller_.snapshot();
  const TopicImage* topic = image->find(wanted.topic_id);
  if (topic == nullptr) co_return;
  for (size_t i = 0; i < topic->partitions.size(); ++i) {
    WayBackSteps::Request step;
    step.step = kafka::WayBackStep::lift;
    step.topic_id = wanted.topic_id;
    step.index = static_cast<PartitionIndex>(i);
    step.fence = fence;
    (void)co_await steps_.take(std::move(step));
  }
}

// What was compared under a leader that was replaced since may have been written by the next.
Result<void> WayBack::check_leaders(const Image& image, const Wanted& wanted,
                                    const Compared& compared) {
  const TopicImage* topic = image.find(wanted.topic_id);
  if (topic == nullptr || topic->is_mirror()) return {};
  for (size_t i = 0; i < compared.epochs.size(); ++i) {
    const bool is_there = i < topic->partitions.size();
    const LeaderEpoch now = is_there ? epoch_in_force(topic->partitions[i], image) : -1;
    if (now == compared.epochs[i]) continue;
    return fail(refused(wanted.name + "-" + std::to_string(i) +
                        ": another leader was elected meanwhile; repeat the command"));
  }
  return {};
}

// The records of what was compared and exported: one commit. What was not is among the topics that
// this site does not follow, and stays closed.
io::Task<Result<void>> WayBack::write_down(const kafka::BecomeMirrorRequest& request,
                                           const std::vector<Compared>& compared) {
  kafka::BecomeMirrorRequest done = request;
  done.topics.clear();
  for (size_t i = 0; i < request.topics.size(); ++i) {
    if (is_done(compared[i].answer)) {
      done.topics.push_back(request.topics[i]);
    } else {
      done.others.push_back(request.topics[i].topic_id);
    }
  }
  kafka::BrokerViewRequest all_groups;
  all_groups.include_groups = true;
  const auto view = co_await views_.collect(std::move(all_groups));
  if (!view.silent.empty()) co_return fail(refused(view.silent.begin()->second));
  Ending ending;
  ending.link = request.link;
  ending.reverse_link = request.link;
  ending.new_origin = request.origin;
  for (const auto& group : view.groups) ending.groups.push_back(group.name);
  ending.routes = kafka::takeovers_in(request.routes, request.route_version);
  auto decide = [&](const Image& image) -> Result<Plan> {
    auto all_told = check_coordinators(image, view.coordinated);
    if (!all_told) return Result<Plan>(fail(all_told.error()));
    for (size_t i = 0; i < request.topics.size(); ++i) {
      if (!is_done(compared[i].answer)) continue;
      auto same = check_leaders(image, request.topics[i], compared[i]);
      if (!same) return Result<Plan>(fail(same.error()));
    }
    return plan_become_mirror(image, ending, done);
  };
  auto written = co_await controller_.update(decide);
  co_return written;
}

io::Task<kafka::BecomeMirrorResponse> WayBack::become_mirror(kafka::BecomeMirrorRequest request) {
  std::vector<Compared> compared;
  Uuid fence;
  env_.random.fill(fence.bytes);
  // Asked again with the decision below; here, before anything is fenced or exported for nothing.
  Result<void> done = check_not_promoted_since(*controller_.snapshot(), request);
  const bool known = co_await groups_.loaded(env_.main_loop().now() + patience_for_groups);
  if (done && !known) done = fail(refused("the groups are still being loaded; repeat it"));
  if (!done) co_return answer_of({}, done, request);
  for (const Wanted& wanted : request.topics) {
    auto one = co_await compare(request, wanted, fence);
    compared.push_back(std::move(one));
  }
  for (size_t i = 0; !request.dry_run && i < compared.size(); ++i) {
    if (!is_done(compared[i].answer)) continue;
    auto exported = co_await export_suffix(request.topics[i], compared[i].answer);
    if (exported) exported = co_await compare_again(request.topics[i], fence, compared[i]);
    if (!exported) note(compared[i].answer, exported.error());
  }
  const bool any =
      std::ranges::any_of(compared, [](const Compared& one) { return is_done(one.answer); });
  std::vector<bool> is_written(compared.size());
  if (any && !request.dry_run) {
    done = co_await write_down(request, compared);
    const bool may_be_written = done || done.error().kind != Error::Kind::kafka;
    for (size_t i = 0; i < compared.size(); ++i) {
      is_written[i] = may_be_written && is_done(compared[i].answer);
    }
    for (size_t i = 0; done && i < compared.size(); ++i) {
      if (!is_done(compared[i].answer)) continue;
      auto was_cut = co_await cut(request.topics[i], compared[i].answer, fence);
      if (!was_cut) note(compared[i].answer, was_cut.error());
    }
    if (done) done = co_await partitions_.checkpoint();
  }
  // Whoever leads what was written down may not have read that yet, and would open it for clients:
  // the cut lifts its fence, or the clock.
  for (size_t i = 0; i < compared.size(); ++i) {
    if (!is_written[i]) co_await lift(request.topics[i], fence);
  }
  std::vector<Answer> answers;
  for (Compared& one : compared) answers.push_back(std::move(one.answer));
  co_return answer_of(std::move(answers), done, request);
}

}  // namespace isthmus::broker
