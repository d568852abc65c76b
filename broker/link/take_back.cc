// How a source opens again: on the word of the target, which has not promoted, or on the
// operator's, who has made sure that it is gone for good.
#include "broker/link/refusals.h"
#include "broker/link/source_reach.h"
#include "broker/link/switchovers.h"

namespace isthmus::broker {

// Where each partition goes on. What is not closed is frozen, as in a promotion: the end that is
// looked at is the end that stays.
io::Task<Result<void>> Switchovers::look_at_what_is_taken_back(TakeBack& order,
                                                               PromotedTopics& found,
                                                               Uuid attempt) {
  const auto image = controller_.snapshot();
  kafka::HoldPartitionsRequest freeze;
  freeze.verb = kafka::HoldVerb::freeze;
  freeze.switchover_id = order.id;
  freeze.link = order.link;
  freeze.attempt = attempt;
  freeze.leaves_gap = true;
  for (const Uuid& id : topics_taken_back(*image, order)) {
    freeze.topics.push_back(all_partitions_of(*image->find(id)));
  }
  auto answers = co_await site_.ask(freeze, patience_for_leaders, true);
  if (!answers) {
    co_return fail(kafka::error_of(kafka::ErrorCode::invalid_request, answers.error().text));
  }
  for (const auto& [id, partitions] : held_in(*answers, freeze)) {
    for (const HeldPartition& p : partitions) {
      PromotedPartition end{.next_offset = beyond_any_log};
      if (!p.offline) {
        end.end_offset = p.end_offset;
        end.next_offset = offset_after_take_back(p.end_offset);
        order.epochs[{id, p.index}] = p.leader_epoch;
      }
      order.topics[id].push_back(end.next_offset);
      found[image->find(id)->name].push_back(end);
    }
  }
  co_return Result<void>{};
}

io::Task<kafka::FinishSwitchoverResponse> Switchovers::take_back(
    kafka::FinishSwitchoverRequest request, ClusterIdentity target) {
  TakeBack order{request.link, request.switchover_id, request.force, env_.main_loop().wall_ms(),
                 std::move(target)};
  PromotedTopics found;
  Result<void> done;
  const Uuid attempt = draw_attempt();
  if (request.force) done = co_await look_at_what_is_taken_back(order, found, attempt);
  if (done) {
    auto decide = [&](const Image& image) { return plan_take_back(image, order); };
    done = co_await controller_.update(decide);
  }
  // After a failed disk nothing is known, and nothing opens.
  const bool disk_failed = !done && done.error().kind != Error::Kind::kafka;
  if (request.force && !disk_failed) co_await site_.lift(order.link, order.id, attempt);
  kafka::FinishSwitchoverResponse response;
  if (!done) {
    kafka::refuse(response, said_loudly(done.error()));
    co_return response;
  }
  co_await await_gaps(std::move(found));
  log_.info("taken back id={} link={} forced={}", order.id.to_string(), order.link, order.forced);
  co_return response;
}

}  // namespace isthmus::broker
