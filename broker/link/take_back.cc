// How a source opens again: on the word of the target, which has not promoted, or on the
// operator's, who has made sure that it is gone for good.
#include "broker/group/coordinator.h"
#include "broker/link/source_reach.h"
#include "broker/link/switchovers.h"

namespace isthmus::broker {

namespace {

Error invalid(const TopicPartition& tp, const std::string& why) {
  return kafka::error_of(kafka::ErrorCode::invalid_request, tp.to_string() + ": " + why);
}

}  // namespace

// Where each partition goes on. What is not closed is fenced, as in a promotion: the end that is
// looked at is the end that stays.
io::Task<Result<void>> Switchovers::look_at_what_is_taken_back(TakeBack& order,
                                                               PromotedTopics& found) {
  for (const Uuid& topic_id : topics_taken_back(*controller_.snapshot(), order)) {
    const auto image = controller_.snapshot();
    const TopicImage* topic = image->find(topic_id);
    if (topic == nullptr) continue;
    const bool is_open = topic->writer.is_clients();
    std::vector<Offset>& next_offsets = order.topics[topic_id];
    std::vector<PromotedPartition>& partitions = found[topic->name];
    for (size_t i = 0; i < topic->partitions.size(); ++i) {
      const TopicPartition tp{topic->name, static_cast<PartitionIndex>(i)};
      auto partition = partitions_.find(tp.topic, tp.partition);
      if (partition.is_opening()) co_return fail(invalid(tp, "being opened"));
      PromotedPartition end{.next_offset = beyond_any_log};
      if (partition) {
        Held held;
        if (is_open) held = co_await partition.fence(order.id, io::Duration::max());
        if (!is_open) held.view = co_await partition.describe();
        if (held.refusal) co_return fail(invalid(tp, held.refusal->reason));
        end.end_offset = held.view.end_offset;
        end.next_offset = offset_after_take_back(end.end_offset);
      }
      next_offsets.push_back(end.next_offset);
      partitions.push_back(end);
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
  if (request.force) done = co_await look_at_what_is_taken_back(order, found);
  if (done) {
    auto decide = [&](const Image& image) { return plan_take_back(image, order); };
    done = co_await controller_.update(decide);
  }
  // After a failed disk nothing is known, and nothing opens.
  const bool disk_failed = !done && done.error().kind != Error::Kind::kafka;
  std::vector<std::string> names;
  for (const auto& [name, partitions] : found) names.push_back(name);
  if (!disk_failed) co_await lift_partitions(std::move(names), order.id);
  kafka::FinishSwitchoverResponse response;
  if (!done) {
    kafka::refuse(response, said_loudly(done.error()));
    co_return response;
  }
  co_await await_gaps(std::move(found));
  groups_.follow_register();
  groups_.unfence(order.id.to_string());
  topic_changes_.release();
  log_.info("taken back id={} link={} forced={}", order.id.to_string(), order.link, order.forced);
  co_return response;
}

}  // namespace isthmus::broker
