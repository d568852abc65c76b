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

constexpr uint64_t export_step_bytes = 4u << 20;

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
                 Coordinator& groups)
    : env_(env), controller_(controller), partitions_(partitions), groups_(groups) {}

io::Task<WayBack::Answer> WayBack::compare(const kafka::BecomeMirrorRequest& request,
                                           const Wanted& wanted, Uuid fence) {
  Answer answer;
  answer.name = wanted.name;
  auto refuse = [&answer](std::string why) {
    answer.error_code = ErrorCode::invalid_request;
    answer.error_message = std::move(why);
    return answer;
  };
  auto image = controller_.snapshot();
  const TopicImage* topic = image->find(wanted.name);
  if (topic == nullptr) co_return answer;  // nothing to cut: the link will create it
  if (topic->id != wanted.topic_id) co_return refuse("another topic of this name, by its id");
  if (topic->is_mirror() && !topic->writer.is_link(request.link)) {
    co_return refuse("written by " + to_string(topic->writer));
  }
  if (topic->writer.kind() == kafka::WriterKind::handed_over) {
    co_return refuse("handed over to the other site, whose answer is awaited");
  }
  size_t count = topic->partitions.size();
  LeaderEpoch exported_epoch = -1;
  bool diverged = false;
  for (size_t i = 0; i < count; ++i) {
    auto index = static_cast<PartitionIndex>(i);
    auto theirs = std::ranges::find(wanted.partitions, index,
                                    &kafka::BecomeMirrorRequest::BecomeMirrorPartition::index);
    auto partition = partitions_.find(wanted.name, index);
    // One that only this site has is kept whole, and is to be made there before it is cut here.
    const bool only_here = theirs == wanted.partitions.end();
    if (!partition || (only_here && !request.dry_run)) {
      co_return refuse("partition " + std::to_string(index) +
                       (partition ? " is not at the new source yet" : " is offline here"));
    }
    std::vector<EpochEntry> history;
    const Offset their_end = only_here ? 0 : theirs->end_offset;
    if (!only_here) {
      for (const auto& e : theirs->history) history.push_back({e.epoch, e.start_offset, e.owner});
    }
    auto common = co_await partition.fence_and_compare(fence, std::move(history), their_end);
    if (common.refusal) co_return refuse(common.refusal->reason);
    answer.partitions.push_back({index, common.cut_at, common.end_offset});
    if (common.cut_at < common.end_offset) diverged = true;
    exported_epoch = std::max(exported_epoch, common.last_batch_epoch);
  }
  if (!diverged) co_return answer;
  const auto now = controller_.snapshot();
  answer.exported_id = export_id(*now, wanted.topic_id, exported_epoch);
  auto name = export_name(*now, wanted.name, exported_epoch, answer.exported_id);
  if (!name) co_return refuse(name.error().text);
  answer.exported_to = std::move(*name);
  co_return answer;
}

io::Task<Result<void>> WayBack::export_partition(std::string from, std::string to,
                                                 PartitionIndex index, Offset cut_at) {
  auto source = partitions_.find(from, index);
  auto target = partitions_.find(to, index);
  if (!source || !target) co_return fail(refused(to + ": a partition is offline"));
  const PartitionView view = co_await source.describe();
  const ExportWriter writer{cut_at};
  auto saved = co_await target.append(writer, {});  // an export that broke off goes on at its end
  while (saved && saved->log_end < view.end_offset) {
    auto step = co_await source.read_own(std::max(saved->log_end, cut_at), export_step_bytes);
    if (!step) co_return fail(step.error());
    if (step->empty()) break;
    saved = co_await target.append(writer, *step);
  }
  if (!saved) co_return fail(saved.error());
  auto synced = co_await target.sync();
  co_return synced;
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
    auto done = co_await export_partition(wanted.name, answer.exported_to, p.index, p.cut_at);
    if (!done) co_return done;
  }
  log_.info("exported topic={} to={}", wanted.name, answer.exported_to);
  // The log starts of the export are nowhere else than in the checkpoint.
  auto noted = co_await partitions_.checkpoint();
  co_return noted;
}

io::Task<Result<void>> WayBack::cut(const Wanted& wanted, const Answer& answer, Uuid fence) {
  for (const auto& p : answer.partitions) {
    auto partition = partitions_.find(wanted.name, p.index);
    if (!partition) co_return fail(refused(wanted.name + ": a partition is offline"));
    auto done = co_await partition.cut(p.cut_at, fence);
    if (!done) co_return fail(done.error());
  }
  co_return Result<void>{};
}

io::Task<void> WayBack::lift(std::string topic, Uuid fence) {
  for (auto& partition : partitions_.all_of(topic)) co_await partition.lift(fence);
}

// The records of what was compared and exported: one commit. What was not is among the topics that
// this site does not follow, and stays closed.
io::Task<Result<void>> WayBack::write_down(const kafka::BecomeMirrorRequest& request,
                                           const std::vector<Answer>& answers) {
  kafka::BecomeMirrorRequest done = request;
  done.topics.clear();
  for (size_t i = 0; i < request.topics.size(); ++i) {
    if (is_done(answers[i])) {
      done.topics.push_back(request.topics[i]);
    } else {
      done.others.push_back(request.topics[i].topic_id);
    }
  }
  Ending ending;
  ending.link = request.link;
  ending.reverse_link = request.link;
  ending.new_origin = request.origin;
  ending.groups = groups_.names();
  ending.routes = kafka::takeovers_in(request.routes, request.route_version);
  auto decide = [&](const Image& image) { return plan_become_mirror(image, ending, done); };
  auto written = co_await controller_.update(decide);
  if (!written) co_return written;
  groups_.follow_register();
  const auto image = controller_.snapshot();
  const auto left = image->switchovers.find(request.left_link);
  if (left != image->switchovers.end()) groups_.unfence(left->second.id.to_string());
  co_return written;
}

io::Task<kafka::BecomeMirrorResponse> WayBack::become_mirror(kafka::BecomeMirrorRequest request) {
  std::vector<Answer> answers;
  Uuid fence;
  env_.random.fill(fence.bytes);
  // Asked again with the decision below; here, before anything is fenced or exported for nothing.
  Result<void> done = check_not_promoted_since(*controller_.snapshot(), request);
  const bool known = co_await groups_.loaded(env_.main_loop().now() + patience_for_groups);
  if (done && !known) done = fail(refused("the groups are still being loaded; repeat it"));
  if (!done) co_return answer_of({}, done, request);
  for (const Wanted& wanted : request.topics) {
    auto answer = co_await compare(request, wanted, fence);
    answers.push_back(std::move(answer));
  }
  for (size_t i = 0; !request.dry_run && i < answers.size(); ++i) {
    if (!is_done(answers[i])) continue;
    auto exported = co_await export_suffix(request.topics[i], answers[i]);
    if (!exported) note(answers[i], exported.error());
  }
  const bool any = std::ranges::any_of(answers, is_done);
  if (any && !request.dry_run) {
    done = co_await write_down(request, answers);
    for (size_t i = 0; done && i < answers.size(); ++i) {
      if (!is_done(answers[i])) continue;
      auto was_cut = co_await cut(request.topics[i], answers[i], fence);
      if (!was_cut) note(answers[i], was_cut.error());
    }
    if (done) done = co_await partitions_.checkpoint();
  }
  for (const auto& wanted : request.topics) co_await lift(wanted.name, fence);
  co_return answer_of(std::move(answers), done, request);
}

}  // namespace isthmus::broker
